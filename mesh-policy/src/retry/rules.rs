//! Whether an outcome calls for another attempt: pure, and the part that must never be wrong.

use crate::{FailureKind, grpc, head};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use mesh_core::model::route::{RetryCondition, RetryOn, RetryPolicy};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When a request that may have been executed is sent again although its method is not idempotent.
///
/// Envoy repeats every request that `retry_on` covers, also a payment whose answer was a 503. Whatever is
/// chosen here, a request that certainly was not executed (no connection, refused stream, rate limited) is
/// covered by `retry_on` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repeat {
    /// Where the policy names the very answer: `retriable-status-codes`, `retriable-4xx`, or a gRPC status.
    /// `5xx`, `gateway-error` and `reset` cover too much to mean it.
    #[default]
    WhereNamed,
    /// Never.
    IdempotentOnly,
    /// Wherever `retry_on` says so, as in Envoy.
    AnyMethod,
}

/// What to do with an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The policy does not cover it.
    Answer,
    /// Send again.
    Retry,
    /// The policy covers it, but the request must not be repeated.
    MustNotRepeat,
}

#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) policy: RetryPolicy,
    pub(super) repeat: Repeat,
}

/// `x-envoy-ratelimited`.
const RATE_LIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");

const GRPC_CONDITIONS: [(RetryCondition, u32); 5] = [
    (RetryCondition::Cancelled, grpc::CANCELLED),
    (RetryCondition::DeadlineExceeded, grpc::DEADLINE_EXCEEDED),
    (RetryCondition::Internal, grpc::INTERNAL),
    (RetryCondition::ResourceExhausted, grpc::RESOURCE_EXHAUSTED),
    (RetryCondition::Unavailable, grpc::UNAVAILABLE),
];

impl Rules {
    /// Whether there can be a retry at all.
    pub(super) fn never(&self) -> bool {
        self.policy.on == RetryOn::NEVER || self.policy.retries == 0
    }

    /// Whether a request may be sent again at all, whatever happens to it.
    #[inline]
    pub(super) fn covers(&self, request: &Parts) -> bool {
        self.policy.retriable_request_headers.is_empty() || self.wants(request)
    }

    #[inline(never)]
    fn wants(&self, request: &Parts) -> bool {
        let head = head::of(&request.method, &request.uri, &request.headers);
        self.policy.retriable_request_headers.iter().any(|wanted| wanted.matches(&head))
    }

    pub(super) fn on_response(&self, method: &Method, status: StatusCode, headers: &HeaderMap) -> Verdict {
        let on = |condition| self.policy.on.contains(condition);
        // Rate limited requests were turned away unseen, and only their own condition covers them.
        if headers.contains_key(RATE_LIMITED) {
            return if on(RetryCondition::EnvoyRateLimited) { Verdict::Retry } else { Verdict::Answer };
        }
        let named = on(RetryCondition::Retriable4xx) && status == StatusCode::CONFLICT
            || on(RetryCondition::RetriableStatusCodes)
                && self.policy.retriable_status_codes.contains(&status)
            || on(RetryCondition::RetriableHeaders)
                && self.policy.retriable_headers.iter().any(|wanted| wanted.matches_response(headers))
            || grpc::status(headers)
                .is_some_and(|got| GRPC_CONDITIONS.iter().any(|(c, status)| *status == got && on(*c)));
        let broad = on(RetryCondition::FiveXx) && status.is_server_error()
            || on(RetryCondition::GatewayError) && matches!(status.as_u16(), 502..=504);
        self.verdict(method, named || broad, named, true)
    }

    pub(super) fn on_failure(&self, method: &Method, kind: FailureKind) -> Verdict {
        let on = |condition| self.policy.on.contains(condition);
        let unsent = matches!(kind, FailureKind::ConnectFailure | FailureKind::ResetBeforeRequest);
        let covered = match kind {
            FailureKind::Overflow | FailureKind::Final => false,
            _ => {
                on(RetryCondition::Reset)
                    || on(RetryCondition::FiveXx)
                    || on(RetryCondition::GatewayError)
                    || on(RetryCondition::ResetBeforeRequest) && unsent
                    || on(RetryCondition::RefusedStream) && kind == FailureKind::RefusedStream
                    || on(RetryCondition::ConnectFailure) && kind == FailureKind::ConnectFailure
            }
        };
        self.verdict(method, covered, false, kind.may_have_executed())
    }

    fn verdict(&self, method: &Method, covered: bool, named: bool, may_have_executed: bool) -> Verdict {
        let repeatable = !may_have_executed
            || is_idempotent(method)
            || match self.repeat {
                Repeat::AnyMethod => true,
                Repeat::WhereNamed => named,
                Repeat::IdempotentOnly => false,
            };
        match (covered, repeatable) {
            (false, _) => Verdict::Answer,
            (true, true) => Verdict::Retry,
            (true, false) => Verdict::MustNotRepeat,
        }
    }

    /// The wait that an answer asks for, and up to half of it more: all who were turned away know that moment.
    pub(super) fn asked_backoff(
        &self,
        headers: &HeaderMap,
        now: SystemTime,
        random: u64,
    ) -> Option<Duration> {
        let policy = self.policy.rate_limited_backoff.as_ref()?;
        let unix_now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let interval = policy.interval(headers, unix_now).filter(|interval| !interval.is_zero())?;
        Some(interval.saturating_add(below(interval / 2, random)))
    }

    /// The wait before the n-th retry, from 1: anywhere below a bound that doubles each time.
    pub(super) fn backoff(&self, nth: u32, random: u64) -> Duration {
        let doubled = 1u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.policy.backoff_base.saturating_mul(doubled).min(self.policy.backoff_max);
        below(bound, random)
    }

    /// Whether a second attempt may run beside the first, which nobody has answered yet.
    pub(super) fn may_run_twice(&self, method: &Method) -> bool {
        self.repeat == Repeat::AnyMethod || is_idempotent(method)
    }
}

/// A random part of a span of time.
fn below(bound: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
}

/// RFC 9110, 9.2.2. What is not listed there may do anything.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

#[cfg(test)]
mod tests;
