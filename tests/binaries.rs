//! The example binaries as a platform engineer uses them: flags, exit codes, signals, and a mesh of processes.
#![allow(clippy::expect_used, reason = "a broken test must fail")]

use mesh_tests::assembled::{Assembled, Echo, Workload};
use mesh_tests::binary::binary;
use mesh_tests::bookinfo::Bookinfo;
use mesh_tests::loopback::Folder;
use mesh_tests::peer::run;
use mesh_tests::{http, until};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

async fn exit_code(name: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(binary(name).await).args(args).output().await.expect("start a binary");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn every_binary_explains_itself_and_refuses_bad_usage_with_exit_code_2() {
    for name in ["axum-service", "bookinfo", "control-plane", "proxy", "meshctl", "embedded-client"] {
        let (code, out, _) = exit_code(name, &["--help"]).await;
        assert_eq!(code, Some(0), "{name} --help");
        assert!(out.contains("Usage:") && out.contains("--log-format"), "{name} --help: {out}");
        let (code, out, _) = exit_code(name, &["--version"]).await;
        assert_eq!((code, out.trim().starts_with(name)), (Some(0), true), "{name} --version: {out}");
        let (code, _, error) = exit_code(name, &["--no-such-flag"]).await;
        assert_eq!(code, Some(2), "{name} --no-such-flag: {error}");
    }
    let (code, _, error) = exit_code("proxy", &["sidecar", "--namespace", "x"]).await;
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("--control-plane"), "it says what is missing: {error}");
}

#[tokio::test]
async fn validate_exits_0_on_good_files_and_1_with_file_line_and_column_on_bad_ones() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/bookinfo/config");
    let (code, out, error) = exit_code("meshctl", &["validate", "-R", config]).await;
    assert_eq!(code, Some(0), "{out}{error}");

    let folder = Folder::empty();
    folder.write(
        "bad.yaml",
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews]
  http:
    - route:
        - destination:
            host: reviews
          wieght: 90
",
    );
    let bad = folder.file("bad.yaml");
    let bad = bad.to_string_lossy();
    let (code, out, error) = exit_code("meshctl", &["validate", &bad]).await;
    assert_eq!(code, Some(1), "{out}{error}");
    let said = format!("{out}{error}");
    for part in ["error[", "bad.yaml:11:11", "wieght", "weight"] {
        assert!(said.contains(part), "{part:?} in:\n{said}");
    }

    assert!(said.contains("1 resource checked: 1 error"), "what is refused was checked: {said}");

    let (code, out, _) = exit_code("meshctl", &["validate", "--output", "json", &bad]).await;
    assert_eq!(code, Some(1));
    let findings: serde_json::Value = serde_json::from_str(&out).expect("JSON on standard output");
    assert_eq!((&findings[0]["line"], &findings[0]["column"]), (&11.into(), &11.into()), "{findings}");

    let (code, _, error) = exit_code("meshctl", &["validate", "/no/such/file.yaml"]).await;
    assert_eq!(code, Some(1), "a file that cannot be read is a finding: {error}");
    let (code, _, _) = exit_code("meshctl", &["validate"]).await;
    assert_eq!(code, Some(2));

    let service = |name: &str, port: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n---\n"
        )
    };
    folder.write("bad.yaml", &(service("a", "1") + &service("b", "x") + "kind: X\n---\nkind: X\n"));
    let (_, _, error) = exit_code("meshctl", &["validate", &bad]).await;
    assert!(error.contains("4 resources checked: 3 errors"), "with a name or without: {error}");
}

#[tokio::test]
async fn a_patch_that_envoy_could_not_read_is_refused_and_what_only_a_newer_one_may_know_is_warned_of() {
    let folder = Folder::empty();
    let patch = |value: &str| {
        format!(
            "apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: slow
spec:
  configPatches:
    - applyTo: CLUSTER
      patch:
        operation: MERGE
        value:
          {value}
"
        )
    };
    folder.write("slow.yaml", &patch("connect_timeout: 5"));
    let path = folder.file("slow.yaml").display().to_string();
    for command in ["validate", "analyze"] {
        let (code, _, error) = exit_code("meshctl", &[command, &path]).await;
        assert_eq!(code, Some(1), "{error}");
        for part in ["error[IST0106]", "patch.value.connect_timeout", "slow.yaml:11:28", "5s for seconds"] {
            assert!(error.contains(part), "{command}: {part:?} in:\n{error}");
        }
    }
    folder.write("slow.yaml", &patch("connectTimout: 5s"));
    let (code, _, error) = exit_code("meshctl", &["validate", &path]).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(
        error.contains("warning[IST0133]") && error.contains("did you mean `connectTimeout`?"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_that_is_not_there_or_empty_is_a_mistake_at_start() {
    let folder = Folder::empty();
    folder.write("empty.token", "\n");
    let empty = folder.file("empty.token").display().to_string();
    let url = "http://127.0.0.1:1";
    let identity = ["--namespace", "default", "--name", "a", "--service-account", "a", "--ip", "127.0.0.1"];
    let sidecar = [&["sidecar", "--control-plane", url][..], &identity].concat();
    for (name, args) in [("embedded-client", vec!["--control-plane", url]), ("proxy", sidecar)] {
        let with = |token| [&args[..], &["--token", token]].concat();
        let (code, _, error) = exit_code(name, &with("/no/such.token")).await;
        assert_eq!(code, Some(1), "{name}: {error}");
        assert!(error.contains("cannot read the token /no/such.token"), "{name}: {error}");
        let (code, _, error) = exit_code(name, &with(&empty)).await;
        assert_eq!(code, Some(1), "{name}: {error}");
        assert!(error.contains("empty.token is empty"), "{name}: {error}");
    }
}

#[tokio::test]
async fn analyze_tells_what_does_not_fit_together_and_fails_from_the_threshold_on() {
    let folder = Folder::empty();
    folder.write(
        "routes.yaml",
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  gateways: [edge]
  hosts: [b.example.com]
  http: [{directResponse: {status: 200}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example.com]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: reviews}
spec: {minAvailable: 1}
",
    );
    let path = folder.path().to_string_lossy().into_owned();
    let (code, _, error) = exit_code("meshctl", &["validate", &path]).await;
    assert_eq!(code, Some(0), "each by itself is right: {error}");
    assert!(!error.contains("IST0132"), "{error}");

    let (code, _, error) = exit_code("meshctl", &["analyze", &path]).await;
    assert_eq!(code, Some(0), "a warning is below the threshold: {error}");
    for part in ["warning[IST0132]", "routes.yaml:5:14", "info[MESH0004]", "0 errors, 1 warning, 1 note"] {
        assert!(error.contains(part), "{part:?} in:\n{error}");
    }
    assert!(!error.contains('\x1b'), "no colours but on a terminal: {error:?}");
    let (code, ..) = exit_code("meshctl", &["analyze", "--failure-threshold", "warning", &path]).await;
    assert_eq!(code, Some(1));

    let silence = ["analyze", "--failure-threshold", "warning", "-S", "IST0132=VirtualService *.shop", &path];
    let (code, _, error) = exit_code("meshctl", &silence).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("(1 suppressed)"), "{error}");
    let (code, out, _) =
        exit_code("meshctl", &["analyze", "--output", "json", "-S", "MESH0004=*", &path]).await;
    let findings: serde_json::Value = serde_json::from_str(&out).expect("JSON on standard output");
    assert_eq!((code, findings.as_array().map(Vec::len)), (Some(0), Some(1)), "{findings}");
    assert_eq!(findings[0]["resource"]["namespace"], "shop", "{findings}");
    let (_, out, _) = exit_code("meshctl", &["analyze", "--output", "sarif", &path]).await;
    let sarif: serde_json::Value = serde_json::from_str(&out).expect("SARIF on standard output");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&sarif["version"], &result["ruleId"]), (&"2.1.0".into(), &"IST0132".into()), "{sarif}");
    let related = &result["relatedLocations"][0];
    assert_eq!(related["message"]["text"], "the gateway's hosts", "{sarif}");
    assert_eq!(findings[0]["related"][0]["line"], related["physicalLocation"]["region"]["startLine"]);
    let (code, _, error) = exit_code("meshctl", &["analyze", "-S", "IST0132", &path]).await;
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("CODE=RESOURCE"), "it says how one is written: {error}");
    let (_, _, error) = exit_code("meshctl", &["analyze", "--color", "always", &path]).await;
    assert!(error.contains('\x1b'), "{error:?}");
}

#[tokio::test]
async fn a_dash_is_standard_input() {
    let service = "apiVersion: v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 8080, name: web}]}
";
    for (args, code) in [(&["analyze", "-"][..], 0), (&["analyze", "-", "/no/such/file.yaml"], 1)] {
        let mut meshctl = Command::new(binary("meshctl").await);
        meshctl.args(args).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = meshctl.spawn().expect("start meshctl");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(service.as_bytes()).await.expect("write to it");
        drop(input);
        let output = child.wait_with_output().await.expect("its end");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains("info[IST0118]") && error.contains("stdin:4:"), "{error}");
    }
}

#[tokio::test]
async fn schema_prints_the_schema_of_a_kind_by_any_of_its_names() {
    let (code, list, _) = exit_code("meshctl", &["schema"]).await;
    assert_eq!(code, Some(0));
    assert!(list.contains("VirtualService") && list.contains("TrafficExtension"), "{list}");
    let (code, by_name, _) = exit_code("meshctl", &["schema", "VirtualService"]).await;
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&by_name).expect("a JSON Schema");
    assert_eq!(schema["properties"]["kind"]["const"], "VirtualService", "{schema}");
    for name in ["vs", "VIRTUALSERVICES", "virtualservice.networking.istio.io"] {
        let (code, out, _) = exit_code("meshctl", &["schema", name]).await;
        assert_eq!((code, out == by_name), (Some(0), true), "{name}");
    }
    let (code, _, error) = exit_code("meshctl", &["schema", "virtalservice"]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("did you mean `VirtualService`?"), "{error}");
}

#[tokio::test]
async fn a_token_needs_a_control_planes_state() {
    let empty = Folder::empty();
    let dir = empty.path().to_string_lossy().into_owned();
    let args = ["token", "--state", &dir, "--namespace", "default", "--service-account", "a"];
    let (code, _, error) = exit_code("meshctl", &args).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("control-plane --state"), "it says what to do: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_of_processes_carries_a_request_over_mutual_tls() {
    let echo = Echo::start().await;
    let page = http::text(echo.addr, "/hello").await.expect("an answer");
    assert!(page.starts_with("echo GET /hello"), "{page}");
    assert!(page.contains("x-forwarded-client-cert: "), "the application is told who calls: {page}");
    assert!(page.contains("spiffe://cluster.local/ns/default/sa/gateway"), "{page}");

    for path in ["/ready", "/config_dump", "/clusters", "/stats", "/stats/prometheus", "/certs", "/logging"] {
        for proxy in [&echo.gateway, &echo.sidecar] {
            let page = http::text(proxy.admin, path).await.expect("an admin page");
            assert!(!page.is_empty(), "{path}");
        }
    }
    let dump: serde_json::Value =
        serde_json::from_str(&http::text(echo.gateway.admin, "/config_dump").await.expect("a dump"))
            .expect("JSON");
    let kinds: Vec<_> =
        dump["configs"].as_array().into_iter().flatten().filter_map(|c| c["@type"].as_str()).collect();
    for kind in ["ListenersConfigDump", "ClustersConfigDump", "RoutesConfigDump"] {
        assert!(kinds.iter().any(|k| k.ends_with(kind)), "{kind} in {kinds:?}");
    }
    let certs: serde_json::Value =
        serde_json::from_str(&http::text(echo.sidecar.admin, "/certs").await.expect("certificates"))
            .expect("JSON");
    let uri = &certs["certificates"][0]["cert_chain"][0]["subject_alt_names"][0]["uri"];
    assert_eq!(uri, "spiffe://cluster.local/ns/default/sa/echo", "{certs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_with_the_token_of_another_account_gets_neither_configuration_nor_an_identity() {
    let config = include_str!("config/echo.yaml").replace("UPSTREAM", "1");
    let mesh = Assembled::start(&config).await;
    let token = mesh.token("default", "somebody-else").await;
    let workload = Workload {
        kind: "sidecar",
        name: "echo-v1",
        namespace: "default",
        service_account: "echo",
        labels: "app=echo,version=v1",
        at: 1,
    };
    let proxy = mesh.start_proxy(workload, token).await;
    until("both refusals are in its log", || async {
        let log = proxy.peer.log().await;
        (log.contains("the token proves default/somebody-else")
            && log.contains("its certificate is not used"))
        .then_some(())
    })
    .await;
    assert!(http::text(proxy.admin, "/ready").await.is_err(), "it is not ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_endpoint_slices_and_pods_of_kubernetes_make_a_mesh_as_well() {
    let echo = Echo::of(include_str!("config/echo-kubernetes.yaml")).await;
    let page = http::text(echo.addr, "/hello").await.expect("an answer");
    assert!(page.contains("spiffe://cluster.local/ns/default/sa/gateway"), "over mutual TLS: {page}");
    let metrics = http::text(echo.sidecar.admin, "/stats/prometheus").await.expect("metrics");
    for label in [
        "reporter=\"destination\"",
        "destination_workload=\"echo-v1\"",
        "destination_service=\"echo.default.svc.cluster.local\"",
        "connection_security_policy=\"mutual_tls\"",
    ] {
        assert!(metrics.contains(label), "{label} in:\n{metrics}");
    }
}

#[tokio::test]
async fn a_control_plane_without_a_folder_does_not_start() {
    let args = ["--config", "/no/such/folder", "--grpc", "127.0.0.1:0", "--grpc-tls", "127.0.0.1:0"];
    let (code, _, error) = exit_code("control-plane", &args).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("/no/such/folder is not a folder"), "{error}");
}

#[tokio::test]
async fn one_control_plane_at_a_time_uses_its_keys_and_says_where_it_listens_and_what_an_edit_changed() {
    let config = include_str!("config/echo.yaml").replace("UPSTREAM", "1");
    let mesh = Assembled::start(&config).await;
    let (folder, state) = (mesh.config.path().display().to_string(), mesh.state.path().display().to_string());
    let (code, _, error) = exit_code("control-plane", &["--config", &folder, "--state", &state]).await;
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains(&state) && error.contains("give --state another folder"), "{error}");

    mesh.config.write(
        "more.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: more}\nspec: {ports: [{port: 1}]}\n",
    );
    let log = until("the edit is in the log", || async {
        let log = mesh.control_plane.log().await;
        log.contains("the configuration has changed: Service default/more added").then_some(log)
    })
    .await;
    assert!(log.contains(&format!("grpc_tls={} ", mesh.net.addr(200, 15012))), "{log}");
}

#[tokio::test]
async fn the_control_plane_says_of_each_resource_whether_it_is_in_force_and_what_is_instead() {
    let route = |subset: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: echo-too, generation: 3}}\n\
             spec: {{hosts: [too.example.com], http: [{{{subset}}}]}}\n"
        )
    };
    let mesh = Assembled::start(&include_str!("config/echo.yaml").replace("UPSTREAM", "1")).await;
    let addr = mesh.net.addr(200, 15014);
    let told = |state: &'static str| async move {
        let page: serde_json::Value =
            serde_json::from_str(&http::text(addr, "/debug/statusz").await.ok()?).ok()?;
        let ours = page.as_array()?.iter().find(|s| s["metadata"]["name"] == "echo-too")?;
        (ours["state"] == state).then(|| ours.clone())
    };
    mesh.config.write("too.yaml", &route("route: [{destination: {host: a}}]"));
    let good = until("it is in force", || told("Accepted")).await;
    assert_eq!(good["status"]["conditions"][1]["status"], "True", "{good}");

    mesh.config.write("too.yaml", &route("rout: []"));
    let bad = until("the edit is refused", || told("LastGoodInForce")).await;
    assert_eq!((&bad["version"], &bad["metadata"]["generation"]), (&good["version"], &3.into()), "{bad}");
    assert_eq!(bad["source"]["line"], 1, "{bad}");
    assert_eq!(bad["status"]["validationMessages"][0]["type"]["code"], "IST0106", "{bad}");
    // What is in force is what was good, and says that it is not what is declared.
    let configz: serde_json::Value =
        serde_json::from_str(&http::text(addr, "/debug/configz").await.expect("configz")).expect("JSON");
    let entries = configz.as_array().into_iter().flatten();
    let ours: Vec<_> = entries.filter(|r| r["metadata"]["name"] == "echo-too").collect();
    assert_eq!(ours.len(), 1, "{configz}");
    assert_eq!(ours[0]["status"]["conditions"][1]["reason"], "Invalid", "{configz}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_shows_what_each_proxy_has() {
    let echo = Echo::start().await;
    let addr = echo.mesh.net.addr(200, 15014);
    let synced = until("both proxies are in sync", || async {
        let page: serde_json::Value =
            serde_json::from_str(&http::text(addr, "/debug/syncz").await.ok()?).ok()?;
        let all = page.as_array()?;
        let in_sync =
            |p: &serde_json::Value| p["cluster_acked"].is_string() && p["cluster_acked"] == p["cluster_sent"];
        (all.len() == 2 && all.iter().all(in_sync)).then_some(page)
    })
    .await;
    assert!(synced.to_string().contains("echo-v1.default"), "{synced}");
    let configz = http::text(addr, "/debug/configz").await.expect("configz");
    assert!(configz.contains("VirtualService"), "{configz}");
    let metrics = http::text(addr, "/metrics").await.expect("metrics");
    for name in ["pilot_xds", "pilot_xds_pushes", "citadel_server_csr_count"] {
        assert!(metrics.contains(name), "{name} in:\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_told_to_stop_finishes_what_it_has_and_ends() {
    let mut echo = Echo::start().await;
    for how in ["signal", "quitquitquit"] {
        let proxy = if how == "signal" { &mut echo.gateway } else { &mut echo.sidecar };
        if how == "signal" {
            let (ok, _, error) =
                run(Command::new("kill").args(["-TERM", &proxy.peer.pid().to_string()])).await;
            assert!(ok, "{error}");
        } else {
            let request =
                ::http::Request::post("/quitquitquit").header("host", "admin").body(Default::default());
            let answer = http::send(proxy.admin, request.expect("a request")).await.expect("an answer");
            assert_eq!(answer.status(), 200);
        }
        let status = proxy.peer.ended().await;
        assert!(status.success(), "{how}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_joins_the_mesh_in_process() {
    let bookinfo = Bookinfo::start().await;
    let token = bookinfo
        .mesh
        .token(bookinfo.mesh.member("productpage-v1").expect("the product page"))
        .expect("a token");
    bookinfo.config.write("embedded.token", &token);
    let mut command = Command::new(binary("embedded-client").await);
    command.arg("--control-plane").arg(format!("http://{}", bookinfo.mesh.control_plane().grpc_addr()));
    command.arg("--token").arg(bookinfo.config.file("embedded.token")).args(["--calls", "20"]);
    let (ok, out, error) = run(&mut command).await;
    assert!(ok, "{error}");
    let answers: Vec<&str> = out.lines().collect();
    assert_eq!(answers.len(), 20, "{out}");
    assert!(
        answers.iter().all(|line| line.starts_with("200 OK {")),
        "strict mTLS and policy let it in: {out}"
    );
    let canary = answers.iter().filter(|line| line.contains("reviews-v2")).count();
    assert!((1..=3).contains(&canary), "90/10 holds in process, too: {out}");

    bookinfo.config.write("deny.yaml", include_str!("config/deny-reviews.yaml"));
    let edited = std::time::Instant::now();
    // Those that were on their way when the policy came may still be answered.
    let error = loop {
        let (ok, _, error) = run(&mut command).await;
        if !ok {
            break error;
        }
        assert!(edited.elapsed().as_secs() < 30, "every call is denied, and that is a failure");
    };
    assert!(error.contains("no call was answered with 200"), "{error}");
    bookinfo.mesh.stop().await;
}
