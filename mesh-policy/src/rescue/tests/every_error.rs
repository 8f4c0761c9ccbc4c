//! Whatever goes wrong below, and however often.

use super::*;
use crate::RetryBudget;
use crate::fault::FaultLayer;
use crate::limits::LimitsLayer;
use crate::retry::{Fraction, ReplayBody, RetryCondition, RetryLayer};
use crate::testing::secs;
use crate::timeout::AttemptTimeoutLayer;
use mesh_core::response_flag::ResponseFlag as Flag;
use proptest::prelude::*;

const SECRET: &str = "hunter2";

/// What the service below does.
#[derive(Clone, Copy, Debug)]
enum Below {
    Foreign,
    Fails(FailureKind),
    /// A foreign error around one that says what it was.
    Wrapped(FailureKind),
    Silent,
}

#[derive(Debug)]
struct Wrapper(BoxError);

impl std::fmt::Display for Wrapper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(SECRET)
    }
}

impl std::error::Error for Wrapper {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl Below {
    fn act(self) -> Act {
        match self {
            Self::Foreign => Act::Fail(SECRET.into()),
            Self::Fails(kind) => Act::Fail(Failure::new(kind, SECRET).into()),
            Self::Wrapped(kind) => Act::Fail(Wrapper(Failure::new(kind, SECRET).into()).into()),
            Self::Silent => Act::Silence,
        }
    }

    /// Envoy's status for it, and the flag.
    fn reply(self) -> (u16, Option<Flag>) {
        match self {
            Self::Foreign => (500, None),
            Self::Silent | Self::Fails(FailureKind::Timeout) | Self::Wrapped(FailureKind::Timeout) => {
                (504, Some(Flag::UpstreamRequestTimeout))
            }
            Self::Fails(kind) | Self::Wrapped(kind) => (
                503,
                Some(match kind {
                    FailureKind::ConnectFailure => Flag::UpstreamConnectionFailure,
                    FailureKind::RefusedStream => Flag::UpstreamRemoteReset,
                    FailureKind::Overflow => Flag::UpstreamOverflow,
                    FailureKind::Final => Flag::LocalReset,
                    _ => Flag::UpstreamConnectionTermination,
                }),
            ),
        }
    }

    fn is_retried(self) -> bool {
        !matches!(
            self,
            Self::Fails(FailureKind::Overflow | FailureKind::Final)
                | Self::Wrapped(FailureKind::Overflow | FailureKind::Final)
        )
    }
}

fn kind() -> impl Strategy<Value = FailureKind> {
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

fn below() -> impl Strategy<Value = Below> {
    prop_oneof![
        Just(Below::Foreign),
        Just(Below::Silent),
        kind().prop_map(Below::Fails),
        kind().prop_map(Below::Wrapped),
    ]
}

proptest! {
    #[test]
    fn every_error_is_an_answer_with_the_flags_of_all_it_went_through_and_no_foreign_word(
        below in below(), late: bool, retries: bool, grpc: bool,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let metrics = RescueMetrics::default();
            let on: &[RetryCondition] = if retries { &RetryCondition::ALL } else { &[] };
            let script = Script::<ReplayBody<Full<Bytes>>>::new([below.act(), below.act()]);
            let text = |response: Response<String>| response.map(|text| Full::new(Bytes::from(text)));
            let service = tower::ServiceBuilder::new()
                .layer(RescueLayer::new().metrics(metrics.clone()))
                .layer(FaultLayer::none().delay(secs(1), if late { Fraction::ONE } else { Fraction::ZERO }))
                .layer(RetryLayer::on(on.iter().copied()).retries(1).budget(RetryBudget::unlimited()))
                .layer(AttemptTimeoutLayer::new(secs(1)))
                .service(script.map_response(text));
            let mut request = Request::get("/").body(Full::<Bytes>::default()).unwrap();
            if grpc {
                request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            }
            let response = service.oneshot(request).await.unwrap();

            let (status, flag) = below.reply();
            let urx = (retries && below.is_retried()).then_some(Flag::UpstreamRetryLimitExceeded);
            let mut expected = ResponseFlags::default();
            for flag in flag.into_iter().chain(urx).chain(late.then_some(Flag::DelayInjected)) {
                expected.insert(flag);
            }
            let flags = response.extensions().get::<ResponseFlags>().copied().unwrap_or_default();
            prop_assert_eq!(flags, expected);
            let counts = metrics.snapshot();
            prop_assert_eq!(counts.flags().collect::<Vec<_>>(), expected.iter().map(|f| (f, 1)).collect::<Vec<_>>());
            prop_assert_eq!((counts.local_replies, counts.unknown_errors), (1, u64::from(matches!(below, Below::Foreign))));

            prop_assert_eq!(response.status().as_u16(), if grpc { 200 } else { status });
            prop_assert_eq!(response.headers().contains_key("grpc-status"), grpc);
            let said = format!("{:?}", response.headers());
            prop_assert!(!said.contains(SECRET));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            prop_assert!(!String::from_utf8_lossy(&body).contains(SECRET));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_layers_own_verdict_is_counted_without_a_flag_where_envoy_has_none() {
    let metrics = RescueMetrics::default();
    let text = |response: Response<String>| response.map(|text| Full::new(Bytes::from(text)));
    let service = tower::ServiceBuilder::new()
        .layer(RescueLayer::new().metrics(metrics.clone()))
        .layer(LimitsLayer::new().max_headers(1))
        .service(Script::new([]).map_response(text));
    let request = Request::get("/").header("a", "1").header("b", "2").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 431);
    let counts = metrics.snapshot();
    assert_eq!((counts.local_replies, counts.unknown_errors, counts.flags().count()), (1, 0, 0));
}
