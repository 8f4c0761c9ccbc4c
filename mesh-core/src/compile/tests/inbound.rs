use super::*;
use crate::addr::Address;
use crate::model::cluster::Discovery;
use crate::model::http::{ForwardClientCert, HttpFilter};
use crate::model::listener::{Bind, Direction, FilterChain, Transport};
use crate::model::matcher::StringMatch;
use crate::model::rbac::RbacAction;
use crate::model::route::RetryCondition;
use crate::model::tls::{ClientAuth, SanMatch};

fn peer(namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: p, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

fn chains(compiled: &Compiled) -> Vec<Arc<FilterChain>> {
    listener(compiled, "127.1.0.2_9080").filter_chains.clone()
}

/// Transport, ALPN, whether mTLS ends here, whether it is HTTP.
fn shape(chain: &FilterChain) -> (Transport, Vec<&str>, bool, bool) {
    (
        chain.matches.transport.unwrap(),
        chain.matches.application_protocols.iter().map(String::as_str).collect(),
        chain.tls.is_some(),
        matches!(chain.filter, NetworkFilter::Http(_)),
    )
}

const MESH: [&str; 5] = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

#[test]
fn an_ingress_port_is_bound_and_sends_to_the_application() {
    let compiled = quiet(&bookinfo(&[SIDECAR]));
    let l = listener(&compiled, "127.1.0.2_9080");
    assert_eq!(l.bind, Bind::Socket("127.1.0.2:9080".parse().unwrap()));
    assert_eq!(l.direction, Direction::Inbound);
    let c = cluster(&compiled, "inbound|9080||");
    let Discovery::Static(endpoints) = &c.discovery else { panic!() };
    let address: Vec<_> = endpoints.iter().map(|e| e.address.to_string()).collect();
    assert_eq!(address, ["127.0.0.1:19080"]);
    assert_eq!(&*c.services[0].host, "reviews.default.svc.cluster.local");
    let http = manager(&l.filter_chains[0].filter).clone();
    let table = inline(&http);
    assert_eq!(&*table.name, "inbound|9080||");
    let host = &table.virtual_hosts[0];
    assert_eq!((&*host.name, host.domains.as_slice()), ("inbound|http|9080", &["*".to_owned()][..]));
    assert!(!host.include_attempt_count);
    let route = &host.routes[0];
    assert_eq!(
        (&*route.name, route.decorator.as_deref()),
        ("default", Some("reviews.default.svc.cluster.local:9080/*"))
    );
    let retry = forward(route).retry.as_ref().unwrap();
    assert_eq!(
        (retry.retries, retry.on.iter().collect::<Vec<_>>()),
        (2, vec![RetryCondition::ResetBeforeRequest])
    );
    assert_eq!(
        (http.client_cert, http.server_name.as_str()),
        (ForwardClientCert::AppendForward, "istio-envoy")
    );
    assert!(http.access_logs.is_empty());
}

#[test]
fn permissive_takes_mesh_mtls_and_plain_text_side_by_side() {
    let compiled = quiet(&bookinfo(&[SIDECAR]));
    let chains = chains(&compiled);
    assert_eq!(chains.len(), 2);
    assert_eq!(shape(&chains[0]), (Transport::Tls, MESH.to_vec(), true, true));
    assert_eq!(shape(&chains[1]), (Transport::Plain, vec![], false, true));
    assert!(listener(&compiled, "127.1.0.2_9080").tls_inspector);
    let tls = chains[0].tls.as_ref().unwrap();
    assert_eq!(
        (&*tls.certificate, tls.alpn.as_slice()),
        ("default", &["h2".to_owned(), "http/1.1".to_owned()][..])
    );
    let ClientAuth::Required(peer) = &tls.client else { panic!() };
    assert_eq!(&*peer.roots, "ROOTCA");
    let prefix = SanMatch::Uri(StringMatch::prefix("spiffe://cluster.local/"));
    assert_eq!(peer.subject_alt_names, [prefix]);
}

#[test]
fn strict_takes_mtls_alone_and_disable_plain_text_alone() {
    let strict = quiet(&bookinfo(&[SIDECAR, &peer("default", "{mtls: {mode: STRICT}}")]));
    let all: Vec<_> = chains(&strict);
    assert_eq!(all.iter().map(|c| shape(c)).collect::<Vec<_>>(), [(Transport::Tls, vec![], true, true)]);
    let disable = quiet(&bookinfo(&[SIDECAR, &peer("default", "{mtls: {mode: DISABLE}}")]));
    let all: Vec<_> = chains(&disable);
    assert_eq!(all.iter().map(|c| shape(c)).collect::<Vec<_>>(), [(Transport::Plain, vec![], false, true)]);
    assert!(!listener(&disable, "127.1.0.2_9080").tls_inspector);
}

#[test]
fn the_workload_stands_over_the_namespace_and_that_over_the_mesh() {
    let mode = |policies: &[&str]| {
        let compiled = quiet(&bookinfo(&[&[SIDECAR], policies].concat()));
        match chains(&compiled).iter().map(|c| c.tls.is_some()).collect::<Vec<_>>().as_slice() {
            [true] => "strict",
            [false] => "disable",
            _ => "permissive",
        }
    };
    let policy = |name: &str, namespace: &str, spec: &str| {
        peer(namespace, spec).replace("name: p,", &format!("name: {name},"))
    };
    let root = policy("root", "istio-system", "{mtls: {mode: STRICT}}");
    let ns_unset = policy("ns", "default", "{mtls: {mode: UNSET}}");
    let ns = policy("ns", "default", "{mtls: {mode: PERMISSIVE}}");
    let own = policy("own", "default", "{selector: {matchLabels: {app: reviews}}, mtls: {mode: DISABLE}}");
    let port = policy(
        "own",
        "default",
        "{selector: {matchLabels: {app: reviews}}, mtls: {mode: DISABLE}, portLevelMtls: {9080: {mode: STRICT}}}",
    );
    let other =
        policy("other", "default", "{selector: {matchLabels: {app: ratings}}, mtls: {mode: DISABLE}}");
    assert_eq!(mode(&[]), "permissive");
    assert_eq!(mode(&[&root]), "strict");
    assert_eq!(mode(&[&root, &ns_unset]), "strict");
    assert_eq!(mode(&[&root, &ns]), "permissive");
    assert_eq!(mode(&[&root, &ns, &own]), "disable");
    assert_eq!(mode(&[&root, &ns, &port]), "strict");
    assert_eq!(mode(&[&root, &other]), "strict");
}

#[test]
fn tcp_and_undeclared_ports_have_the_chains_of_istiod() {
    let sidecar = |protocol: &str| SIDECAR.replace("protocol: HTTP,", &format!("protocol: {protocol},"));
    let tcp = quiet(&bookinfo(&[&sidecar("TCP")]));
    let all = chains(&tcp);
    assert_eq!(
        all.iter().map(|c| shape(c)).collect::<Vec<_>>(),
        [
            (Transport::Tls, MESH.to_vec(), true, false),
            (Transport::Plain, vec![], false, false),
            (Transport::Tls, vec![], false, false),
        ]
    );
    assert_eq!(all[0].tls.as_ref().unwrap().alpn, ["istio"]);
    // A Kubernetes port with a name that says nothing.
    let world = world(&[r#"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: web, port: 80, targetPort: 8000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: reviews-v1, namespace: default, labels: {app: web}}
status: {podIP: 127.1.0.2, phase: Running, conditions: [{type: Ready, status: "True"}]}
"#]);
    let compiled = quiet(&world);
    let l = listener(&compiled, "virtualInbound");
    assert!(l.tls_inspector && l.http_inspector && l.original_destination);
    assert_eq!(l.bind, Bind::Unbound("0.0.0.0:15006".parse().unwrap()));
    assert_eq!(l.filter_chains.len(), 5);
    assert!(
        l.filter_chains
            .iter()
            .all(|c| &*c.name == "0.0.0.0_8000" && c.matches.destination_port == Some(8000))
    );
    assert!(compiled.snapshot.clusters.contains_key("inbound|8000||"));
}

#[test]
fn a_default_endpoint_may_be_a_socket_file_or_the_workload_itself() {
    let to = |endpoint: &str| {
        let text = SIDECAR.replace("127.0.0.1:19080", endpoint);
        let compiled = quiet(&bookinfo(&[&text]));
        match &cluster(&compiled, "inbound|9080||").discovery {
            Discovery::Static(e) => e.iter().next().unwrap().address.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(to("unix:///run/app.sock"), Address::Unix("/run/app.sock".into()));
    assert_eq!(to("0.0.0.0:7000").to_string(), "127.1.0.2:7000");
    let loops = SIDECAR.replace("127.0.0.1:19080", "0.0.0.0:9080");
    let compiled = compile(&bookinfo(&[&loops]), &reviews());
    assert_eq!(compiled.findings[0].path, "spec.ingress[0].defaultEndpoint");
    assert!(!compiled.snapshot.listeners.contains_key("127.1.0.2_9080"));
}

#[test]
fn denials_stand_before_permissions_in_every_chain() {
    let policy = |name: &str, action: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: default}}\nspec: {{action: {action}, rules: [{{from: [{{source: {{namespaces: [x]}}}}]}}]}}\n"
        )
    };
    let compiled = quiet(&bookinfo(&[SIDECAR, &policy("a", "ALLOW"), &policy("d", "DENY")]));
    for chain in chains(&compiled) {
        let actions: Vec<_> = manager(&chain.filter)
            .filters
            .iter()
            .filter_map(|f| match f {
                HttpFilter::Rbac(rbac) => Some(rbac.action),
                _ => None,
            })
            .collect();
        assert_eq!(actions, [RbacAction::Deny, RbacAction::Allow]);
        assert!(chain.rbac.is_empty());
    }
    let tcp = SIDECAR.replace("protocol: HTTP,", "protocol: TCP,");
    let compiled = quiet(&bookinfo(&[&tcp, &policy("a", "ALLOW"), &policy("d", "DENY")]));
    for chain in chains(&compiled) {
        let actions: Vec<_> = chain.rbac.iter().map(|r| r.action).collect();
        assert_eq!(actions, [RbacAction::Deny, RbacAction::Allow]);
    }
}

#[test]
fn access_logs_are_written_where_the_mesh_or_a_telemetry_says_so() {
    let mesh = |text: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    {text}\n"
        )
    };
    let telemetry = |namespace: &str, spec: &str| {
        format!(
            "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {{name: t, namespace: {namespace}}}\nspec: {{accessLogging: [{spec}]}}\n"
        )
    };
    // Which sides log: inbound, outbound.
    let sides = |texts: &[&str]| {
        let compiled = quiet(&bookinfo(&[&[SIDECAR], texts].concat()));
        let of = |name: &str| manager(&listener(&compiled, name).filter_chains[0].filter).access_logs.len();
        (of("127.1.0.2_9080"), of("127.1.0.2_15080"))
    };
    assert_eq!(sides(&[]), (0, 0));
    assert_eq!(sides(&[&mesh("accessLogFile: /dev/stdout")]), (1, 1));
    assert_eq!(sides(&[&telemetry("istio-system", "{providers: [{name: envoy}]}")]), (1, 1));
    assert_eq!(sides(&[&telemetry("default", "{match: {mode: SERVER}}")]), (1, 0));
    assert_eq!(
        sides(&[&mesh("accessLogFile: /dev/stdout"), &telemetry("default", "{disabled: true}")]),
        (0, 0)
    );
    let json = bookinfo(&[
        SIDECAR,
        &mesh(
            "{accessLogFile: /tmp/log, accessLogEncoding: JSON, accessLogFormat: '{\"a\": \"%REQ(:PATH)%\"}'}",
        ),
    ]);
    let compiled = quiet(&json);
    let logs = &manager(&listener(&compiled, "127.1.0.2_9080").filter_chains[0].filter).access_logs;
    let want = crate::model::access_log::LogFormat::Json(vec![("a".into(), "%REQ(:PATH)%".into())]);
    assert_eq!((&*logs[0].path, &logs[0].format), ("/tmp/log", &want));
}
