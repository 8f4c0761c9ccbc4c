use super::*;
use crate::server::session::Event;
use crate::server::session::fixture::{Entry, resources, text};
use envoy_types::pb::google::rpc::Status;
use std::collections::HashMap;

const CDS: ResourceType = ResourceType::Cluster;
const EDS: ResourceType = ResourceType::Endpoint;
const LDS: ResourceType = ResourceType::Listener;
const RDS: ResourceType = ResourceType::Route;

/// A response in short: its kind, the names and bodies that it carries, the names that it removes.
#[derive(Debug, PartialEq)]
struct Seen(ResourceType, Vec<(String, String)>, Vec<String>);

fn seen(kind: ResourceType, resources: &[Entry], removed: &[&str]) -> Seen {
    let resources = resources.iter().map(|(n, b)| ((*n).to_owned(), (*b).to_owned())).collect();
    Seen(kind, resources, removed.iter().map(|n| (*n).to_owned()).collect())
}

/// A session, and what the client would see.
struct Peer {
    session: Delta,
    events: Vec<Event>,
    nonces: BTreeMap<ResourceType, String>,
    versions: BTreeMap<(ResourceType, String), String>,
}

impl Peer {
    fn new(keeps_endpoints: bool) -> Self {
        let session = Delta::new(Nonces::new(7), Client { keeps_endpoints });
        Self { session, events: vec![], nonces: BTreeMap::new(), versions: BTreeMap::new() }
    }

    fn with(kinds: [&[Entry]; 4]) -> Self {
        let mut peer = Self::new(false);
        assert_eq!(peer.offer(kinds), []);
        peer
    }

    fn take(&mut self, out: Output<DeltaDiscoveryResponse>) -> Vec<Seen> {
        self.events.extend(out.events);
        let mut all = vec![];
        for Outgoing { sent, response } in out.responses {
            assert_eq!((response.type_url.as_str(), &response.nonce), (sent.kind.url(), &sent.nonce));
            assert_eq!(response.system_version_info, "test");
            assert_ne!(self.nonces.insert(sent.kind, sent.nonce.clone()), Some(sent.nonce));
            for r in &response.resources {
                self.versions.insert((sent.kind, r.name.clone()), r.version.clone());
            }
            let resources =
                response.resources.iter().map(|r| (r.name.clone(), text(r.resource.as_ref().unwrap())));
            all.push(Seen(sent.kind, resources.collect(), response.removed_resources));
        }
        all
    }

    fn offer(&mut self, kinds: [&[Entry]; 4]) -> Vec<Seen> {
        let mut out = Output::default();
        self.session.on_resources(resources(kinds), &mut out);
        self.take(out)
    }

    fn request(&mut self, request: DeltaDiscoveryRequest) -> Vec<Seen> {
        let mut out = Output::default();
        self.session.on_request(request, &mut out).unwrap();
        self.take(out)
    }

    fn subscribe(&mut self, kind: ResourceType, names: &[&str]) -> Vec<Seen> {
        self.request(change(kind, names, &[]))
    }

    fn unsubscribe(&mut self, kind: ResourceType, names: &[&str]) -> Vec<Seen> {
        self.request(change(kind, &[], names))
    }

    /// A first request after a reconnect.
    fn resume(&mut self, kind: ResourceType, names: &[&str], held: &[(&str, String)]) -> Vec<Seen> {
        let versions: HashMap<_, _> = held.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        self.request(DeltaDiscoveryRequest {
            initial_resource_versions: versions,
            ..change(kind, names, &[])
        })
    }

    fn ack(&mut self, kind: ResourceType) -> Vec<Seen> {
        let response_nonce = self.nonces[&kind].clone();
        self.request(DeltaDiscoveryRequest { response_nonce, ..change(kind, &[], &[]) })
    }
}

fn change(kind: ResourceType, subscribe: &[&str], unsubscribe: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: kind.url().to_owned(),
        resource_names_subscribe: subscribe.iter().map(|n| (*n).to_owned()).collect(),
        resource_names_unsubscribe: unsubscribe.iter().map(|n| (*n).to_owned()).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn version(body: &str) -> String {
    Version::of(body.as_bytes()).to_string()
}

#[test]
fn only_what_changed_is_sent() {
    let mut peer = Peer::with([&[], &[], &[("a", "A"), ("b", "B")], &[]]);
    assert_eq!(peer.subscribe(LDS, &[]), [seen(LDS, &[("a", "A"), ("b", "B")], &[])]);
    assert_eq!(peer.ack(LDS), []);
    assert_eq!(peer.offer([&[], &[], &[("a", "A"), ("b", "B2")], &[]]), [seen(LDS, &[("b", "B2")], &[])]);
    assert_eq!(peer.offer([&[], &[], &[("a", "A"), ("b", "B2")], &[]]), []);
    assert_eq!(peer.offer([&[], &[], &[("b", "B2")], &[]]), [seen(LDS, &[], &["a"])]);
}

#[test]
fn a_wildcard_is_answered_even_with_nothing() {
    let mut peer = Peer::with([&[], &[], &[], &[]]);
    assert_eq!(peer.subscribe(LDS, &[]), [seen(LDS, &[], &[])]);
    assert_eq!(peer.subscribe(CDS, &["*"]), [seen(CDS, &[], &[])]);
}

#[test]
fn a_request_before_there_is_anything_to_offer_is_answered_when_there_is() {
    let mut peer = Peer::new(false);
    assert_eq!(peer.subscribe(CDS, &[]), []);
    assert_eq!(peer.subscribe(RDS, &["r", "none"]), []);
    assert_eq!(
        peer.offer([&[("a", "static")], &[], &[], &[("r", "R")]]),
        [seen(CDS, &[("a", "static")], &[]), seen(RDS, &[("r", "R")], &["none"])]
    );
}

#[test]
fn an_unknown_name_is_listed_as_removed_and_sent_when_it_appears() {
    let mut peer = Peer::with([&[], &[], &[], &[]]);
    assert_eq!(peer.subscribe(RDS, &["r"]), [seen(RDS, &[], &["r"])]);
    assert_eq!(peer.offer([&[], &[], &[("l", "L")], &[]]), [], "told once");
    assert_eq!(peer.offer([&[], &[], &[], &[("r", "R")]]), [seen(RDS, &[("r", "R")], &[])]);
}

#[test]
fn a_name_that_is_held_and_subscribed_again_is_answered_in_full() {
    let mut peer = Peer::with([&[], &[], &[], &[("r", "R")]]);
    peer.subscribe(RDS, &["r"]);
    assert_eq!(peer.subscribe(RDS, &["r"]), [seen(RDS, &[("r", "R")], &[])]);
}

#[test]
fn a_subscription_with_a_stale_nonce_is_honoured_and_the_nonce_is_not_taken_for_an_ack() {
    let mut peer = Peer::with([&[], &[], &[], &[("r", "R"), ("s", "S")]]);
    peer.subscribe(RDS, &["r"]);
    let old = peer.nonces[&RDS].clone();
    peer.offer([&[], &[], &[], &[("r", "R2"), ("s", "S")]]);
    let late = DeltaDiscoveryRequest { response_nonce: old, ..change(RDS, &["s"], &[]) };
    assert_eq!(peer.request(late), [seen(RDS, &[("s", "S")], &[])]);
    assert_eq!(peer.events, [Event::Stale(RDS)]);
}

#[test]
fn an_ack_and_a_nack_are_told_apart_by_the_error_and_neither_is_answered() {
    let mut peer = Peer::with([&[], &[], &[], &[("r", "R")]]);
    peer.subscribe(RDS, &["r"]);
    peer.ack(RDS);
    peer.subscribe(RDS, &["r"]);
    let error = Status { code: 3, message: "r: no".into(), details: vec![] };
    let nonce = peer.nonces[&RDS].clone();
    let nack =
        DeltaDiscoveryRequest { response_nonce: nonce, error_detail: Some(error), ..change(RDS, &[], &[]) };
    assert_eq!(peer.request(nack), []);
    assert!(
        matches!(&peer.events[..], [Event::Acked(_), Event::Nacked { message, .. }] if message == "r: no"),
        "{:?}",
        peer.events
    );
    assert_eq!(peer.offer([&[], &[], &[("l", "L")], &[("r", "R")]]), [], "not sent again until it changes");
    assert_eq!(peer.offer([&[], &[], &[], &[("r", "R2")]]), [seen(RDS, &[("r", "R2")], &[])]);
}

#[test]
fn a_pure_unsubscribe_gets_no_response_and_an_unknown_name_in_it_is_ignored() {
    let mut peer = Peer::with([&[], &[], &[], &[("r", "R")]]);
    peer.subscribe(RDS, &["r"]);
    assert_eq!(peer.unsubscribe(RDS, &["zzz"]), []);
    assert_eq!(peer.unsubscribe(RDS, &["r"]), []);
    assert_eq!(peer.offer([&[], &[], &[], &[("r", "R2")]]), []);
}

#[test]
fn a_name_unsubscribed_under_a_wildcard_is_answered_with_what_becomes_of_it() {
    let mut peer = Peer::with([&[], &[], &[("a", "A")], &[]]);
    peer.subscribe(LDS, &["*", "a", "gone"]);
    assert_eq!(peer.unsubscribe(LDS, &["a", "gone"]), [seen(LDS, &[("a", "A")], &["gone"])]);
}

#[test]
fn subscribing_to_nothing_is_asking_for_all_and_not_in_one_request() {
    let mut peer = Peer::with([&[("a", "static A"), ("b", "static B")], &[], &[], &[]]);
    assert_eq!(peer.request(change(CDS, &["*"], &["*"])), []);
    assert_eq!(peer.subscribe(CDS, &["b"]), [seen(CDS, &[("b", "static B")], &[])], "on demand");
}

#[test]
fn giving_up_the_wildcard_keeps_the_names() {
    let mut peer = Peer::with([&[], &[], &[("a", "A"), ("b", "B")], &[]]);
    peer.subscribe(LDS, &["*", "a"]);
    assert_eq!(peer.unsubscribe(LDS, &["*"]), []);
    assert_eq!(peer.offer([&[], &[], &[("a", "A2"), ("b", "B2")], &[]]), [seen(LDS, &[("a", "A2")], &[])]);
    assert_eq!(peer.subscribe(LDS, &["*"]), [seen(LDS, &[("a", "A2"), ("b", "B2")], &[])]);
}

#[test]
fn a_client_that_comes_back_is_sent_only_what_it_does_not_hold() {
    let mut peer = Peer::with([&[], &[], &[("a", "A"), ("b", "B2")], &[("r", "R")]]);
    assert_eq!(
        peer.resume(LDS, &[], &[("a", version("A")), ("b", version("B")), ("gone", version("G"))]),
        [seen(LDS, &[("b", "B2")], &["gone"])],
        "the map alone is a wildcard, as Envoy sends it"
    );
    assert_eq!(
        peer.resume(RDS, &["r", "s"], &[("r", version("R")), ("s", version("S"))]),
        [seen(RDS, &[], &["s"])]
    );
}

#[test]
fn a_client_that_comes_back_and_holds_all_is_answered_with_nothing_where_it_waits_for_an_answer() {
    let mut peer = Peer::with([&[], &[], &[("a", "A")], &[("r", "R")]]);
    assert_eq!(peer.resume(LDS, &[], &[("a", version("A"))]), [seen(LDS, &[], &[])]);
    assert_eq!(peer.resume(RDS, &["r"], &[("r", version("R"))]), []);
    assert_eq!(peer.offer([&[], &[], &[("a", "A")], &[("r", "R2")]]), [seen(RDS, &[("r", "R2")], &[])]);
}

#[test]
fn a_version_that_another_server_made_is_not_ours() {
    let mut peer = Peer::with([&[], &[], &[], &[("r", "R")]]);
    assert_eq!(peer.resume(RDS, &["r"], &[("r", "2024-01-01/7".into())]), [seen(RDS, &[("r", "R")], &[])]);
}

#[test]
fn versions_are_looked_at_in_the_first_request_alone() {
    let mut peer = Peer::with([&[], &[], &[], &[("r", "R"), ("s", "S")]]);
    peer.subscribe(RDS, &["r"]);
    assert_eq!(peer.resume(RDS, &["s"], &[("s", version("S"))]), [seen(RDS, &[("s", "S")], &[])]);
}

#[test]
fn a_push_is_ordered_and_what_goes_away_goes_last() {
    let mut peer = Peer::with([&[("c", "C")], &[("e/c", "EC")], &[("l", "L")], &[("r", "to c")]]);
    for (kind, names) in [(RDS, &["r"][..]), (LDS, &[]), (EDS, &["e/c", "e/d"]), (CDS, &[])] {
        peer.subscribe(kind, names);
    }
    assert_eq!(
        peer.offer([&[("d", "D")], &[("e/d", "ED")], &[("l", "L2")], &[("r", "to d")]]),
        [
            seen(CDS, &[("d", "D")], &[]),
            seen(EDS, &[("e/d", "ED")], &[]),
            seen(LDS, &[("l", "L2")], &[]),
            seen(RDS, &[("r", "to d")], &[]),
            seen(CDS, &[], &["c"]),
            seen(EDS, &[], &["e/c"]),
        ]
    );
}

#[test]
fn a_changed_cluster_has_its_endpoints_sent_again_though_they_are_the_same() {
    let endpoints: &[Entry] = &[("e/a", "EA"), ("e/b", "EB")];
    let mut peer = Peer::with([&[("a", "A"), ("b", "B")], endpoints, &[], &[]]);
    peer.subscribe(CDS, &[]);
    peer.subscribe(EDS, &["e/a", "e/b"]);
    assert_eq!(
        peer.offer([&[("a", "A2"), ("b", "B")], endpoints, &[], &[]]),
        [seen(CDS, &[("a", "A2")], &[]), seen(EDS, &[("e/a", "EA")], &[])]
    );
}

#[test]
fn a_client_that_keeps_endpoints_is_not_sent_them_again() {
    let endpoints: &[Entry] = &[("e/a", "EA")];
    let mut peer = Peer::new(true);
    peer.offer([&[("a", "A")], endpoints, &[], &[]]);
    peer.subscribe(CDS, &[]);
    peer.subscribe(EDS, &["e/a"]);
    assert_eq!(peer.offer([&[("a", "A2")], endpoints, &[], &[]]), [seen(CDS, &[("a", "A2")], &[])]);

    let mut back = Peer::new(true);
    back.offer([&[("a", "A")], endpoints, &[], &[]]);
    back.resume(CDS, &[], &[("a", version("A"))]);
    assert_eq!(back.resume(EDS, &["e/a"], &[("e/a", version("EA"))]), []);
}

#[test]
fn after_a_request_for_clusters_watched_endpoints_are_pushed_else_clusters_warm_for_ever() {
    let held = [("e/a", version("EA"))];
    let mut peer = Peer::with([&[("a", "A")], &[("e/a", "EA")], &[], &[]]);
    assert_eq!(peer.resume(EDS, &["e/a"], &held), [seen(EDS, &[("e/a", "EA")], &[])], "held, and yet sent");
    assert_eq!(
        peer.resume(CDS, &[], &[("a", version("A"))]),
        [seen(CDS, &[], &[]), seen(EDS, &[("e/a", "EA")], &[])]
    );
    assert_eq!(peer.ack(CDS), [], "an ACK is no such request");
}

#[test]
fn no_kind_that_is_not_served_is_ever_said_to_be_removed() {
    let mut peer = Peer::with([&[], &[], &[], &[]]);
    let request = DeltaDiscoveryRequest {
        type_url: "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig".into(),
        resource_names_subscribe: vec!["filter".into()],
        ..DeltaDiscoveryRequest::default()
    };
    assert_eq!(peer.request(request), []);
}
