//! HTTP connection managers.

use super::rbac::rbac;
use super::route::route_table;
use super::{access_logs, duration, fraction, name, number, text, texts};
use ::http::StatusCode;
use mesh_core::model::http::{
    AbortWith, Codec, Fault, FaultAbort, FaultDelay, ForwardClientCert, HttpFilter, HttpManager,
    PathNormalization, RouteSource,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

pub(super) fn fault() -> BoxedStrategy<Fault> {
    let delay = (duration(), fraction()).prop_map(|(duration, fraction)| FaultDelay { duration, fraction });
    let with = prop_oneof![
        (200..600u16).prop_map(|status| AbortWith::Http(StatusCode::from_u16(status).unwrap())),
        (0..17u32).prop_map(AbortWith::Grpc),
    ];
    let abort = (with, fraction()).prop_map(|(with, fraction)| FaultAbort { with, fraction });
    (option::of(delay), option::of(abort)).prop_map(|(delay, abort)| Fault { delay, abort }).boxed()
}

fn filter() -> BoxedStrategy<HttpFilter> {
    prop_oneof![
        rbac(true).prop_map(HttpFilter::Rbac),
        Just(HttpFilter::Fault),
        Just(HttpFilter::Cors),
        Just(HttpFilter::GrpcStats),
        "istio\\.[a-z]{1,8}".prop_map(|name| HttpFilter::Optional(name.into())),
    ]
    .boxed()
}

pub(super) fn http_manager() -> BoxedStrategy<HttpManager> {
    let routes = prop_oneof![
        name().prop_map(RouteSource::Named),
        route_table().prop_map(|table| RouteSource::Inline(Arc::new(table))),
    ];
    let client_cert = select(vec![
        ForwardClientCert::Sanitize,
        ForwardClientCert::ForwardOnly,
        ForwardClientCert::AppendForward,
        ForwardClientCert::SanitizeSet,
        ForwardClientCert::AlwaysForwardOnly,
    ]);
    let normalize = select(vec![
        PathNormalization::None,
        PathNormalization::Base,
        PathNormalization::MergeSlashes,
        PathNormalization::DecodeAndMergeSlashes,
    ]);
    let caller = (any::<bool>(), number(), client_cert, normalize);
    let idle = (option::of(duration()), option::of(duration()));
    let server_name = prop_oneof![text(), Just(String::new())];
    (
        name(),
        select(vec![Codec::Auto, Codec::Http1, Codec::Http2]),
        routes,
        vec(filter(), 0..4),
        access_logs(),
        caller,
        texts(),
        idle,
        server_name,
        any::<bool>(),
    )
        .prop_map(
            |(stat_prefix, codec, routes, filters, access_logs, caller, upgrades, idle, server_name, ids)| {
                let (use_remote_address, trusted_hops, client_cert, normalize) = caller;
                HttpManager {
                    stat_prefix,
                    codec,
                    routes,
                    filters,
                    access_logs,
                    use_remote_address,
                    trusted_hops,
                    client_cert,
                    normalize,
                    upgrades,
                    stream_idle_timeout: idle.0,
                    idle_timeout: idle.1,
                    server_name,
                    generate_request_id: ids,
                }
            },
        )
        .boxed()
}
