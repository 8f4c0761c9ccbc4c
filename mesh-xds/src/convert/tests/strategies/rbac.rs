//! Authorization.

use super::{header_match, ip_net, name, string_match};
use mesh_core::model::matcher::UriTemplate;
use mesh_core::model::rbac::{
    EnforcementMode, ISTIO_AUTHN, JWT_AUTHN, MetadataMatch, MetadataValue, Permission, Principal, Rbac,
    RbacAction, RbacPolicy,
};
use mesh_core::origin::{Origin, Place};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;

fn metadata() -> BoxedStrategy<MetadataMatch> {
    let number = -1e6..1e6f64;
    let leaf = prop_oneof![
        Just(MetadataValue::Present),
        Just(MetadataValue::Null),
        any::<bool>().prop_map(MetadataValue::Bool),
        number.clone().prop_map(MetadataValue::Number),
        (number.clone(), number).prop_map(|(start, end)| MetadataValue::Range { start, end }),
        string_match().prop_map(MetadataValue::String),
    ];
    let value = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|value| MetadataValue::OneOf(Box::new(value))),
            vec(inner, 2..4).prop_map(MetadataValue::Or),
        ]
    });
    let filter = prop_oneof![Just(JWT_AUTHN), Just(ISTIO_AUTHN), Just("envoy.filters.http.lua")];
    (filter, vec("[a-z.]{1,6}", 1..4), value, any::<bool>())
        .prop_map(|(filter, path, value, invert)| MetadataMatch {
            filter: filter.to_owned(),
            path,
            value,
            invert,
        })
        .boxed()
}

fn template() -> BoxedStrategy<UriTemplate> {
    let part = prop_oneof!["[a-z0-9=~-]{1,4}", Just("*".to_owned()), "\\{[a-z]{1,3}\\}"];
    let parts = vec(part, 1..4).prop_map(|parts| format!("/{}", parts.join("/")));
    (parts, prop_oneof![Just(""), Just("/"), Just("/**")])
        .prop_filter_map("a name twice", |(parts, end)| UriTemplate::new(&format!("{parts}{end}")).ok())
        .boxed()
}

/// Leaves that only a request tells of are there where requests are seen.
fn permission(requests: bool) -> BoxedStrategy<Permission> {
    let of_request = prop_oneof![
        header_match().prop_map(Permission::Header),
        string_match().prop_map(Permission::Path),
        template().prop_map(Permission::UriTemplate),
        metadata().prop_map(Permission::Metadata),
    ];
    let leaf = prop_oneof![
        if requests { of_request.boxed() } else { Just(Permission::Any).boxed() },
        Just(Permission::Any),
        ip_net().prop_map(Permission::DestinationIp),
        any::<u16>().prop_map(Permission::DestinationPort),
        string_match().prop_map(Permission::ServerName),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(Permission::And),
            vec(inner.clone(), 1..3).prop_map(Permission::Or),
            inner.prop_map(|p| Permission::Not(Box::new(p))),
        ]
    })
    .boxed()
}

fn principal(requests: bool) -> BoxedStrategy<Principal> {
    let of_request = prop_oneof![
        header_match().prop_map(Principal::Header),
        string_match().prop_map(Principal::Path),
        metadata().prop_map(Principal::Metadata),
    ];
    let leaf = prop_oneof![
        if requests { of_request.boxed() } else { Just(Principal::Any).boxed() },
        Just(Principal::Any),
        option::of(string_match()).prop_map(Principal::Authenticated),
        ip_net().prop_map(Principal::DirectRemoteIp),
        ip_net().prop_map(Principal::RemoteIp),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(Principal::And),
            vec(inner.clone(), 1..3).prop_map(Principal::Or),
            inner.prop_map(|p| Principal::Not(Box::new(p))),
        ]
    })
    .boxed()
}

/// A policy's name tells its origin, here as in Istio: one name has one origin in a listener.
fn policy_origin(name: &str) -> Option<Origin> {
    let line = u32::try_from(name.len()).unwrap();
    (line % 3 != 0).then(|| Origin {
        group: "security.istio.io".into(),
        version: "v1".into(),
        kind: "AuthorizationPolicy".into(),
        namespace: "default".into(),
        name: name.into(),
        place: (line % 3 == 1).then(|| Place { file: "authz.yaml".into(), line }),
    })
}

pub(super) fn rbac(requests: bool) -> BoxedStrategy<Arc<Rbac>> {
    let action = prop_oneof![Just(RbacAction::Allow), Just(RbacAction::Deny), Just(RbacAction::Log)];
    let mode = prop_oneof![Just(EnforcementMode::Enforced), Just(EnforcementMode::Shadow)];
    let rules = (vec(permission(requests), 1..3), vec(principal(requests), 1..3));
    (prop_oneof![name(), Just("".into())], mode, action, btree_map("[a-z-]{1,9}", rules, 0..5))
        .prop_map(|(stat_prefix, mode, action, policies)| {
            let policies = policies.into_iter().map(|(name, (permissions, principals))| RbacPolicy {
                origin: policy_origin(&name),
                name: name.into(),
                permissions,
                principals,
            });
            Arc::new(Rbac { stat_prefix, mode, action, policies: policies.collect() })
        })
        .boxed()
}
