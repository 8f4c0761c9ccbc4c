use super::*;
use mesh_core::model::cluster::CircuitLimits;
use mesh_policy::breaker::Breaker;
use std::time::Duration;

fn gate(max_connections: u32, max_pending: u32) -> Arc<Gate> {
    let limits =
        CircuitLimits { max_connections, max_pending_requests: max_pending, ..CircuitLimits::default() };
    Arc::new(Gate::new(Breaker::new(limits)))
}

fn pool() -> (Arc<AtomicU32>, Arc<PoolStats>) {
    (Arc::default(), Arc::default())
}

#[tokio::test]
async fn every_pool_has_one_connection_whatever_the_limit() {
    let gate = gate(1, 1);
    let ((a, stats), (b, _)) = (pool(), pool());
    let first = gate.try_connection(&a, &stats);
    assert!(first.is_some());
    assert!(gate.try_connection(&a, &stats).is_none(), "the limit is reached");
    assert!(gate.try_connection(&b, &stats).is_some(), "another pool would starve");
}

#[tokio::test]
async fn who_waits_is_woken_by_the_end_of_a_connection() {
    let gate = gate(1, 1);
    let (open, stats) = pool();
    let first = gate.try_connection(&open, &stats).unwrap();
    let (theirs, counted, waiting) = (open.clone(), stats.clone(), gate.clone());
    let second = tokio::spawn(async move { waiting.connection(&theirs, &counted).await.is_ok() });
    tokio::task::yield_now().await;
    assert!(matches!(gate.connection(&open, &stats).await, Err(Failure::Overflow(_))), "one waits already");
    drop(first);
    assert!(tokio::time::timeout(Duration::from_secs(5), second).await.unwrap().unwrap());
    assert_eq!(open.load(Ordering::Relaxed), 0, "its end is counted");
}

#[tokio::test]
async fn a_silent_address_is_given_up_in_time() {
    // A listener whose backlog nobody serves: TLS is never answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = crate::tls::tests_support::Authority::new();
    let connector = Connector {
        address: silent.local_addr().unwrap().into(),
        tls: Some(Arc::new(authority.client_tls("server"))),
        timeout: Duration::from_millis(50),
        keepalive: None,
    };
    assert!(matches!(connector.connect().await, Err(ConnectError::Timeout)));
}

#[test]
fn what_was_not_sent_may_be_repeated_and_what_was_may_not() {
    let reset = |reset, sent| Failure::Reset { reset, sent, source: "gone".into() };
    let kind = |f: &Failure| classify(f);
    use mesh_policy::FailureKind::{Final, RefusedStream, Reset as Gone, ResetBeforeRequest};
    assert_eq!(kind(&reset(Reset::ConnectionClosed, false)), ResetBeforeRequest);
    assert_eq!(kind(&reset(Reset::ConnectionClosed, true)), Gone);
    assert_eq!(kind(&reset(Reset::Refused, true)), RefusedStream);
    assert_eq!(kind(&Failure::NoHealthyUpstream), Final);
}
