use super::*;
use crate::convert::encode;
use envoy_types::pb::google::protobuf::Any;
use mesh_core::model::cluster::{Balance, CircuitLimits, ClusterTransport, Discovery, UpstreamHttp};
use mesh_core::model::endpoint::{Endpoint, Locality};
use mesh_core::model::http::{HttpManager, RouteSource};
use mesh_core::model::listener::{Bind, ChainMatch, Direction, FilterChain, NetworkFilter, TcpProxy};
use mesh_core::model::route::{Action, Forward, HeaderChanges, Route, RouteMatch, Target, VirtualHost};
use mesh_core::model::values::Fraction;
use std::net::SocketAddr;

const CDS: ResourceType = ResourceType::Cluster;
const EDS: ResourceType = ResourceType::Endpoint;
const LDS: ResourceType = ResourceType::Listener;
const RDS: ResourceType = ResourceType::Route;

fn cluster(name: &str, discovery: Discovery) -> Cluster {
    Cluster {
        name: name.into(),
        discovery,
        balance: Balance::RoundRobin,
        connect_timeout: Duration::from_secs(10),
        limits: CircuitLimits::default(),
        high_limits: None,
        outlier: None,
        transport: ClusterTransport::Plain,
        http: UpstreamHttp::default(),
        panic_threshold: Fraction::millionths(0),
        keepalive: None,
        services: vec![],
        origin: None,
    }
}

fn eds(name: &str, endpoints: &str) -> (String, Any) {
    (name.into(), encode::pack(&encode::cluster(&cluster(name, Discovery::Eds(endpoints.into())))))
}

fn endpoints(name: &str, port: u16) -> (String, Any) {
    let at = Endpoint::at(SocketAddr::from(([127, 0, 0, 1], port)));
    let localities = vec![Locality { endpoints: vec![at], ..Locality::default() }];
    (name.into(), encode::pack(&encode::endpoints(&Endpoints { name: name.into(), localities })))
}

fn table(name: &str, cluster: &str) -> RouteTable {
    let route = Route {
        name: "".into(),
        matches: RouteMatch::default(),
        action: Action::Forward(Box::new(Forward::to(cluster))),
        headers: HeaderChanges::default(),
        fault: None,
        decorator: None,
        origin: None,
    };
    let host = VirtualHost {
        name: "all".into(),
        domains: vec!["*".into()],
        routes: vec![route],
        headers: HeaderChanges::default(),
        include_attempt_count: false,
        origin: None,
    };
    RouteTable { name: name.into(), virtual_hosts: vec![host], ignore_port_in_host_matching: false }
}

fn routes(name: &str, cluster: &str) -> (String, Any) {
    (name.into(), encode::pack(&encode::route_table(&table(name, cluster))))
}

fn listener(name: &str, filter: NetworkFilter) -> (String, Any) {
    let chain =
        FilterChain { name: "".into(), matches: ChainMatch::default(), tls: None, rbac: vec![], filter };
    let listener = Listener {
        name: name.into(),
        bind: Bind::Socket(SocketAddr::from(([127, 0, 0, 1], 80)).into()),
        direction: Direction::Outbound,
        tls_inspector: false,
        http_inspector: false,
        original_destination: false,
        inspect_timeout: None,
        continue_on_inspect_timeout: false,
        filter_chains: vec![Arc::new(chain)],
        default_chain: None,
        origin: None,
    };
    (name.into(), encode::pack(&encode::listener(&listener)))
}

fn http(name: &str, routes: &str) -> (String, Any) {
    let manager = HttpManager {
        stat_prefix: "http".into(),
        codec: Default::default(),
        routes: RouteSource::Named(routes.into()),
        filters: vec![],
        access_logs: vec![],
        use_remote_address: false,
        trusted_hops: 0,
        client_cert: Default::default(),
        normalize: Default::default(),
        upgrades: vec![],
        stream_idle_timeout: None,
        idle_timeout: None,
        server_name: String::new(),
        generate_request_id: false,
    };
    listener(name, NetworkFilter::Http(Box::new(manager)))
}

fn tcp(name: &str, cluster: &str) -> (String, Any) {
    let proxy = TcpProxy {
        stat_prefix: "tcp".into(),
        to: Target::Cluster(cluster.into()),
        idle_timeout: None,
        max_connect_attempts: 1,
        access_logs: vec![],
    };
    listener(name, NetworkFilter::Tcp(proxy))
}

/// A request in short.
#[derive(Debug, PartialEq)]
enum Asks {
    Ack(ResourceType),
    Nack(ResourceType, String),
    Change(ResourceType, Vec<String>, Vec<String>),
}

fn change(kind: ResourceType, subscribe: &[&str], unsubscribe: &[&str]) -> Asks {
    let texts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Asks::Change(kind, texts(subscribe), texts(unsubscribe))
}

struct Peer {
    cache: Cache,
    now: Instant,
    count: u64,
}

impl Peer {
    fn new() -> Self {
        Self { cache: Cache::default(), now: Instant::now(), count: 0 }
    }

    /// A stream is open.
    fn open() -> Self {
        let mut peer = Self::new();
        peer.cache.open(peer.now);
        peer
    }

    /// Publishes listener `l`, table `r`, cluster `c` and its endpoints `e`.
    fn running() -> (Self, Arc<Snapshot>) {
        let mut peer = Self::open();
        peer.push(CDS, vec![eds("c", "e")], &[]);
        peer.push(EDS, vec![endpoints("e", 1)], &[]);
        peer.push(LDS, vec![http("l", "r")], &[]);
        peer.push(RDS, vec![routes("r", "c")], &[]);
        let snapshot = peer.cache.publish().unwrap();
        (peer, snapshot)
    }

    fn push(&mut self, kind: ResourceType, resources: Vec<(String, Any)>, removed: &[&str]) -> Vec<Asks> {
        self.count += 1;
        let carry = |(name, any): (String, Any)| pb::Resource {
            name,
            version: format!("v{}", self.count),
            resource: Some(any),
            ..pb::Resource::default()
        };
        let resources = resources.into_iter().map(carry).collect();
        self.send(kind, resources, removed)
    }

    fn send(&mut self, kind: ResourceType, resources: Vec<pb::Resource>, removed: &[&str]) -> Vec<Asks> {
        let nonce = format!("n{}", self.count);
        let response = pb::DeltaDiscoveryResponse {
            system_version_info: format!("s{}", self.count),
            resources,
            type_url: kind.url().into(),
            removed_resources: removed.iter().map(|n| (*n).to_owned()).collect(),
            nonce: nonce.clone(),
            ..pb::DeltaDiscoveryResponse::default()
        };
        let requests = self.cache.apply(response, self.now);
        requests.into_iter().map(|request| short(request, &nonce)).collect()
    }
}

/// An ACK or NACK and a change of subscription never share a request.
fn short(request: pb::DeltaDiscoveryRequest, nonce: &str) -> Asks {
    let kind = ResourceType::from_url(&request.type_url).unwrap();
    let pb::DeltaDiscoveryRequest {
        resource_names_subscribe: subscribe,
        resource_names_unsubscribe: unsubscribe,
        response_nonce,
        error_detail,
        ..
    } = request;
    if response_nonce.is_empty() {
        assert_eq!(error_detail, None);
        return Asks::Change(kind, subscribe, unsubscribe);
    }
    assert_eq!((response_nonce.as_str(), subscribe.len(), unsubscribe.len()), (nonce, 0, 0));
    match error_detail {
        None => Asks::Ack(kind),
        Some(status) => Asks::Nack(kind, status.message),
    }
}

#[test]
fn a_stream_opens_with_all_clusters_and_all_listeners() {
    let mut peer = Peer::new();
    let requests: Vec<Asks> = peer.cache.open(peer.now).into_iter().map(|r| short(r, "")).collect();
    assert_eq!(requests, [change(CDS, &[], &[]), change(LDS, &[], &[])]);
}

#[test]
fn what_clusters_and_listeners_name_is_asked_for_apart_from_the_ack() {
    let mut peer = Peer::open();
    assert_eq!(
        peer.push(CDS, vec![eds("a", "ea"), eds("b", "eb")], &[]),
        [Asks::Ack(CDS), change(EDS, &["ea", "eb"], &[])]
    );
    assert_eq!(peer.push(LDS, vec![http("l", "r")], &[]), [Asks::Ack(LDS), change(RDS, &["r"], &[])]);
    assert_eq!(peer.push(RDS, vec![routes("r", "a")], &[]), [Asks::Ack(RDS)]);
    assert_eq!(
        peer.push(CDS, vec![eds("c", "ec")], &["a"]),
        [Asks::Ack(CDS), change(EDS, &["ec"], &["ea"])],
        "and what nothing names any more is given up"
    );
}

#[test]
fn the_first_snapshot_waits_for_all_that_it_needs() {
    let mut peer = Peer::open();
    peer.push(LDS, vec![http("l", "r")], &[]);
    peer.push(CDS, vec![eds("c", "e")], &[]);
    assert_eq!(peer.cache.publish(), None, "neither routes nor endpoints");
    peer.push(RDS, vec![routes("r", "c")], &[]);
    assert_eq!(peer.cache.publish(), None, "no endpoints");
    peer.push(EDS, vec![endpoints("e", 1)], &[]);
    let snapshot = peer.cache.publish().unwrap();
    assert_eq!(snapshot.version, "s4");
    assert_eq!(*snapshot.routes["r"], table("r", "c"));
    let sizes = [&snapshot.listeners.len(), &snapshot.clusters.len(), &snapshot.endpoints.len()];
    assert_eq!(sizes, [&1, &1, &1]);
    assert_eq!(peer.cache.publish(), None, "nothing new");
}

#[test]
fn an_empty_configuration_is_one() {
    let mut peer = Peer::open();
    peer.push(CDS, vec![], &[]);
    assert_eq!(peer.cache.publish(), None, "listeners have not come");
    peer.push(LDS, vec![], &[]);
    assert!(peer.cache.publish().unwrap().listeners.is_empty());
}

#[test]
fn a_name_that_the_server_says_is_not_there_holds_nothing_back() {
    let mut peer = Peer::open();
    peer.push(CDS, vec![eds("c", "e")], &[]);
    peer.push(LDS, vec![http("l", "r")], &[]);
    peer.push(EDS, vec![], &["e"]);
    assert_eq!(peer.cache.publish(), None);
    peer.push(RDS, vec![], &["r"]);
    let snapshot = peer.cache.publish().unwrap();
    assert_eq!((snapshot.clusters.len(), snapshot.listeners.len()), (1, 1));
    assert_eq!((snapshot.endpoints.len(), snapshot.routes.len()), (0, 0));
    peer.push(EDS, vec![endpoints("e", 1)], &[]);
    assert_eq!(peer.cache.publish().unwrap().endpoints.len(), 1, "it appeared");
}

#[test]
fn a_name_that_does_not_come_for_15_s_does_not_exist() {
    let mut peer = Peer::open();
    peer.push(LDS, vec![], &[]);
    assert_eq!(peer.cache.deadline(), None);
    peer.push(CDS, vec![eds("c", "e")], &[]);
    let deadline = peer.cache.deadline().unwrap();
    assert_eq!(deadline, peer.now + Duration::from_secs(15));
    assert!(peer.cache.expire(deadline - Duration::from_millis(1)).is_empty());
    assert_eq!(peer.cache.publish(), None);
    peer.cache.expire(deadline);
    assert_eq!(peer.cache.deadline(), None);
    assert_eq!(peer.cache.publish().unwrap().clusters.len(), 1);
}

#[test]
fn while_there_is_no_stream_the_timer_does_not_run() {
    let mut peer = Peer::open();
    peer.push(CDS, vec![eds("c", "e")], &[]);
    peer.cache.close();
    assert_eq!(peer.cache.deadline(), None);
    let later = peer.now + Duration::from_secs(60);
    peer.cache.open(later);
    assert_eq!(peer.cache.deadline(), Some(later + Duration::from_secs(15)));
}

#[test]
fn a_resource_that_cannot_be_read_is_rejected_with_its_path_and_its_last_good_version_stays() {
    let (mut peer, before) = Peer::running();
    let mut bad = encode::route_table(&table("r", "c"));
    bad.virtual_hosts[0].domains.clear();
    bad.virtual_hosts[0].routes[0].r#match = None;
    let answer = peer.push(RDS, vec![("r".into(), encode::pack(&bad))], &[]);
    let [Asks::Nack(RDS, message)] = &answer[..] else { panic!("{answer:?}") };
    assert!(message.starts_with("r: virtual_hosts[0]"), "{message}");
    assert_eq!(peer.cache.publish(), None);
    assert!(Arc::ptr_eq(&before.routes["r"], &peer.cache.active.routes["r"]));
    assert_eq!(peer.push(RDS, vec![routes("r", "other")], &[]), [Asks::Ack(RDS)]);
    assert_eq!(*peer.cache.publish().unwrap().routes["r"], table("r", "other"));
}

#[test]
fn a_bad_resource_does_not_keep_the_good_ones_of_its_response() {
    let (mut peer, _) = Peer::running();
    let garbage = Any { type_url: CDS.url().into(), value: vec![0xff] };
    let answer = peer.push(CDS, vec![("bad".into(), garbage), eds("good", "e")], &[]);
    assert!(matches!(&answer[..], [Asks::Nack(CDS, m)] if m.starts_with("bad: ")), "{answer:?}");
    let snapshot = peer.cache.publish().unwrap();
    assert!(snapshot.clusters.contains_key("good") && !snapshot.clusters.contains_key("bad"));
}

#[test]
fn endpoints_that_cannot_be_read_do_not_let_their_cluster_warm_for_ever() {
    let mut peer = Peer::open();
    peer.push(LDS, vec![], &[]);
    peer.push(CDS, vec![eds("c", "e")], &[]);
    let garbage = Any { type_url: EDS.url().into(), value: vec![0xff] };
    peer.push(EDS, vec![("e".into(), garbage)], &[]);
    assert_eq!(peer.cache.publish().unwrap().clusters.len(), 1);
}

#[test]
fn a_response_with_a_name_twice_is_rejected_whole() {
    let (mut peer, _) = Peer::running();
    let answer = peer.push(CDS, vec![eds("x", "e"), eds("y", "e"), eds("x", "e")], &[]);
    assert_eq!(answer, [Asks::Nack(CDS, "x: is in the response twice".into())]);
    assert_eq!(peer.cache.publish(), None);
}

#[test]
fn a_resource_must_have_the_name_that_it_comes_under_and_the_type_too() {
    let (mut peer, _) = Peer::running();
    let answer = peer.push(CDS, vec![("x".into(), eds("y", "e").1)], &[]);
    assert_eq!(answer, [Asks::Nack(CDS, "x: its content is named \"y\"".into())]);
    let answer = peer.push(CDS, vec![("".into(), eds("y", "e").1)], &[]);
    assert_eq!(answer, [Asks::Nack(CDS, "a resource without a name".into())]);
    let answer = peer.push(CDS, vec![("r".into(), routes("r", "c").1)], &[]);
    assert!(matches!(&answer[..], [Asks::Nack(CDS, m)] if m.contains("RouteConfiguration")), "{answer:?}");
}

#[test]
fn a_heartbeat_is_a_resource_without_content_in_the_version_that_is_held() {
    let (mut peer, _) = Peer::running();
    let beat =
        |version: &str| pb::Resource { name: "c".into(), version: version.into(), ..Default::default() };
    assert_eq!(peer.send(CDS, vec![beat("v1")], &[]), [Asks::Ack(CDS)]);
    assert!(matches!(&peer.send(CDS, vec![beat("v9")], &[])[..], [Asks::Nack(CDS, _)]));
    assert_eq!(peer.cache.publish(), None);
}

#[test]
fn many_faults_are_told_shortly() {
    let mut peer = Peer::open();
    let garbage = Any { type_url: CDS.url().into(), value: vec![0xff] };
    let answer = peer.push(CDS, (0..25).map(|i| (format!("c{i}"), garbage.clone())).collect(), &[]);
    assert!(matches!(&answer[..], [Asks::Nack(CDS, m)] if m.ends_with("; and 15 more")), "{answer:?}");
}

#[test]
fn a_route_to_a_cluster_that_warms_is_held_back_until_it_is_warm() {
    let (mut peer, _) = Peer::running();
    peer.push(CDS, vec![eds("new", "new-e")], &[]);
    peer.push(RDS, vec![routes("r", "new")], &[]);
    assert_eq!(peer.cache.publish(), None, "the old route still sends to the old cluster");
    peer.push(EDS, vec![endpoints("new-e", 2)], &[]);
    let snapshot = peer.cache.publish().unwrap();
    assert_eq!(*snapshot.routes["r"], table("r", "new"));
    assert!(snapshot.clusters.contains_key("new"));
}

#[test]
fn what_warms_holds_back_nothing_but_what_needs_it() {
    let (mut peer, _) = Peer::running();
    peer.push(CDS, vec![eds("slow", "slow-e")], &[]);
    peer.push(LDS, vec![tcp("t", "slow"), tcp("u", "c")], &[]);
    peer.push(EDS, vec![endpoints("e", 9)], &[]);
    let snapshot = peer.cache.publish().unwrap();
    assert!(snapshot.listeners.contains_key("u"));
    assert!(!snapshot.listeners.contains_key("t") && !snapshot.clusters.contains_key("slow"));
}

#[test]
fn a_route_to_a_cluster_that_nobody_declared_is_not_held_back() {
    let (mut peer, _) = Peer::running();
    peer.push(RDS, vec![routes("r", "nowhere")], &[]);
    assert_eq!(*peer.cache.publish().unwrap().routes["r"], table("r", "nowhere"));
}

#[test]
fn a_cluster_with_other_endpoints_keeps_the_old_ones_until_the_new_ones_came() {
    let (mut peer, before) = Peer::running();
    assert_eq!(peer.push(CDS, vec![eds("c", "e2")], &[]), [Asks::Ack(CDS), change(EDS, &["e2"], &[])]);
    assert_eq!(peer.cache.publish(), None);
    assert!(Arc::ptr_eq(&before.clusters["c"], &peer.cache.active.clusters["c"]));
    assert_eq!(peer.push(EDS, vec![endpoints("e2", 2)], &[]), [Asks::Ack(EDS), change(EDS, &[], &["e"])]);
    let after = peer.cache.publish().unwrap();
    assert_eq!(after.clusters["c"].discovery, Discovery::Eds("e2".into()));
    assert_eq!(after.endpoints.keys().map(|n| &**n).collect::<Vec<_>>(), ["e2"]);
}

#[test]
fn a_listener_with_another_table_keeps_the_old_one_until_the_new_one_came() {
    let (mut peer, _) = Peer::running();
    peer.push(LDS, vec![http("l", "r2")], &[]);
    assert_eq!(peer.cache.publish(), None);
    peer.push(RDS, vec![routes("r2", "c")], &[]);
    let after = peer.cache.publish().unwrap();
    assert_eq!(after.routes.keys().map(|n| &**n).collect::<Vec<_>>(), ["r2"]);
}

#[test]
fn what_did_not_change_stays_the_very_same() {
    let (mut peer, before) = Peer::running();
    peer.push(CDS, vec![eds("c", "e")], &[]);
    peer.push(EDS, vec![endpoints("e", 1)], &[]);
    assert_eq!(peer.cache.publish(), None, "sent again, and equal");
    peer.push(EDS, vec![endpoints("e", 2)], &[]);
    let after = peer.cache.publish().unwrap();
    assert!(Arc::ptr_eq(&before.clusters["c"], &after.clusters["c"]));
    assert!(Arc::ptr_eq(&before.listeners["l"], &after.listeners["l"]));
    assert!(Arc::ptr_eq(&before.routes["r"], &after.routes["r"]));
    assert_ne!(before.endpoints["e"], after.endpoints["e"]);
}

#[test]
fn removed_clusters_and_listeners_go_with_what_only_they_used() {
    let (mut peer, _) = Peer::running();
    assert_eq!(peer.push(LDS, vec![], &["l"]), [Asks::Ack(LDS), change(RDS, &[], &["r"])]);
    assert_eq!(peer.push(CDS, vec![], &["c"]), [Asks::Ack(CDS), change(EDS, &[], &["e"])]);
    let after = peer.cache.publish().unwrap();
    let sizes = [after.listeners.len(), after.routes.len(), after.clusters.len(), after.endpoints.len()];
    assert_eq!(sizes, [0; 4]);
    assert_eq!(peer.push(EDS, vec![endpoints("e", 1)], &[]), [Asks::Ack(EDS)], "too late, and no harm");
    assert_eq!(peer.cache.publish(), None);
}

#[test]
fn a_reconnect_tells_what_is_held_and_publishes_nothing_new() {
    let (mut peer, _) = Peer::running();
    peer.cache.close();
    assert_eq!(peer.cache.publish(), None);
    let requests = peer.cache.open(peer.now);
    let told: Vec<_> = requests
        .iter()
        .map(|r| {
            let held: Vec<_> = r.initial_resource_versions.iter().map(|(n, v)| format!("{n}={v}")).collect();
            let kind = ResourceType::from_url(&r.type_url).unwrap();
            (kind, r.resource_names_subscribe.clone(), held, r.response_nonce.clone())
        })
        .collect();
    let entry = |kind, names: &[&str], held: &str| {
        (kind, names.iter().map(|n| (*n).to_owned()).collect(), vec![held.to_owned()], String::new())
    };
    assert_eq!(
        told,
        [
            entry(CDS, &[], "c=v1"),
            entry(EDS, &["e"], "e=v2"),
            entry(LDS, &[], "l=v3"),
            entry(RDS, &["r"], "r=v4"),
        ]
    );
    assert_eq!(peer.push(CDS, vec![], &[]), [Asks::Ack(CDS)]);
    assert_eq!(peer.cache.publish(), None);
}

#[test]
fn versions_are_told_in_the_first_request_of_a_kind_alone() {
    let (mut peer, _) = Peer::running();
    let response = pb::DeltaDiscoveryResponse {
        type_url: CDS.url().into(),
        resources: vec![pb::Resource {
            name: "d".into(),
            version: "1".into(),
            resource: Some(eds("d", "ed").1),
            ..Default::default()
        }],
        ..Default::default()
    };
    let requests = peer.cache.apply(response, peer.now);
    assert!(requests.len() == 2 && requests.iter().all(|r| r.initial_resource_versions.is_empty()));
}

#[test]
fn a_kind_that_nobody_asked_for_is_left_alone() {
    let mut peer = Peer::open();
    let response =
        pb::DeltaDiscoveryResponse { type_url: "type.googleapis.com/x".into(), ..Default::default() };
    assert_eq!(peer.cache.apply(response, peer.now), []);
}
