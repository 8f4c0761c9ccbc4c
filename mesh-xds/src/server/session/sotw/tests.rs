use super::*;
use crate::server::session::Event;
use crate::server::session::fixture::{Entry, resources, text};
use envoy_types::pb::google::rpc::Status;

const CDS: ResourceType = ResourceType::Cluster;
const EDS: ResourceType = ResourceType::Endpoint;
const LDS: ResourceType = ResourceType::Listener;
const RDS: ResourceType = ResourceType::Route;

/// A session, and what the client would see.
struct Peer {
    session: Sotw,
    events: Vec<Event>,
    nonces: BTreeMap<ResourceType, String>,
    versions: BTreeMap<ResourceType, String>,
}

/// A response in short: its kind and the bodies that it carries.
type Seen = (ResourceType, Vec<String>);

impl Peer {
    fn new() -> Self {
        let session = Sotw::new(Nonces::new(7), Client::default());
        Self { session, events: vec![], nonces: BTreeMap::new(), versions: BTreeMap::new() }
    }

    fn with(kinds: [&[Entry]; 4]) -> Self {
        let mut peer = Self::new();
        assert_eq!(peer.offer(kinds), []);
        peer
    }

    fn take(&mut self, out: Output<DiscoveryResponse>) -> Vec<Seen> {
        self.events.extend(out.events);
        let mut seen = vec![];
        for Outgoing { sent, response } in out.responses {
            assert_eq!(response.type_url, sent.kind.url());
            assert_eq!((&response.nonce, &response.version_info), (&sent.nonce, &sent.version));
            assert!(response.resources.iter().all(|any| any.type_url == sent.kind.url()));
            assert_ne!(self.nonces.insert(sent.kind, sent.nonce.clone()), Some(sent.nonce));
            self.versions.insert(sent.kind, sent.version);
            seen.push((sent.kind, response.resources.iter().map(text).collect()));
        }
        seen
    }

    fn offer(&mut self, kinds: [&[Entry]; 4]) -> Vec<Seen> {
        let mut out = Output::default();
        self.session.on_resources(resources(kinds), &mut out);
        self.take(out)
    }

    fn request(&mut self, request: DiscoveryRequest) -> Vec<Seen> {
        let mut out = Output::default();
        self.session.on_request(request, &mut out).unwrap();
        self.take(out)
    }

    fn message(&self, kind: ResourceType, names: &[&str]) -> DiscoveryRequest {
        DiscoveryRequest {
            type_url: kind.url().to_owned(),
            resource_names: names.iter().map(|n| (*n).to_owned()).collect(),
            response_nonce: self.nonces.get(&kind).cloned().unwrap_or_default(),
            version_info: self.versions.get(&kind).cloned().unwrap_or_default(),
            ..DiscoveryRequest::default()
        }
    }

    /// A request with the newest nonce: subscribes first, acknowledges after.
    fn ask(&mut self, kind: ResourceType, names: &[&str]) -> Vec<Seen> {
        let message = self.message(kind, names);
        self.request(message)
    }
}

fn bodies(kind: ResourceType, bodies: &[&str]) -> Seen {
    (kind, bodies.iter().map(|b| (*b).to_owned()).collect())
}

#[test]
fn the_first_wildcard_request_is_answered_even_with_nothing() {
    let mut peer = Peer::with([&[], &[], &[], &[]]);
    assert_eq!(peer.ask(LDS, &[]), [bodies(LDS, &[])]);
    assert_eq!(peer.ask(LDS, &[]), [], "an ACK");
}

#[test]
fn a_request_before_there_is_anything_to_offer_is_answered_when_there_is() {
    let mut peer = Peer::new();
    assert_eq!(peer.ask(CDS, &[]), []);
    assert_eq!(peer.ask(RDS, &["r"]), []);
    assert_eq!(
        peer.offer([&[("a", "A")], &[], &[], &[("r", "R")]]),
        [bodies(CDS, &["A"]), bodies(RDS, &["R"])]
    );
}

#[test]
fn same_nonce_and_same_names_is_an_ack_and_gets_no_response() {
    let mut peer = Peer::with([&[("a", "A")], &[], &[], &[]]);
    peer.ask(CDS, &[]);
    assert_eq!(peer.ask(CDS, &[]), []);
    assert!(matches!(&peer.events[..], [Event::Acked(sent)] if sent.kind == CDS), "{:?}", peer.events);
}

#[test]
fn a_nack_is_what_has_an_error_whatever_its_version_and_gets_no_response_until_a_change() {
    let mut peer = Peer::with([&[("a", "A")], &[], &[], &[]]);
    peer.ask(CDS, &[]);
    let error = Status { code: 13, message: "bad a".into(), details: vec![] };
    let nack = DiscoveryRequest { error_detail: Some(error), ..peer.message(CDS, &[]) };
    assert_eq!(peer.request(nack), []);
    assert!(matches!(&peer.events[..], [Event::Nacked { message, .. }] if message == "bad a"));
    assert_eq!(peer.offer([&[("a", "A")], &[], &[], &[]]), [], "the same again");
    assert_eq!(peer.offer([&[("a", "A2")], &[], &[], &[]]), [bodies(CDS, &["A2"])]);
}

#[test]
fn a_version_mismatch_is_no_nack() {
    let mut peer = Peer::with([&[("a", "A")], &[], &[], &[]]);
    peer.ask(CDS, &[]);
    let request = DiscoveryRequest { version_info: "older".into(), ..peer.message(CDS, &[]) };
    assert_eq!(peer.request(request), []);
    assert!(matches!(&peer.events[..], [Event::Acked(_)]));
}

#[test]
fn a_request_with_a_nonce_that_is_not_current_gets_no_response() {
    let mut peer = Peer::with([&[], &[], &[], &[("r", "R"), ("s", "S")]]);
    peer.ask(RDS, &["r"]);
    let late = peer.message(RDS, &["r", "s"]);
    peer.offer([&[], &[], &[], &[("r", "R2"), ("s", "S")]]);
    assert_eq!(peer.request(late), []);
    assert_eq!(peer.events, [Event::Stale(RDS)]);
    assert_eq!(peer.ask(RDS, &["r", "s"]), [bodies(RDS, &["S"])], "it says it again with the newest nonce");
}

#[test]
fn names_added_without_a_nonce_before_the_first_answer_arrived_are_answered() {
    let mut peer = Peer::with([&[], &[], &[], &[("r", "R"), ("s", "S")]]);
    peer.ask(RDS, &["r"]);
    let early = DiscoveryRequest { response_nonce: String::new(), ..peer.message(RDS, &["r", "s"]) };
    assert_eq!(peer.request(early), [bodies(RDS, &["S"])]);
}

#[test]
fn added_names_are_answered_and_only_those() {
    let mut peer = Peer::with([&[], &[("x", "X"), ("y", "Y")], &[], &[]]);
    assert_eq!(peer.ask(EDS, &["x"]), [bodies(EDS, &["X"])]);
    assert_eq!(peer.ask(EDS, &["x", "y"]), [bodies(EDS, &["Y"])]);
}

#[test]
fn only_removals_get_no_response() {
    let mut peer = Peer::with([&[], &[("x", "X"), ("y", "Y")], &[], &[]]);
    peer.ask(EDS, &["x", "y"]);
    assert_eq!(peer.ask(EDS, &["y"]), []);
    assert_eq!(peer.ask(EDS, &[]), []);
    assert_eq!(peer.offer([&[], &[("x", "X2"), ("y", "Y2")], &[], &[]]), []);
}

#[test]
fn a_name_given_up_and_asked_for_again_is_resent_though_unchanged() {
    let mut peer = Peer::with([&[], &[("x", "X"), ("y", "Y")], &[], &[]]);
    peer.ask(EDS, &["x", "y"]);
    peer.ask(EDS, &["y"]);
    assert_eq!(peer.ask(EDS, &["x", "y"]), [bodies(EDS, &["X"])]);
}

#[test]
fn a_requested_but_missing_resource_is_remembered_and_pushed_when_it_appears() {
    let mut peer = Peer::with([&[], &[], &[], &[]]);
    assert_eq!(peer.ask(RDS, &["r"]), []);
    assert_eq!(peer.offer([&[], &[], &[], &[("r", "R"), ("other", "O")]]), [bodies(RDS, &["R"])]);
}

#[test]
fn lds_and_cds_are_complete_so_that_absence_deletes() {
    let mut peer = Peer::with([&[("a", "static A"), ("b", "static B")], &[], &[], &[]]);
    peer.ask(CDS, &[]);
    assert_eq!(
        peer.offer([&[("a", "static A"), ("b", "static B2")], &[], &[], &[]]),
        [bodies(CDS, &["static A", "static B2"])]
    );
    assert_eq!(peer.offer([&[("a", "static A")], &[], &[], &[]]), [bodies(CDS, &["static A"])]);
    assert_eq!(peer.offer([&[], &[], &[], &[]]), [bodies(CDS, &[])]);
}

#[test]
fn absence_from_eds_and_rds_says_nothing() {
    let mut peer = Peer::with([&[], &[("x", "X")], &[], &[("r", "R")]]);
    peer.ask(EDS, &["x"]);
    peer.ask(RDS, &["r"]);
    assert_eq!(peer.offer([&[], &[], &[], &[]]), []);
    assert_eq!(
        peer.offer([&[], &[("x", "X")], &[], &[("r", "R")]]),
        [bodies(EDS, &["X"]), bodies(RDS, &["R"])],
        "what comes back is new"
    );
}

#[test]
fn grpc_clients_ask_lds_and_cds_by_name_and_get_no_other() {
    let mut peer =
        Peer::with([&[("c", "static C"), ("d", "static D")], &[], &[("l:80", "L"), ("m", "M")], &[]]);
    assert_eq!(peer.ask(LDS, &["l:80"]), [bodies(LDS, &["L"])]);
    assert_eq!(peer.ask(CDS, &["c"]), [bodies(CDS, &["static C"])]);
    assert_eq!(
        peer.ask(CDS, &["c", "d"]),
        [bodies(CDS, &["static C", "static D"])],
        "complete, not only the new"
    );
    assert_eq!(
        peer.offer([&[("c", "static C"), ("d", "static D")], &[], &[("l:80", "L"), ("m", "M2")], &[]]),
        []
    );
    assert_eq!(peer.ask(LDS, &["nowhere"]), [bodies(LDS, &[])], "which says that it does not exist");
}

#[test]
fn what_a_client_gave_up_is_nothing_to_it_when_it_goes_away() {
    let mut peer = Peer::with([&[("c", "static C"), ("d", "static D")], &[], &[], &[]]);
    peer.ask(CDS, &["c", "d"]);
    assert_eq!(peer.ask(CDS, &["c"]), []);
    assert_eq!(peer.offer([&[("c", "static C")], &[], &[], &[]]), []);
}

#[test]
fn a_push_is_ordered_and_what_did_not_change_is_not_sent() {
    let mut peer = Peer::with([&[("c", "static")], &[("x", "X")], &[("l", "L")], &[("r", "R")]]);
    for (kind, names) in [(RDS, &["r"][..]), (LDS, &[]), (EDS, &["x"]), (CDS, &[])] {
        peer.ask(kind, names);
    }
    let kinds = |seen: Vec<Seen>| seen.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    let all = peer.offer([&[("c", "static2")], &[("x", "X2")], &[("l", "L2")], &[("r", "R2")]]);
    assert_eq!(kinds(all), [CDS, EDS, LDS, RDS]);
    let one = peer.offer([&[("c", "static2")], &[("x", "X2")], &[("l", "L2")], &[("r", "R3")]]);
    assert_eq!(kinds(one), [RDS]);
    let none = peer.offer([&[("c", "static2")], &[("x", "X2")], &[("l", "L2")], &[("r", "R3")]]);
    assert_eq!(kinds(none), []);
}

#[test]
fn a_changed_cluster_has_its_endpoints_sent_again_though_they_are_the_same() {
    let endpoints: &[Entry] = &[("e/a", "EA"), ("e/b", "EB")];
    let mut peer = Peer::with([&[("a", "A"), ("b", "B")], endpoints, &[], &[]]);
    peer.ask(CDS, &[]);
    peer.ask(EDS, &["e/a", "e/b"]);
    assert_eq!(
        peer.offer([&[("a", "A2"), ("b", "B")], endpoints, &[], &[]]),
        [bodies(CDS, &["A2", "B"]), bodies(EDS, &["EA"])]
    );
}

#[test]
fn endpoints_asked_for_before_the_clusters_are_acknowledged_are_answered() {
    let mut peer = Peer::with([&[("a", "A")], &[("e/a", "EA")], &[], &[]]);
    peer.ask(CDS, &[]);
    assert_eq!(peer.ask(EDS, &["e/a"]), [bodies(EDS, &["EA"])], "before the CDS ACK, as Envoy does");
    assert_eq!(peer.ask(CDS, &[]), [], "the ACK");
}

#[test]
fn a_cluster_goes_after_the_routes_that_used_it_were_replaced() {
    let mut peer = Peer::with([&[("old", "static old")], &[], &[], &[("r", "to old")]]);
    peer.ask(CDS, &[]);
    peer.ask(RDS, &["r"]);
    assert_eq!(
        peer.offer([&[("new", "static new")], &[], &[], &[("r", "to new")]]),
        [bodies(CDS, &["static new", "static old"]), bodies(RDS, &["to new"]), bodies(CDS, &["static new"]),]
    );
}

#[test]
fn a_reconnect_with_the_accepted_version_is_answered_in_full() {
    let mut first = Peer::with([&[("a", "A")], &[("e/a", "EA")], &[], &[]]);
    first.ask(CDS, &[]);
    let version = first.versions[&CDS].clone();
    let mut second = Peer::with([&[("a", "A")], &[("e/a", "EA")], &[], &[]]);
    let again = DiscoveryRequest { version_info: version.clone(), ..second.message(CDS, &[]) };
    assert_eq!(second.request(again), [bodies(CDS, &["A"])]);
    assert_eq!(second.versions[&CDS], version, "the version is the content's, not the stream's");
}

#[test]
fn kinds_that_are_not_served_get_no_answer_and_disturb_nothing() {
    let mut peer = Peer::with([&[("a", "A")], &[], &[], &[]]);
    let secret = DiscoveryRequest {
        type_url: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".into(),
        resource_names: vec!["default".into()],
        ..DiscoveryRequest::default()
    };
    assert_eq!(peer.request(secret), []);
    assert_eq!(peer.ask(CDS, &[]), [bodies(CDS, &["A"])]);
}

#[test]
fn nonces_of_two_streams_differ() {
    assert_ne!(Nonces::new(1).next(), Nonces::new(2).next());
}
