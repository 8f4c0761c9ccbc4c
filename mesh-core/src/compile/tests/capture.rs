use super::*;
use crate::compile::{compile, unsupported, unsupported_all};
use crate::diagnostic::{Color, Finding, Level, code, text};

const SERVED: &str = "apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {clusterIP: 10.0.0.1, selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8000}]}
";

/// Workloads of a shop: one per file, so that a line is a line of its file.
fn workload(name: &str, labels: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  namespace: shop
  name: {name}
spec: {{address: 127.1.0.7, labels: {{{labels}}}}}
"
    )
}

fn sidecar(spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: s, namespace: shop}}
spec:
{spec}"
    )
}

const MTLS: &str = "app: cart, security.istio.io/tlsMode: istio";

const INGRESS: &str = "  ingress:
  - {port: {number: 8000, name: http, protocol: HTTP}, bind: 127.1.0.7, captureMode: NONE, defaultEndpoint: '127.0.0.1:8000'}
";

const EGRESS: &str = "  egress:
  - {port: {number: 15001, name: p, protocol: HTTP_PROXY}, bind: 127.1.0.7, captureMode: NONE, hosts: ['./*']}
";

const REGISTRY_ONLY: &str = "  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
";

/// A World of files `0.yaml`, `1.yaml` and so on.
fn files(texts: &[&str]) -> World {
    let parsed: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| crate::yaml::resources(&format!("{i}.yaml"), text, &Default::default()))
        .collect();
    assert!(parsed.iter().all(|p| p.findings.is_empty()), "{:?}", parsed);
    World::from_resources(parsed.into_iter().flat_map(|p| p.outcomes).filter_map(|o| o.resource), "1")
}

/// The proxy of the shop's cart.
fn cart() -> Node {
    Node::new(NodeKind::Sidecar, [127, 1, 0, 7].into(), "cart", "shop")
}

type Told = (Level, String, u32, String);

/// Level, file, line and path; every finding is about something that is not honoured.
fn told(findings: &[Finding]) -> Vec<Told> {
    let one = |f: &Finding| {
        assert_eq!(f.code, code::NOT_HONOURED, "{f}");
        assert!(f.help.is_some(), "{f} leaves its reader alone");
        let line = f.span.map_or(0, |s| s.line);
        (f.level, f.file().unwrap_or_default().to_owned(), line, f.path.clone())
    };
    findings.iter().map(one).collect()
}

fn of_cart(texts: &[&str]) -> Vec<Told> {
    told(&compile(&files(texts), &cart()).findings)
}

fn of_files(texts: &[&str]) -> Vec<Told> {
    told(&crate::compile::unsupported_all(&files(texts)))
}

fn at(level: Level, file: &str, line: u32, path: &str) -> Told {
    (level, file.to_owned(), line, path.to_owned())
}

#[test]
fn a_workload_that_no_sidecar_selects_is_told_so_at_its_name() {
    let cart = workload("cart", MTLS);
    let other = sidecar(&format!("  workloadSelector: {{labels: {{app: other}}}}\n{INGRESS}{EGRESS}"));
    let want = [at(Level::Warning, "1.yaml", 5, "metadata.name")];
    assert_eq!(of_cart(&[SERVED, &cart]), want);
    assert_eq!(of_cart(&[SERVED, &cart, &other]), want, "another workload's Sidecar is no help");
    let pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: cart, namespace: shop}\nstatus: {podIP: 127.1.0.7}\n";
    assert_eq!(of_cart(&[SERVED, pod]), [at(Level::Warning, "1.yaml", 3, "metadata.name")]);
}

#[test]
fn a_proxy_that_nobody_declared_is_noted_by_its_name_as_it_has_no_place() {
    let compiled = compile(&files(&[]), &cart());
    assert_eq!(told(&compiled.findings), [at(Level::Info, "", 0, "")]);
    let shown = text(&compiled.findings, Color::Never);
    let (first, rest) = shown.split_once('\n').unwrap();
    assert_eq!(
        first,
        "info[MESH0007]: no Sidecar selects proxy cart.shop, and redirection of traffic is not supported by the \
         compiler yet: it takes no traffic"
    );
    let want = r#" |
 = help: unless a program embeds the mesh, which needs none, write
         apiVersion: networking.istio.io/v1
         kind: Sidecar
         metadata: {name: "cart", namespace: "shop"}
         spec:
           # for every workload of the namespace, as this one has no labels to select it by
           egress:
           - {port: {number: 15001, name: http-proxy, protocol: HTTP_PROXY}, bind: "127.1.0.7", captureMode: NONE, hosts: ['*/*']}
           outboundTrafficPolicy: {mode: REGISTRY_ONLY}

"#;
    assert_eq!(rest, want);
}

#[test]
fn the_sidecar_that_is_proposed_is_right_and_leaves_nothing_to_say() {
    let pod = |ip: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: cart, namespace: shop, labels: {{{MTLS}, pod-template-hash: x, controller-revision-hash: z}}}}\nstatus: {{podIP: '{ip}'}}\n"
        )
    };
    for ip in ["127.1.0.7", "127.0.0.1", "10.1.2.3", "fd00::7", ""] {
        let texts = [SERVED, &pod(ip)];
        let world = files(&texts);
        let [finding] = crate::analyze::findings(&world).try_into().unwrap();
        let help = finding.help.unwrap();
        let (_, proposed) = help.split_once('\n').unwrap();
        assert!(proposed.contains(r#"workloadSelector: {labels: {"app":"cart"}}"#), "{proposed}");
        let parsed = crate::yaml::resources("s.yaml", proposed, &Default::default());
        assert!(
            parsed.findings.is_empty() && parsed.outcomes.len() == 1,
            "{:?}\n{proposed}",
            parsed.findings
        );
        let refused: Vec<_> =
            parsed.outcomes.iter().flat_map(|o| &o.resource).flat_map(crate::validate::check).collect();
        assert!(refused.is_empty(), "{refused:?}\n{proposed}");
        let world = files(&[SERVED, &pod(ip), proposed]);
        assert_eq!(told(&crate::analyze::findings(&world)), [], "{ip:?}");
        let compiled = compile(&world, &cart());
        assert_eq!(messages(&compiled), Vec::<String>::new(), "{ip:?}");
        let listeners: Vec<_> = compiled.snapshot.listeners.keys().map(|n| n.to_string()).collect();
        // A Pod that runs nowhere yet is nobody's endpoint.
        assert_eq!(listeners.len(), if ip.is_empty() { 1 } else { 2 }, "one each way: {listeners:?}");
    }
}

#[test]
fn listeners_that_wait_for_redirection_are_told_one_by_one() {
    let mixed = sidecar(
        "  ingress:
  - {port: {number: 8000, name: http, protocol: HTTP}, defaultEndpoint: '127.0.0.1:8000'}
  egress:
  - {port: {number: 15001, name: p, protocol: HTTP}, bind: 127.1.0.7, captureMode: NONE, hosts: ['./*']}
  - {port: {number: 1, name: u, protocol: HTTP}, bind: 'unix:///run/p.sock', hosts: ['./*']}
  - captureMode: IPTABLES
    hosts: ['*/*']
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
",
    );
    let cart = workload("cart", MTLS);
    let want = [
        at(Level::Warning, "2.yaml", 6, "spec.ingress[0].captureMode"),
        at(Level::Warning, "2.yaml", 10, "spec.egress[2].captureMode"),
    ];
    assert_eq!(of_cart(&[SERVED, &cart, &mixed]), want);
    assert_eq!(of_files(&[SERVED, &cart, &mixed]), want, "once, though a workload has it");
    let world = files(&[&mixed]);
    let alone: Vec<_> = world.iter().flat_map(|r| unsupported(&world, r)).map(|f| f.path).collect();
    assert_eq!(alone, want.map(|w| w.3));
}

#[test]
fn a_side_that_a_sidecar_leaves_out_is_told_where_it_matters() {
    let cart = workload("cart", MTLS);
    let no_ingress = sidecar(&format!("{EGRESS}{REGISTRY_ONLY}"));
    let want = [at(Level::Warning, "1.yaml", 4, "spec.ingress")];
    assert_eq!(of_cart(&[&cart, &no_ingress, SERVED]), want);
    assert_eq!(of_files(&[&cart, &no_ingress, SERVED]), want);
    assert_eq!(of_cart(&[&cart, &no_ingress]), [], "nobody calls it");
    // The workload may call nobody, and who writes sockets knows of them.
    let no_egress = sidecar(INGRESS);
    let want = [at(Level::Info, "1.yaml", 4, "spec.egress")];
    assert_eq!(of_cart(&[&cart, &no_egress, SERVED]), want);
    assert_eq!(of_files(&[&cart, &no_egress, SERVED]), want);
    let nothing = sidecar(&format!("{INGRESS}  egress: [{{hosts: ['~/*']}}]\n"));
    assert_eq!(of_cart(&[&cart, &nothing]), [at(Level::Info, "1.yaml", 7, "spec.egress")]);
    let neither = sidecar(REGISTRY_ONLY);
    assert_eq!(of_cart(&[&cart, &neither]), [at(Level::Warning, "1.yaml", 4, "spec.egress")]);
}

#[test]
fn gateways_and_grpc_clients_and_complete_sidecars_hear_nothing() {
    let complete = sidecar(&format!("{INGRESS}{EGRESS}{REGISTRY_ONLY}"));
    let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: shop}\nspec: {selector: {app: cart}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}\n";
    let (cart_entry, world) = (workload("cart", MTLS), files);
    assert_eq!(of_cart(&[SERVED, &cart_entry, &complete]), []);
    assert_eq!(of_files(&[SERVED, &cart_entry, &complete]), []);
    assert_eq!(of_files(&[SERVED, &cart_entry, gateway]), [], "the labels are a gateway's");
    let router = Node { kind: NodeKind::Router, ..cart() };
    assert_eq!(told(&compile(&world(&[SERVED, &cart_entry, gateway]), &router).findings), []);
    let grpc = Node { generator: Some("grpc".to_owned()), ..cart() };
    let trimmed = sidecar("  egress: [{hosts: ['./*']}]\n");
    assert_eq!(told(&compile(&world(&[SERVED, &cart_entry, &trimmed]), &grpc).findings), []);
}

#[test]
fn workloads_without_a_sidecar_are_told_together_once_per_namespace() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let entries: Vec<String> = names.iter().map(|n| workload(n, MTLS)).collect();
    let bank = workload("vault", MTLS).replace("namespace: shop", "namespace: bank");
    let mut texts: Vec<&str> = entries.iter().map(String::as_str).collect();
    texts.push(&bank);
    let found = crate::analyze::findings(&files(&texts));
    let want =
        [at(Level::Warning, "0.yaml", 5, "metadata.name"), at(Level::Warning, "6.yaml", 5, "metadata.name")];
    assert_eq!(told(&found), want);
    let shop = &found[0].message;
    assert!(shop.ends_with("; nor does one select b, c, d and 2 more of the namespace"), "{shop}");
    assert!(found[1].message.ends_with("its proxy takes no traffic"), "{}", found[1].message);
}

const INJECT_FALSE: &str = ", annotations: {sidecar.istio.io/inject: 'false'}";

#[test]
fn only_workloads_that_are_said_to_have_a_proxy_miss_a_sidecar() {
    let pod = |labels: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop, labels: {{{labels}}}{more}}}\nstatus: {{podIP: 10.0.0.9}}\n"
        )
    };
    let namespace = |labels: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{labels}}}}}\n")
    };
    let enabled = namespace("istio-injection: enabled");
    let is_told = |texts: &[&str]| match of_files(texts).as_slice() {
        [] => false,
        [(Level::Warning, _, _, path)] if path == "metadata.name" => true,
        other => panic!("{other:?}"),
    };
    for (texts, want) in [
        // As Istio's samples are written: nobody says that there is a proxy.
        (vec![pod("app: p", "")], false),
        (vec![workload("w", "app: w")], false),
        (vec![workload("w", MTLS)], true),
        (vec![pod(MTLS, "")], true),
        (vec![pod("sidecar.istio.io/inject: 'true'", "")], true),
        (vec![pod("app: p", ""), enabled.clone()], true),
        (vec![pod("app: p", ""), namespace("istio.io/rev: canary")], true),
        (vec![pod("app: p", ""), namespace("istio-injection: disabled, istio.io/rev: canary")], false),
        (vec![pod("sidecar.istio.io/inject: 'false'", ""), enabled.clone()], false),
        (vec![pod("sidecar.istio.io/inject: 'yes'", ""), enabled.clone()], true),
        (vec![pod("sidecar.istio.io/inject: 'true'", ""), namespace("istio-injection: disabled")], false),
        (vec![pod("app: p", INJECT_FALSE), enabled.clone()], false),
        (vec![pod("sidecar.istio.io/inject: 'true'", INJECT_FALSE), enabled.clone()], true),
        // An annotation takes no Pod to an injector that does not see it.
        (vec![pod("app: p", ", annotations: {sidecar.istio.io/inject: 'true'}")], false),
        (vec![pod("istio.io/rev: canary", "")], true),
        (vec![workload("w", "app: w"), enabled.clone()], false),
        (
            vec![pod("app: p", "").replace("status:", "spec: {hostNetwork: true}\nstatus:"), enabled.clone()],
            false,
        ),
        (vec![pod("app: p", ", annotations: {inject.istio.io/templates: gateway}"), enabled.clone()], false),
        (vec![pod("gateway.networking.k8s.io/gateway-name: g", ""), enabled], false),
    ] {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(is_told(&texts), want, "{texts:#?}");
    }
}

#[test]
fn allow_any_that_is_written_for_a_socket_is_told_at_its_line() {
    let policy = |mode: &str| format!("  outboundTrafficPolicy:\n    mode: {mode}\n");
    let with = |egress: &str, policy: &str| of_files(&[&sidecar(&format!("{INGRESS}{egress}{policy}"))]);
    let line = |n| at(Level::Warning, "0.yaml", n, "spec.outboundTrafficPolicy.mode");
    assert_eq!(with(EGRESS, &policy("ALLOW_ANY")), [line(10)]);
    let http = EGRESS.replace("HTTP_PROXY", "HTTP");
    assert_eq!(with(&http, &policy("ALLOW_ANY")), [line(10)], "as for every table of hosts");
    let socket = EGRESS.replace("bind: 127.1.0.7, captureMode: NONE", "bind: 'unix:///run/p.sock'");
    assert_eq!(with(&socket, &policy("ALLOW_ANY")), [line(10)]);
    assert_eq!(with(EGRESS, &policy("ALLOW_ANY_DYNAMIC_DNS")), [line(10), line(10)], "nor is it resolved");
    assert_eq!(with(EGRESS, &policy("REGISTRY_ONLY")), []);
    let tcp = EGRESS.replace("HTTP_PROXY", "TCP");
    assert_eq!(with(&tcp, &policy("ALLOW_ANY")), [], "bytes go to one service");
    let proxied =
        policy("ALLOW_ANY") + "    egressProxy: {host: squid.shop.svc.cluster.local, port: {number: 3128}}\n";
    assert_eq!(with(EGRESS, &proxied), [], "the egress proxy takes them");
    // A redirected connection has an original destination, such as a proxy outside of the mesh.
    let redirected = EGRESS.replace("captureMode: NONE", "captureMode: IPTABLES");
    let paths: Vec<_> = with(&redirected, &policy("ALLOW_ANY")).into_iter().map(|t| t.3).collect();
    assert_eq!(paths, ["spec.egress[0].captureMode"]);
}

#[test]
fn allow_any_of_the_mesh_is_noted_once_per_sidecar_where_it_is_written() {
    let mesh = |mode: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    outboundTrafficPolicy: {{mode: {mode}}}\n"
        )
    };
    let second = "  - {port: {number: 15002, name: q, protocol: HTTP_PROXY}, bind: 127.1.0.7, captureMode: NONE, hosts: ['*/*']}\n";
    let twice = sidecar(&format!("{INGRESS}{EGRESS}{second}"));
    let want = [at(Level::Info, "0.yaml", 8, "spec.egress[0].port.protocol")];
    assert_eq!(of_files(&[&twice, &mesh("ALLOW_ANY")]), want);
    assert_eq!(of_cart(&[&twice, &mesh("ALLOW_ANY"), &workload("cart", MTLS)]), want);
    assert_eq!(of_files(&[&twice, &mesh("REGISTRY_ONLY")]), []);
    assert_eq!(
        of_files(&[&(twice.clone() + REGISTRY_ONLY), &mesh("ALLOW_ANY")]),
        [],
        "the Sidecar's own counts"
    );
    // Istio's default: nobody asked for it, so files are silent; who looks at the proxy's findings learns why.
    assert_eq!(of_files(&[&twice]), []);
    let compiled = compile(&files(&[&twice, &workload("cart", MTLS)]), &cart());
    assert_eq!(told(&compiled.findings), want);
    assert!(compiled.findings[0].message.starts_with("ALLOW_ANY, Istio's default, "));
    assert_eq!(send(table(&compiled, "15001"), "unknown.example.com", "/", &[]), "PassthroughCluster");
}

#[test]
fn nothing_is_noted_of_unknown_hosts_where_a_virtual_service_takes_them() {
    let all = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all, namespace: shop}\nspec: {hosts: ['*'], http: [{directResponse: {status: 204}}]}\n";
    assert_eq!(of_cart(&[&sidecar(&format!("{INGRESS}{EGRESS}")), all]), []);
}

#[test]
fn a_mesh_that_asks_for_no_redirection_by_its_config_is_told_to_ask_each_sidecar() {
    let mesh = |mode: &str| {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    defaultConfig:\n      interceptionMode: {mode}\n"
        );
        told(&unsupported_all(&files(&[&text])))
    };
    let want = [at(Level::Warning, "0.yaml", 7, "data.mesh.defaultConfig.interceptionMode")];
    assert_eq!(mesh("NONE"), want);
    assert_eq!(mesh("TPROXY"), want);
    assert_eq!(mesh("REDIRECT"), []);
}
