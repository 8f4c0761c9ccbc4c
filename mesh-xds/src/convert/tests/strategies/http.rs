//! HTTP connection managers.

use super::rbac::rbac;
use super::route::route_table;
use super::{access_logs, duration, fraction, name, number, text, texts};
use ::http::StatusCode;
use mesh_core::model::http::{
    AbortBy, AbortWith, Codec, DelayBy, Fault, FaultAbort, FaultDelay, FaultRateLimit, ForwardClientCert,
    HttpFilter, HttpManager, PathNormalization, RateBy, RouteSource,
};
use mesh_core::model::values::{Denominator, Fraction};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::num::NonZeroU64;
use std::sync::Arc;

pub(super) fn fault() -> BoxedStrategy<Fault> {
    let delay = by(duration()).prop_map(|(fraction, by)| FaultDelay {
        fraction,
        by: by.map_or_else(DelayBy::Header, DelayBy::Fixed),
    });
    let with = prop_oneof![
        (200..600u16).prop_map(|status| AbortWith::Http(StatusCode::from_u16(status).unwrap())),
        (0..17u32).prop_map(AbortWith::Grpc),
    ];
    let abort = by(with.boxed()).prop_map(|(fraction, by)| FaultAbort {
        fraction,
        by: by.map_or_else(AbortBy::Header, AbortBy::Fixed),
    });
    let limit =
        by((1..u64::MAX).prop_filter_map("not zero", NonZeroU64::new).boxed()).prop_map(|(fraction, by)| {
            FaultRateLimit { fraction, by: by.map_or_else(RateBy::Header, RateBy::Fixed) }
        });
    (option::of(delay), option::of(abort), option::of(limit), option::of(number()))
        .prop_map(|(delay, abort, response_rate_limit, max_active)| Fault {
            delay,
            abort,
            response_rate_limit,
            max_active,
        })
        .boxed()
}

/// A share of any size with a fixed value, or whole units of one that headers lower.
fn by<T: std::fmt::Debug + 'static>(
    value: BoxedStrategy<T>,
) -> impl Strategy<Value = (Fraction, Result<T, Denominator>)> {
    let unit = select(vec![Denominator::Hundred, Denominator::TenThousand, Denominator::Million]);
    prop_oneof![
        (fraction(), value).prop_map(|(fraction, value)| (fraction, Ok(value))),
        (0..=100u32, unit).prop_map(|(n, unit)| (unit.fraction(n), Err(unit))),
    ]
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
