//! Which mTLS a workload takes: PeerAuthentication by its precedence.

use crate::api::Resource;
use crate::api::security::PeerAuthentication;
use crate::api::security::peer_authentication::MtlsMode;
use crate::api::value::labels_match;
use crate::world::World;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Policy = Arc<Resource<PeerAuthentication>>;

/// PeerAuthentications by where they hold. Asked for every endpoint, so an index.
pub(super) struct PeerModes<'w> {
    root: Option<&'w Policy>,
    by_namespace: HashMap<&'w str, OfNamespace<'w>>,
}

#[derive(Default)]
struct OfNamespace<'w> {
    all: Option<&'w Policy>,
    /// With a selector, oldest first.
    selecting: Vec<&'w Policy>,
}

impl<'w> PeerModes<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let root_namespace = world.mesh().root_namespace.as_str();
        let mut by_namespace: HashMap<&str, OfNamespace<'w>> = HashMap::new();
        for policy in world.of::<PeerAuthentication>() {
            let of = by_namespace.entry(policy.meta.namespace.as_ref()).or_default();
            let selects = policy.spec.selector.as_ref().is_some_and(|s| !s.match_labels.is_empty());
            // The oldest of several counts.
            if selects {
                of.selecting.push(policy);
            } else if of.all.is_none() {
                of.all = Some(policy);
            }
        }
        let root = by_namespace.get(root_namespace).and_then(|of| of.all);
        Self { root, by_namespace }
    }

    /// The mode of a workload's port, as the workload numbers it: the port's, the workload's, the
    /// namespace's, the mesh's; permissive where nobody says.
    pub(super) fn mode(&self, namespace: &str, labels: &BTreeMap<String, String>, port: u16) -> MtlsMode {
        self.find(namespace, labels, port).map_or(MtlsMode::Permissive, |(mode, _)| mode)
    }

    /// The policy that decides.
    pub(super) fn origin(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        port: u16,
    ) -> Option<&'w Policy> {
        self.find(namespace, labels, port).map(|(_, policy)| policy)
    }

    fn find(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        port: u16,
    ) -> Option<(MtlsMode, &'w Policy)> {
        let of = self.by_namespace.get(namespace);
        let own = of.and_then(|of| {
            let matches = |p: &&&Policy| {
                p.spec.selector.as_ref().is_some_and(|s| labels_match(&s.match_labels, labels))
            };
            of.selecting.iter().find(matches).copied()
        });
        let port_level = own.and_then(|p| Some((p.spec.port_level_mtls.get(&port)?.mode, p)));
        let of_policy = |p: &'w Policy| (p.spec.mtls.unwrap_or_default().mode, p);
        let candidates = [
            port_level,
            own.map(of_policy),
            of.and_then(|of| of.all).map(of_policy),
            self.root.map(of_policy),
        ];
        candidates.into_iter().flatten().find(|(mode, _)| *mode != MtlsMode::Unset)
    }
}
