//! The headers by which a request may ask for faults, and what they say. Envoy's names.
//!
//! They are only read where the fault leaves its numbers to them and the layer trusts them. Of a header that
//! is there twice the first counts, and a number that cannot be read is none, as in Envoy.

use http::{HeaderMap, HeaderName, StatusCode};
use mesh_core::model::http::AbortWith;
use mesh_core::model::values::{Denominator, Fraction};
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

/// Milliseconds to be late.
pub const DELAY: HeaderName = HeaderName::from_static("x-envoy-fault-delay-request");
/// Of which share, if less than is configured.
pub const DELAY_PERCENTAGE: HeaderName = HeaderName::from_static("x-envoy-fault-delay-request-percentage");
/// The HTTP status to be answered with.
pub const ABORT: HeaderName = HeaderName::from_static("x-envoy-fault-abort-request");
/// The gRPC status to be answered with, if no HTTP status is asked for.
pub const ABORT_GRPC: HeaderName = HeaderName::from_static("x-envoy-fault-abort-grpc-request");
/// Of which share, if less than is configured.
pub const ABORT_PERCENTAGE: HeaderName = HeaderName::from_static("x-envoy-fault-abort-request-percentage");
/// KiB a second of the response.
pub const THROUGHPUT: HeaderName = HeaderName::from_static("x-envoy-fault-throughput-response");
/// Of which share, if less than is configured.
pub const THROUGHPUT_PERCENTAGE: HeaderName =
    HeaderName::from_static("x-envoy-fault-throughput-response-percentage");

fn number<N: FromStr>(headers: &HeaderMap, name: &HeaderName) -> Option<N> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

pub(super) fn delay(headers: &HeaderMap) -> Option<Duration> {
    number(headers, &DELAY).map(Duration::from_millis)
}

pub(super) fn abort(headers: &HeaderMap) -> Option<AbortWith> {
    let http = number(headers, &ABORT).filter(|status| (200..600).contains(status));
    match http.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => Some(AbortWith::Http(status)),
        None => number(headers, &ABORT_GRPC).map(AbortWith::Grpc),
    }
}

pub(super) fn kbps(headers: &HeaderMap) -> Option<NonZeroU64> {
    number(headers, &THROUGHPUT)
}

/// The configured share, or a smaller one that a header says.
pub(super) fn lowered(
    configured: Fraction,
    unit: Denominator,
    headers: &HeaderMap,
    name: &HeaderName,
) -> Fraction {
    number(headers, name).map_or(configured, |asked| unit.fraction(asked).min(configured))
}
