use super::*;
use base64::Engine as _;
use http::HeaderValue;
use mesh_core::node::NodeKind;
use proptest::prelude::*;
use std::sync::Arc;

fn reviews() -> Node {
    let mut node = Node::new(NodeKind::Sidecar, [127, 1, 0, 5].into(), "reviews-v2-0", "default");
    node.workload_name = "reviews-v2".into();
    node.labels = [("app", "reviews"), ("version", "v2")].map(|(k, v)| (k.into(), v.into())).into();
    node
}

#[test]
fn what_a_node_says_of_itself_is_what_its_peer_reads() {
    let exchange = Exchange::of(&reviews()).unwrap();
    assert_eq!(exchange.id(), "sidecar~127.1.0.5~reviews-v2-0.default~default.svc.cluster.local");
    let cache = PeerCache::new();
    let peer = cache.peer(exchange.metadata()).unwrap();
    assert_eq!(*peer, Peer::of(&reviews()));
    assert_eq!(peer.workload().canonical_service.as_ref(), "reviews");
    assert_eq!(peer.workload().canonical_revision.as_ref(), "v2");
    assert!(Arc::ptr_eq(&peer, &cache.peer(exchange.metadata()).unwrap()), "decoded once");
}

#[test]
fn metadata_with_fields_of_older_gateways_and_without_padding_is_read() {
    // Encoded by hand: strings, a number among the labels, an empty struct, no base64 padding.
    let wire = concat!(
        "ChcKDkFQUF9DT05UQUlORVJTEgUaA2EsYgoaCgpDTFVTVEVSX0lEEgwaCkt1YmVybmV0ZXMKGQoNSVNUSU9fVkVSU0",
        "lPThIIGgYxLjE2LjEKrgEKBkxBQkVMUxKjASqgAQodCgNhcHASFhoUaXN0aW8taW5ncmVzc2dhdGV3YXkKOQofc2Vy",
        "dmljZS5pc3Rpby5pby9jYW5vbmljYWwtbmFtZRIWGhRpc3Rpby1pbmdyZXNzZ2F0ZXdheQovCiNzZXJ2aWNlLmlzdG",
        "lvLmlvL2Nhbm9uaWNhbC1yZXZpc2lvbhIIGgZsYXRlc3QKEwoGd2VpZ2h0EgkRAAAAAAAA+D8KGwoJTkFNRVNQQUNF",
        "Eg4aDGlzdGlvLXN5c3RlbQoXChFQTEFURk9STV9NRVRBREFUQRICKgAKJwoNV09SS0xPQURfTkFNRRIWGhRpc3Rpby",
        "1pbmdyZXNzZ2F0ZXdheQ"
    );
    let peer = PeerCache::new().peer(&HeaderValue::from_static(wire)).unwrap();
    assert_eq!(peer.workload().name.as_ref(), "istio-ingressgateway");
    assert_eq!(peer.workload().namespace.as_ref(), "istio-system");
    assert_eq!(peer.workload().canonical_revision.as_ref(), "latest");
    assert_eq!(peer.workload().cluster.as_ref(), "Kubernetes");
    assert_eq!((peer.app(), peer.version()), ("istio-ingressgateway", ""));
}

#[test]
fn a_node_without_labels_gets_istios_fallbacks() {
    let peer = Peer::of(&Node::new(NodeKind::Router, [127, 1, 0, 100].into(), "gw", "istio-system"));
    let workload = peer.workload();
    assert_eq!((workload.name.as_ref(), workload.canonical_service.as_ref()), ("gw", "gw"));
    assert_eq!(workload.canonical_revision.as_ref(), "latest");
}

#[test]
fn a_flood_of_peers_does_not_grow_the_cache() {
    let cache = PeerCache::with_capacity(10);
    for n in 0..1000 {
        assert!(cache.peer(&HeaderValue::try_from(format!("no base64: {n}")).unwrap()).is_none());
    }
    assert!(cache.len() <= 10);
}

#[test]
fn a_name_that_is_too_long_is_cut_at_a_character() {
    let mut node = reviews();
    node.workload_name = "é".repeat(400);
    let peer = PeerCache::new().peer(Exchange::of(&node).unwrap().metadata()).unwrap();
    assert_eq!(peer.workload().name.len(), 252);
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let cache = PeerCache::new();
        let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let _ = cache.peer(&HeaderValue::try_from(text).unwrap());
        if let Ok(raw) = HeaderValue::from_bytes(&bytes) {
            let _ = cache.peer(&raw);
        }
    }

    #[test]
    fn any_metadata_reads_back(name in "[a-z0-9-]{1,60}", ns in "[a-z]{1,20}", app in "\\PC{0,40}", version in "[ -~]{0,20}") {
        let mut node = Node::new(NodeKind::Sidecar, [10, 0, 0, 1].into(), &name, &ns);
        node.labels = [("app".to_owned(), app), ("version".to_owned(), version)].into();
        let peer = PeerCache::new().peer(Exchange::of(&node).unwrap().metadata()).unwrap();
        prop_assert_eq!(&*peer, &Peer::of(&node));
    }
}
