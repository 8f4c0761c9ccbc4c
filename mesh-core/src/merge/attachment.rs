//! For which workloads a policy holds: by selector, by `targetRefs`, by namespace.
//!
//! Istio: `ShouldAttachPolicy` and `GetTargetRefs` in `pilot/pkg/model/policyattachment.go`. For
//! AuthorizationPolicy, RequestAuthentication, Telemetry and WasmPlugin.

use super::Subject;
use crate::api::Meta;
use crate::api::value::{Selector, TargetRef, labels_match};
use crate::registry::{Provider, Service};

/// The label of the proxies of a Gateway of the Gateway API: its name.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The GatewayClass of waypoints.
const WAYPOINT_CLASS: &str = "istio-waypoint";
const GATEWAY_API: &str = "gateway.networking.k8s.io";
const ISTIO: &str = "networking.istio.io";

/// What a policy says about where it holds.
#[derive(Clone, Copy, Debug)]
pub struct Attachment<'a> {
    /// The policy's namespace.
    pub namespace: &'a str,
    /// Its `selector`.
    pub selector: Option<&'a Selector>,
    /// Its `targetRefs`, or the deprecated `targetRef` where there are none.
    pub target_refs: &'a [TargetRef],
}

impl<'a> Attachment<'a> {
    /// Of the fields of a policy.
    pub fn new(
        meta: &'a Meta,
        selector: Option<&'a Selector>,
        target_ref: Option<&'a TargetRef>,
        target_refs: &'a [TargetRef],
    ) -> Self {
        let target_refs = match (target_refs, target_ref) {
            ([], Some(only)) => std::slice::from_ref(only),
            (all, _) => all,
        };
        Self { namespace: &meta.namespace, selector, target_refs }
    }
}

/// The proxy that a policy may hold for.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Its workload.
    pub subject: Subject<'a>,
    /// The root namespace.
    pub root: &'a str,
    /// Whether it is a waypoint.
    pub is_waypoint: bool,
    /// The services that it stands before as a waypoint.
    pub services: Vec<&'a Service>,
    /// Namespace and name of the Istio Gateways that it serves.
    pub gateways: Vec<(&'a str, &'a str)>,
}

impl<'a> Target<'a> {
    /// A proxy that is no waypoint and serves no Istio Gateway.
    pub fn new(subject: Subject<'a>, root: &'a str) -> Self {
        Self { subject, root, is_waypoint: false, services: Vec::new(), gateways: Vec::new() }
    }

    fn is_near(&self, namespace: &str) -> bool {
        namespace == self.subject.namespace
            || namespace == self.root
            || (self.is_waypoint && self.services.iter().any(|s| *s.namespace == *namespace))
    }
}

/// Whether a policy holds for a proxy.
///
/// A policy is of the proxy's namespace or of the root namespace. Without `targetRefs` its selector decides, and
/// without one it holds for all; but a waypoint heeds `targetRefs` only. With `targetRefs` one of these must hold:
///
/// - an Istio Gateway that the proxy serves, in the policy's own namespace;
/// - a Gateway of the Gateway API whose proxy it is, in the policy's own namespace;
/// - for a waypoint, a Service or ServiceEntry before which it stands, in the policy's own namespace;
/// - for a waypoint, the GatewayClass `istio-waypoint`, in a policy of the root namespace.
///
/// What refers to another namespace than the policy's holds nowhere.
pub fn holds(policy: &Attachment<'_>, target: &Target<'_>) -> bool {
    if policy.target_refs.is_empty() {
        let selected = policy.selector.is_none_or(|s| labels_match(&s.match_labels, target.subject.labels));
        return target.is_near(policy.namespace) && !target.is_waypoint && selected;
    }
    policy.target_refs.iter().any(|to| refers(policy, to, target))
}

fn refers(policy: &Attachment<'_>, to: &TargetRef, target: &Target<'_>) -> bool {
    let gateway = target.subject.labels.get(GATEWAY_NAME);
    let own = |namespace: &str| policy.namespace == namespace;
    let says_own = to.namespace.is_empty() || own(&to.namespace);
    let service = |provider: Provider| {
        let is_it = |s: &&Service| s.provider == provider && *s.name == *to.name && own(&s.namespace);
        target.is_waypoint && target.services.iter().any(is_it)
    };
    match (to.group.as_str(), to.kind.as_str()) {
        (ISTIO, "Gateway") => {
            let served = |(namespace, name): &(&str, &str)| own(namespace) && to.name == *name;
            says_own && target.gateways.iter().any(served)
        }
        (GATEWAY_API, "Gateway") => {
            says_own && own(target.subject.namespace) && gateway.is_some_and(|name| *name == to.name)
        }
        (GATEWAY_API, "GatewayClass") => target.is_waypoint && own(target.root) && to.name == WAYPOINT_CLASS,
        ("" | "core", "Service") => service(Provider::Kubernetes),
        (ISTIO, "ServiceEntry") => service(Provider::External),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::{labels, world};
    use std::collections::BTreeMap;

    fn to(group: &str, kind: &str, name: &str) -> TargetRef {
        TargetRef { group: group.into(), kind: kind.into(), name: name.into(), namespace: String::new() }
    }

    fn check(namespace: &str, selector: Option<&Selector>, refs: &[TargetRef], target: &Target<'_>) -> bool {
        holds(&Attachment { namespace, selector, target_refs: refs }, target)
    }

    fn target(labels: &BTreeMap<String, String>) -> Target<'_> {
        Target::new(Subject { namespace: "shop", labels }, "istio-system")
    }

    #[test]
    fn a_selector_of_the_own_or_the_root_namespace_selects_and_none_takes_all() {
        let labels = labels(&[("app", "a")]);
        let target = target(&labels);
        let selector = |app| Selector { match_labels: self::labels(&[("app", app)]) };
        for (namespace, near) in [("shop", true), ("istio-system", true), ("bank", false)] {
            assert_eq!(check(namespace, None, &[], &target), near);
            assert_eq!(check(namespace, Some(&selector("a")), &[], &target), near);
            assert!(!check(namespace, Some(&selector("b")), &[], &target));
        }
    }

    #[test]
    fn a_policy_with_target_refs_leaves_other_workloads_alone_whatever_it_selects() {
        let labels = labels(&[("app", "a")]);
        let selector = Selector { match_labels: labels.clone() };
        assert!(!check("shop", Some(&selector), &[to("", "Service", "a")], &target(&labels)));
    }

    #[test]
    fn a_gateway_is_meant_by_name_in_the_policys_own_namespace() {
        let labels = labels(&[(GATEWAY_NAME, "edge")]);
        let target = target(&labels);
        let edge = to(GATEWAY_API, "Gateway", "edge");
        assert!(check("shop", None, std::slice::from_ref(&edge), &target));
        assert!(!check("shop", None, &[to(GATEWAY_API, "Gateway", "other")], &target));
        assert!(!check("istio-system", None, std::slice::from_ref(&edge), &target));
        let elsewhere = TargetRef { namespace: "bank".into(), ..edge };
        assert!(!check("shop", None, &[elsewhere], &target));
    }

    #[test]
    fn an_istio_gateway_is_meant_by_those_that_serve_it() {
        let none = BTreeMap::new();
        let mut target = target(&none);
        let edge = [to(ISTIO, "Gateway", "edge")];
        assert!(!check("shop", None, &edge, &target));
        target.gateways = vec![("shop", "edge")];
        assert!(check("shop", None, &edge, &target) && !check("bank", None, &edge, &target));
    }

    #[test]
    fn a_waypoint_heeds_target_refs_alone() {
        let world = world(&[
            "ServiceEntry shop/api: {hosts: [api.example.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}]}",
        ]);
        let none = BTreeMap::new();
        let mut target = target(&none);
        target.is_waypoint = true;
        target.services = world.registry().services().map(|s| &**s).collect();
        assert!(!check("shop", None, &[], &target));
        assert!(check("shop", None, &[to(ISTIO, "ServiceEntry", "api")], &target));
        assert!(!check("shop", None, &[to("", "Service", "api")], &target));
        let class = [to(GATEWAY_API, "GatewayClass", WAYPOINT_CLASS)];
        assert!(check("istio-system", None, &class, &target) && !check("shop", None, &class, &target));
    }

    #[test]
    fn the_deprecated_target_ref_counts_where_there_are_no_target_refs() {
        let (meta, one, more) = (Meta::default(), to("", "Service", "a"), [to("", "Service", "b")]);
        let names = |a: Attachment<'_>| a.target_refs.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(Attachment::new(&meta, None, Some(&one), &[])), ["a"]);
        assert_eq!(names(Attachment::new(&meta, None, Some(&one), &more)), ["b"]);
    }
}
