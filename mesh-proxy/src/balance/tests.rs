use super::*;
use crate::cluster::{ClusterRuntime, Surroundings};
use crate::shared::Shared;
use mesh_core::model::cluster::{CircuitLimits, Cluster, ClusterTransport, Discovery, UpstreamHttp};
use mesh_core::model::endpoint::{Endpoint, Endpoints, Health, Locality};
use mesh_core::watch;
use std::collections::BTreeMap;
use std::time::Duration;

fn endpoint(port: u16, weight: u32) -> Endpoint {
    Endpoint { weight, ..Endpoint::at(std::net::SocketAddr::from(([127, 0, 0, 1], port))) }
}

fn locality(priority: u32, weight: Option<u32>, endpoints: Vec<Endpoint>) -> Locality {
    Locality { priority, weight, endpoints, ..Locality::default() }
}

fn cluster(balance: Balance, panic: Fraction, localities: Vec<Locality>) -> Arc<ClusterRuntime> {
    let endpoints = Endpoints { name: "c".into(), localities };
    let config = Cluster {
        name: "c".into(),
        discovery: Discovery::Eds("c".into()),
        balance,
        connect_timeout: Duration::from_secs(1),
        limits: CircuitLimits::default(),
        high_limits: None,
        outlier: None,
        transport: ClusterTransport::Plain,
        http: UpstreamHttp::default(),
        panic_threshold: panic,
        keepalive: None,
        services: vec![],
        origin: None,
    };
    let surroundings =
        Surroundings { shared: Arc::<Shared>::default(), identity: watch::channel().1, exchange: None };
    ClusterRuntime::new(Arc::new(config), &endpoints, None, &surroundings).unwrap()
}

fn counts(cluster: &ClusterRuntime, picks: usize) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..picks {
        let host = cluster.pick(None).unwrap();
        *counts.entry(host.address().socket().unwrap().port()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn round_robin_takes_each_in_turn_by_weight() {
    let all = vec![locality(0, None, vec![endpoint(1, 1), endpoint(2, 3)])];
    let c = cluster(Balance::RoundRobin, Fraction::ZERO, all);
    assert_eq!(counts(&c, 400), BTreeMap::from([(1, 100), (2, 300)]));
}

#[tokio::test]
async fn the_less_loaded_of_two_is_taken() {
    let all = vec![locality(0, None, vec![endpoint(1, 1), endpoint(2, 1)])];
    let c = cluster(Balance::LeastRequest { choices: 8 }, Fraction::ZERO, all);
    let busy = c.pick(None).unwrap();
    let _request = crate::shared::InFlight::begin(&busy.shared);
    let port = busy.address().socket().unwrap().port();
    // Only eight draws of the same host would take the busy one.
    let taken = counts(&c, 200).get(&port).copied().unwrap_or(0);
    assert!(taken < 20, "{taken} of 200 went to the busy one");
}

#[tokio::test]
async fn the_unhealthy_and_the_draining_are_left_out() {
    let sick = Endpoint { health: Health::Unhealthy, ..endpoint(2, 1) };
    let leaving = Endpoint { health: Health::Draining, ..endpoint(3, 1) };
    let all = vec![locality(0, None, vec![endpoint(1, 1), sick.clone(), leaving.clone()])];
    let c = cluster(Balance::Random, Fraction::ZERO, all);
    assert_eq!(counts(&c, 50), BTreeMap::from([(1, 50)]));

    let c = cluster(Balance::Random, Fraction::ZERO, vec![locality(0, None, vec![sick.clone()])]);
    assert!(c.pick(None).is_err());
    // In a panic the sick take traffic, since they may be better than their name; those that leave do not.
    let half = Fraction::percent(50.0).unwrap();
    let c = cluster(Balance::Random, half, vec![locality(0, None, vec![sick, leaving])]);
    assert_eq!(counts(&c, 50), BTreeMap::from([(2, 50)]));
}

#[tokio::test]
async fn a_lower_priority_takes_what_the_higher_cannot() {
    let sick = |port| Endpoint { health: Health::Unhealthy, ..endpoint(port, 1) };
    // 50% are healthy: 70% of the traffic, with 1.4 times their share.
    let first = vec![endpoint(1, 1), sick(2)];
    let c = cluster(
        Balance::RoundRobin,
        Fraction::ZERO,
        vec![locality(0, None, first), locality(1, None, vec![endpoint(9, 1)])],
    );
    let second = counts(&c, 10_000)[&9];
    assert!((2700..3300).contains(&second), "{second} of 10000 instead of 30%");
}

#[tokio::test]
async fn localities_share_by_their_weight_however_many_endpoints_they_have() {
    let many = (1..=10).map(|port| endpoint(port, 1)).collect();
    let c = cluster(
        Balance::RoundRobin,
        Fraction::ZERO,
        vec![locality(0, Some(80), vec![endpoint(99, 1)]), locality(0, Some(20), many)],
    );
    assert_eq!(counts(&c, 1000)[&99], 800);
}

#[tokio::test]
async fn an_update_keeps_what_stays() {
    let all = vec![locality(0, None, vec![endpoint(1, 1), endpoint(2, 1)])];
    let c = cluster(Balance::RoundRobin, Fraction::ZERO, all);
    let before = c.pick(None).unwrap();
    let port = before.address().socket().unwrap().port();
    let stays = Endpoints { name: "c".into(), localities: vec![locality(0, None, vec![endpoint(port, 5)])] };
    c.update(&stays);
    let after = c.pick(None).unwrap();
    assert_eq!(after.weight(), 5);
    assert!(Arc::ptr_eq(before.pools(), after.pools()), "its connections are kept");
}
