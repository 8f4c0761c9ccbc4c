//! Which mTLS a port of a workload takes: PeerAuthentication by its precedence.
//!
//! Istio: `ComposePeerAuthentication` in `pilot/pkg/security/authn/policy_applier.go`.

use super::Subject;
use crate::api::Resource;
use crate::api::security::PeerAuthentication;
use crate::api::security::peer_authentication::MtlsMode;
use crate::api::value::labels_match;
use crate::world::World;
use std::collections::HashMap;
use std::sync::Arc;

type Policy = Arc<Resource<PeerAuthentication>>;

/// The PeerAuthentications of a World by where they hold. Asked for every endpoint, so an index.
#[derive(Clone, Debug, Default)]
pub struct PeerModes<'w> {
    root: Option<&'w Policy>,
    by_namespace: HashMap<&'w str, OfNamespace<'w>>,
}

#[derive(Clone, Debug, Default)]
struct OfNamespace<'w> {
    all: Option<&'w Policy>,
    /// With a selector, oldest first.
    selecting: Vec<&'w Policy>,
}

/// What a port takes, and who says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision<'w> {
    /// Never [`Unset`](MtlsMode::Unset).
    pub mode: MtlsMode,
    /// The policy that decides; `None` where none does, and the mode is Istio's default.
    pub by: Option<&'w Policy>,
}

impl<'w> PeerModes<'w> {
    /// Indexes the policies of a World.
    pub fn new(world: &'w World) -> Self {
        let root_namespace = world.mesh().root_namespace.as_str();
        let mut by_namespace: HashMap<&str, OfNamespace<'w>> = HashMap::new();
        for policy in world.of::<PeerAuthentication>() {
            let of = by_namespace.entry(policy.meta.namespace.as_ref()).or_default();
            if !selects(policy) {
                // The oldest of several counts.
                of.all.get_or_insert(policy);
            } else if *policy.meta.namespace != *root_namespace {
                of.selecting.push(policy);
            }
        }
        let root = by_namespace.get(root_namespace).and_then(|of| of.all);
        Self { root, by_namespace }
    }

    /// What a port of a workload takes, as the workload numbers it: what is said for the port, else for the
    /// workload, else for the namespace, else for the mesh; of several on one level the oldest, and `UNSET` asks
    /// the next level. Permissive where nobody says.
    pub fn decide(&self, subject: Subject<'_>, port: u16) -> Decision<'w> {
        let [own, namespace, root] = self.levels(subject);
        let port_level = own.and_then(|p| Some((p.spec.port_level_mtls.get(&port)?.mode, p)));
        let of_policy = |p: &'w Policy| (p.spec.mtls.unwrap_or_default().mode, p);
        let candidates = [port_level, own.map(of_policy), namespace.map(of_policy), root.map(of_policy)];
        match candidates.into_iter().flatten().find(|(mode, _)| *mode != MtlsMode::Unset) {
            Some((mode, policy)) => Decision { mode, by: Some(policy) },
            None => Decision { mode: MtlsMode::Permissive, by: None },
        }
    }

    /// The policies that hold for a workload, the narrowest first: at most one for the workload, one for its
    /// namespace and one for the mesh.
    pub fn considered(&self, subject: Subject<'_>) -> Vec<&'w Policy> {
        let [own, namespace, root] = self.levels(subject);
        let root = root.filter(|r| namespace.is_none_or(|n| !Arc::ptr_eq(n, r)));
        [own, namespace, root].into_iter().flatten().collect()
    }

    fn levels(&self, subject: Subject<'_>) -> [Option<&'w Policy>; 3] {
        let of = self.by_namespace.get(subject.namespace);
        let matches = |p: &&&Policy| {
            p.spec.selector.as_ref().is_some_and(|s| labels_match(&s.match_labels, subject.labels))
        };
        let own = of.and_then(|of| of.selecting.iter().find(matches).copied());
        [own, of.and_then(|of| of.all), self.root]
    }
}

/// Whether a policy is for single workloads. One that is in the root namespace holds nowhere, as in Istio.
pub fn selects(policy: &Resource<PeerAuthentication>) -> bool {
    policy.spec.selector.as_ref().is_some_and(|s| !s.match_labels.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::{names, with_subject, world};

    fn decide(world: &World, namespace: &str, app: &str, port: u16) -> (MtlsMode, Vec<String>) {
        with_subject(namespace, app, |s| {
            let decision = PeerModes::new(world).decide(s, port);
            (decision.mode, names(decision.by))
        })
    }

    const ROOT: &str = "PeerAuthentication istio-system/root: {mtls: {mode: STRICT}}";
    const SHOP: &str = "PeerAuthentication shop/all: {mtls: {mode: DISABLE}}";
    const OWN: &str = "PeerAuthentication shop/own: {selector: {matchLabels: {app: a}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {80: {mode: STRICT}, 81: {mode: UNSET}}}";

    #[test]
    fn the_port_beats_the_workload_which_beats_the_namespace_which_beats_the_mesh() {
        let world = world(&[ROOT, SHOP, OWN]);
        assert_eq!(decide(&world, "shop", "a", 80), (MtlsMode::Strict, vec!["shop/own".to_owned()]));
        assert_eq!(decide(&world, "shop", "a", 8080), (MtlsMode::Permissive, vec!["shop/own".to_owned()]));
        assert_eq!(decide(&world, "shop", "b", 80), (MtlsMode::Disable, vec!["shop/all".to_owned()]));
        assert_eq!(decide(&world, "bank", "a", 80), (MtlsMode::Strict, vec!["istio-system/root".to_owned()]));
        let considered = with_subject("shop", "a", |s| names(PeerModes::new(&world).considered(s)));
        assert_eq!(considered, ["shop/own", "shop/all", "istio-system/root"]);
    }

    #[test]
    fn what_is_unset_asks_the_next_level() {
        let unset = "PeerAuthentication shop/all: {mtls: {mode: UNSET}}";
        assert_eq!(decide(&world(&[ROOT, unset]), "shop", "a", 80).0, MtlsMode::Strict);
        assert_eq!(decide(&world(&[ROOT, OWN]), "shop", "a", 81).0, MtlsMode::Permissive);
        assert_eq!(decide(&world(&[unset]), "shop", "a", 80), (MtlsMode::Permissive, vec![]));
    }

    #[test]
    fn of_two_on_one_level_the_older_counts() {
        let old = SHOP.replace("shop/all", "shop/z@1").replace("DISABLE", "STRICT");
        let young = SHOP.replace("shop/all", "shop/a@2");
        assert_eq!(decide(&world(&[&young, &old]), "shop", "a", 80).1, ["shop/z"]);
    }

    #[test]
    fn a_selector_in_the_root_namespace_holds_nowhere() {
        let root = OWN.replace("shop/own", "istio-system/own");
        let world = world(&[&root]);
        assert_eq!(decide(&world, "istio-system", "a", 80), (MtlsMode::Permissive, vec![]));
        assert_eq!(decide(&world, "shop", "a", 80), (MtlsMode::Permissive, vec![]));
    }

    #[test]
    fn an_empty_selector_is_none() {
        let all = "PeerAuthentication shop/all: {selector: {}, mtls: {mode: STRICT}}";
        assert_eq!(decide(&world(&[all]), "shop", "b", 80).0, MtlsMode::Strict);
    }
}
