//! The names by which people call kinds.

use mesh_core::api::{KINDS, KindInfo};

/// Short names as the kinds' own definitions give them, by group and kind.
const SHORT: &[(&str, &str, &str)] = &[
    ("networking.istio.io", "VirtualService", "vs"),
    ("networking.istio.io", "DestinationRule", "dr"),
    ("networking.istio.io", "Gateway", "gw"),
    ("networking.istio.io", "ServiceEntry", "se"),
    ("networking.istio.io", "WorkloadEntry", "we"),
    ("networking.istio.io", "WorkloadGroup", "wg"),
    ("security.istio.io", "AuthorizationPolicy", "ap"),
    ("security.istio.io", "PeerAuthentication", "pa"),
    ("security.istio.io", "RequestAuthentication", "ra"),
    ("gateway.networking.k8s.io", "GatewayClass", "gc"),
    ("gateway.networking.k8s.io", "Gateway", "gtw"),
    ("gateway.networking.k8s.io", "ReferenceGrant", "refgrant"),
    ("gateway.networking.k8s.io", "BackendTLSPolicy", "btlspolicy"),
    ("gateway.networking.k8s.io", "ListenerSet", "lset"),
    ("", "ConfigMap", "cm"),
    ("", "Endpoints", "ep"),
    ("", "Namespace", "ns"),
    ("", "Node", "no"),
    ("", "Pod", "po"),
    ("", "Service", "svc"),
    ("", "ServiceAccount", "sa"),
    ("networking.k8s.io", "Ingress", "ing"),
];

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// One kind.
    One(&'static KindInfo),
    /// Kinds of several groups.
    Several(Vec<&'static KindInfo>),
    /// No kind; perhaps one was meant.
    None(Option<&'static KindInfo>),
}

/// Finds a kind by its name, plural or short name, in any case, with its group behind a dot or without.
pub(super) fn find(wanted: &str) -> Lookup {
    let wanted = wanted.to_lowercase();
    let (name, group) = match wanted.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (wanted.as_str(), None),
    };
    let is_called = |k: &&KindInfo| {
        let kind = k.kind.to_lowercase();
        name == kind || name == plural(&kind) || short(k) == Some(name)
    };
    let is_of = |k: &&KindInfo| group.is_none_or(|g| g == k.group || (g == "core" && k.group.is_empty()));
    let mut found: Vec<&KindInfo> = KINDS.iter().filter(is_called).filter(is_of).collect();
    match (found.pop(), found.is_empty()) {
        (None, _) => Lookup::None(nearest(name)),
        (Some(only), true) => Lookup::One(only),
        (Some(last), false) => {
            found.push(last);
            Lookup::Several(found)
        }
    }
}

/// As Kubernetes forms plurals: policies, entries, gateways, classes, endpoints.
fn plural(kind: &str) -> String {
    let vowel_before_y = ["ay", "ey", "oy", "uy"].iter().any(|end| kind.ends_with(end));
    match kind.strip_suffix('y') {
        Some(stem) if !vowel_before_y => format!("{stem}ies"),
        _ if kind == "endpoints" => kind.to_owned(),
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}

/// A kind's short name.
pub(super) fn short(kind: &KindInfo) -> Option<&'static str> {
    SHORT
        .iter()
        .find(|(group, name, _)| *group == kind.group && *name == kind.kind)
        .map(|(_, _, short)| *short)
}

/// A name that leads to one kind only: `Gateway.networking.istio.io`.
pub(super) fn full(kind: &KindInfo) -> String {
    let group = if kind.group.is_empty() { "core" } else { kind.group };
    format!("{}.{group}", kind.kind)
}

fn nearest(name: &str) -> Option<&'static KindInfo> {
    let nearness = |k: &KindInfo| strsim::jaro_winkler(name, &k.kind.to_lowercase());
    let best = KINDS.iter().map(|k| (nearness(k), k)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> &'static str {
        match find(text) {
            Lookup::One(kind) => kind.kind,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_kind_is_found_by_every_name_that_people_give_it() {
        for (text, kind) in [
            ("VirtualService", "VirtualService"),
            ("virtualservices", "VirtualService"),
            ("VS", "VirtualService"),
            ("dr", "DestinationRule"),
            ("serviceentries", "ServiceEntry"),
            ("authorizationpolicies.security.istio.io", "AuthorizationPolicy"),
            ("gateways.networking.istio.io", "Gateway"),
            ("gw.networking.istio.io", "Gateway"),
            ("telemetries", "Telemetry"),
            ("endpoints", "Endpoints"),
            ("svc", "Service"),
            ("service.core", "Service"),
            ("trafficextension", "TrafficExtension"),
        ] {
            assert_eq!(named(text), kind, "{text}");
        }
    }

    #[test]
    fn every_kind_is_found_by_its_own_full_name_and_has_a_schema() {
        for kind in KINDS {
            assert_eq!(find(&full(kind)), Lookup::One(kind), "{}", kind.kind);
            assert!(mesh_core::api::kind::schema(kind.group, kind.kind).is_some(), "{}", kind.kind);
        }
    }

    #[test]
    fn what_is_no_kind_says_which_was_meant() {
        let Lookup::None(Some(near)) = find("virtalservice") else { panic!("no suggestion") };
        assert_eq!(near.kind, "VirtualService");
        assert_eq!(find("xyz"), Lookup::None(None));
        assert_eq!(find("virtualservice.security.istio.io"), Lookup::None(near.into()));
    }
}
