use super::*;
use crate::model::cluster::{Balance, ClusterTransport, UpstreamProtocol};
use crate::model::http::HttpFilter;
use crate::model::listener::Bind;

fn client() -> Node {
    Node {
        generator: Some("grpc".to_owned()),
        ..Node::new(NodeKind::Sidecar, [127, 1, 0, 8].into(), "client", "default")
    }
}

#[test]
fn every_name_that_a_client_may_dial_is_a_listener() {
    let compiled = compile(&bookinfo(&[SUBSETS]), &client());
    assert!(compiled.findings.is_empty(), "{:?}", messages(&compiled));
    let routes = "outbound|9080||reviews.default.svc.cluster.local";
    for name in [
        "reviews:9080",
        "reviews.default:9080",
        "reviews.default.svc:9080",
        "reviews.default.svc.cluster.local:9080",
    ] {
        let l = listener(&compiled, name);
        assert_eq!(l.bind, Bind::Api, "{name}");
        let http = manager(&l.filter_chains[0].filter);
        assert_eq!(http.routes, RouteSource::Named(routes.into()));
        assert_eq!(http.filters, [HttpFilter::Fault]);
    }
    let table = table(&compiled, routes);
    assert_eq!(send(table, "reviews.default:9080", "/x.Y/Z", &[]), routes);
    assert_eq!(send(table, "other:9080", "/x.Y/Z", &[]), "nowhere");
}

#[test]
fn clusters_are_what_every_client_takes() {
    let rule = |policy: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: ratings, namespace: default}}\nspec: {{host: ratings, trafficPolicy: {policy}}}\n"
        )
    };
    let of = |texts: &[&str]| {
        cluster(&compile(&bookinfo(texts), &client()), "outbound|9080||ratings.default.svc.cluster.local")
            .clone()
    };
    let plain = of(&[]);
    assert_eq!((plain.balance, &plain.transport), (Balance::RoundRobin, &ClusterTransport::Plain));
    assert_eq!(plain.http.protocol, UpstreamProtocol::Http2);
    let ring = of(&[&rule("{loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {}}}}")]);
    assert_eq!(ring.balance, Balance::RingHash { minimum_size: 1024 });
    let mutual = of(&[&rule("{tls: {mode: ISTIO_MUTUAL}}")]);
    assert!(matches!(mutual.transport, ClusterTransport::Tls(_)));
}

#[test]
fn rules_of_a_virtual_service_hold_for_clients_too() {
    let vs = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: r, namespace: default}\nspec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v2}}]}]}";
    let compiled = compile(&bookinfo(&[SUBSETS, vs]), &client());
    let table = table(&compiled, "outbound|9080||reviews.default.svc.cluster.local");
    assert_eq!(
        send(table, "reviews:9080", "/x.Y/Z", &[]),
        "outbound|9080|v2|reviews.default.svc.cluster.local"
    );
}
