use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

fn rules(on: &[RetryCondition]) -> Rules {
    let policy = RetryPolicy {
        on: on.iter().copied().collect(),
        retriable_status_codes: vec![StatusCode::SERVICE_UNAVAILABLE, StatusCode::NOT_FOUND],
        ..RetryPolicy::default()
    };
    Rules { policy, repeat: Repeat::AnyMethod }
}

fn responses(on: RetryCondition) -> Vec<u16> {
    let rules = rules(&[on]);
    let headers = HeaderMap::new();
    (200..600)
        .filter(|s| {
            rules.on_response(&Method::GET, StatusCode::from_u16(*s).unwrap(), &headers) == Verdict::Retry
        })
        .collect()
}

#[test]
fn each_condition_covers_envoys_status_codes() {
    assert_eq!(responses(RetryCondition::FiveXx), (500..600).collect::<Vec<_>>());
    assert_eq!(responses(RetryCondition::GatewayError), [502, 503, 504]);
    assert_eq!(responses(RetryCondition::Retriable4xx), [409]);
    assert_eq!(responses(RetryCondition::RetriableStatusCodes), [404, 503]);
    for none in [RetryCondition::Reset, RetryCondition::ConnectFailure, RetryCondition::Unavailable] {
        assert!(responses(none).is_empty(), "{none:?}");
    }
}

#[test]
fn each_condition_covers_envoys_resets() {
    use FailureKind as F;
    use RetryCondition as C;
    let kinds = [
        F::ConnectFailure,
        F::RefusedStream,
        F::ResetBeforeRequest,
        F::Reset,
        F::Timeout,
        F::Overflow,
        F::Final,
    ];
    let any = [F::ConnectFailure, F::RefusedStream, F::ResetBeforeRequest, F::Reset, F::Timeout];
    let table: [(C, &[F]); 7] = [
        (C::FiveXx, &any),
        (C::GatewayError, &any),
        (C::Reset, &any),
        (C::ResetBeforeRequest, &[F::ConnectFailure, F::ResetBeforeRequest]),
        (C::ConnectFailure, &[F::ConnectFailure]),
        (C::RefusedStream, &[F::RefusedStream]),
        (C::RetriableStatusCodes, &[]),
    ];
    for (condition, covered) in table {
        let rules = rules(&[condition]);
        for kind in kinds {
            let retried = rules.on_failure(&Method::GET, kind) == Verdict::Retry;
            assert_eq!(retried, covered.contains(&kind), "{condition:?} {kind:?}");
        }
    }
}

#[test]
fn each_grpc_condition_covers_its_status() {
    for (condition, status) in GRPC_CONDITIONS {
        for got in 0..=16u32 {
            let headers = HeaderMap::from_iter([(grpc::STATUS, http::HeaderValue::from(got))]);
            let verdict = rules(&[condition]).on_response(&Method::POST, StatusCode::OK, &headers);
            assert_eq!(verdict == Verdict::Retry, got == status, "{condition:?} {got}");
        }
    }
}

#[test]
fn a_rate_limited_answer_is_covered_by_its_own_condition_alone() {
    let headers = HeaderMap::from_iter([("x-envoy-ratelimited".parse().unwrap(), "true".parse().unwrap())]);
    let verdict = |on| rules(&[on]).on_response(&Method::POST, StatusCode::SERVICE_UNAVAILABLE, &headers);
    assert_eq!(verdict(RetryCondition::FiveXx), Verdict::Answer);
    assert_eq!(verdict(RetryCondition::EnvoyRateLimited), Verdict::Retry);
}

#[test]
fn the_backoff_doubles_up_to_its_bound_and_is_jittered_below_it() {
    let rules = rules(&[]);
    let longest: Vec<u128> = (1..=6).map(|n| rules.backoff(n, u64::MAX).as_millis() + 1).collect();
    assert_eq!(longest, [25, 50, 100, 200, 250, 250]);
    assert_eq!(rules.backoff(u32::MAX, u64::MAX).as_millis() + 1, 250);
    assert_eq!(rules.backoff(1, 0), Duration::ZERO);
    assert_eq!(rules.backoff(1, u64::MAX / 2).as_micros(), 12_499);
}

fn any_method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::PUT,
        Method::DELETE,
        Method::POST,
        Method::PATCH,
        Method::CONNECT,
        Method::from_bytes(b"PURGE").unwrap(),
    ])
}

fn any_conditions() -> impl Strategy<Value = Vec<RetryCondition>> {
    prop::sample::subsequence(RetryCondition::ALL.to_vec(), 0..=RetryCondition::ALL.len())
}

fn any_failure() -> impl Strategy<Value = FailureKind> {
    prop::sample::select(vec![
        FailureKind::ConnectFailure,
        FailureKind::RefusedStream,
        FailureKind::ResetBeforeRequest,
        FailureKind::Reset,
        FailureKind::Timeout,
        FailureKind::Overflow,
        FailureKind::Final,
    ])
}

proptest! {
    #[test]
    fn what_may_have_been_executed_is_never_repeated_without_an_idempotent_method(
        method in any_method(),
        on in any_conditions(),
        failure in any_failure(),
        status in 200u16..600,
        grpc_status in prop::option::of(0u32..17),
        repeat in prop::sample::select(vec![Repeat::WhereNamed, Repeat::IdempotentOnly]),
    ) {
        let rules = Rules { repeat, ..rules(&on) };
        let idempotent =
            ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].contains(&method.as_str());

        let by_failure = rules.on_failure(&method, failure);
        if failure.may_have_executed() && !idempotent {
            prop_assert_ne!(by_failure, Verdict::Retry);
        }

        let headers: HeaderMap =
            grpc_status.map(|s| (grpc::STATUS, http::HeaderValue::from(s))).into_iter().collect();
        let status = StatusCode::from_u16(status).unwrap();
        let by_response = rules.on_response(&method, status, &headers);
        if by_response == Verdict::Retry && !idempotent {
            prop_assert_eq!(repeat, Repeat::WhereNamed);
            let named: HashSet<_> = on.iter().copied().collect();
            let by_status = named.contains(&RetryCondition::RetriableStatusCodes) && [404, 503].contains(&status.as_u16())
                || named.contains(&RetryCondition::Retriable4xx) && status == 409;
            let by_grpc = GRPC_CONDITIONS.iter().any(|(c, s)| named.contains(c) && Some(*s) == grpc_status);
            prop_assert!(by_status || by_grpc);
        }
    }

    #[test]
    fn as_in_envoy_means_that_no_method_is_spared(
        method in any_method(), on in any_conditions(), failure in any_failure(),
    ) {
        prop_assert_ne!(rules(&on).on_failure(&method, failure), Verdict::MustNotRepeat);
    }

    #[test]
    fn no_backoff_exceeds_its_bound(base in 0u64..10_000, max in 0u64..100_000, nth in 1u32.., random: u64) {
        let policy = RetryPolicy {
            backoff_base: Duration::from_millis(base),
            backoff_max: Duration::from_millis(max),
            ..RetryPolicy::default()
        };
        let rules = Rules { policy, repeat: Repeat::default() };
        prop_assert!(rules.backoff(nth, random) <= Duration::from_millis(max));
    }
}
