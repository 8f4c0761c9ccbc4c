//! The mesh of the README: what a user does to its configuration shows in its traffic, and in its table.

mod live_table;

use mesh_tests::bookinfo::Bookinfo;
use mesh_tests::{http, until};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_split_is_what_callers_see() {
    let bookinfo = Bookinfo::start().await;
    let seen = bookinfo.versions(200).await;
    let share = |version: &str| seen.get(version).copied().unwrap_or(0);
    assert!((174..=186).contains(&share("v1")), "90% of 200 within 3 points: {seen:?}");
    assert_eq!(share("v1") + share("v2"), 200, "{seen:?}");
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_weight_is_in_force_at_once_and_no_request_fails() {
    let bookinfo = Bookinfo::start().await;
    let load = bookinfo.load();
    load.more(50).await;

    bookinfo.config.edit("reviews.yaml", "weight: 90", "weight: 0");
    bookinfo.config.edit("reviews.yaml", "weight: 10", "weight: 100");
    let edited = Instant::now();
    until("only v2 answers", || async { (bookinfo.versions(10).await.get("v2") == Some(&10)).then_some(()) })
        .await;
    println!("the edit was in force after at most {:?}", edited.elapsed());

    load.more(50).await;
    assert_eq!(load.stop().await, Vec::<String>::new());
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_for_one_user_holds_that_user_alone() {
    let bookinfo = Bookinfo::start().await;
    // Version 1 has no stars at all.
    bookinfo.config.edit("reviews.yaml", "weight: 90", "weight: 0");
    bookinfo.config.edit("reviews.yaml", "weight: 10", "weight: 100");
    until("only v2 answers", || async { (bookinfo.versions(10).await.get("v2") == Some(&10)).then_some(()) })
        .await;
    bookinfo.config.edit(
        "routing.yaml",
        "  - ratings\n  http:\n",
        "  - ratings
  http:
  - match:
    - headers:
        end-user:
          exact: jason
    fault:
      abort:
        httpStatus: 418
        percentage:
          value: 100
    route:
    - destination:
        host: ratings
        subset: v1
",
    );
    let ratings = |user: &'static str| {
        let gateway = bookinfo.gateway();
        async move {
            let headers = if user.is_empty() { vec![] } else { vec![("end-user", user)] };
            let response = http::get(gateway, "/api/v1/products/0/reviews", &headers).await.ok()?;
            let body: serde_json::Value = serde_json::from_slice(response.body()).ok()?;
            Some(body["reviews"][0]["rating"]["stars"].is_number())
        }
    };
    until("jason gets no stars", || async { (ratings("jason").await == Some(false)).then_some(()) }).await;
    assert_eq!(ratings("").await, Some(true), "others get them still");

    bookinfo.config.edit("routing.yaml", "abort:\n        httpStatus: 418", "delay:\n        fixedDelay: 2s");
    let waited = until("jason waits for the stars", || async {
        let from = Instant::now();
        (ratings("jason").await == Some(true)).then(|| from.elapsed())
    })
    .await;
    assert!(waited >= Duration::from_secs(2), "held back for {waited:?}");
    bookinfo.mesh.stop().await;
}

/// Denies every call of reviews.
const DENY_REVIEWS: &str = include_str!("config/deny-reviews.yaml");

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_rule_denies_until_it_is_lifted() {
    let bookinfo = Bookinfo::start().await;
    bookinfo.config.write("deny.yaml", DENY_REVIEWS);
    let status = || async {
        let response = http::get(bookinfo.gateway(), "/api/v1/products/0/reviews", &[]).await.ok()?;
        Some(response.status().as_u16())
    };
    until("reviews are denied", || async { (status().await? != 200).then_some(()) }).await;
    let details = http::get(bookinfo.gateway(), "/api/v1/products/0", &[]).await.expect("details");
    assert_eq!(details.status(), 200, "details are not denied");
    bookinfo.config.remove("deny.yaml");
    until("reviews are allowed again", || async { (status().await? == 200).then_some(()) }).await;
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_reported_with_its_line_and_the_last_good_one_stays_in_force() {
    let bookinfo = Bookinfo::start().await;
    let load = bookinfo.load();
    load.more(20).await;
    bookinfo.config.edit("reviews.yaml", "weight: 90", "wieght: 0");
    let findings = until("the mistake is reported", || async {
        let findings = bookinfo.control_plane("/debug/findings").await;
        findings.contains("wieght").then_some(findings)
    })
    .await;
    let findings: serde_json::Value = serde_json::from_str(&findings).expect("JSON");
    let error = findings
        .as_array()
        .and_then(|all| all.iter().find(|f| f["level"] == "error"))
        .unwrap_or_else(|| panic!("an error in {findings}"));
    assert!(error["file"].as_str().is_some_and(|f| f.ends_with("reviews.yaml")), "{error}");
    assert!(error["line"].as_u64().is_some_and(|line| line > 1), "{error}");
    assert!(error["help"].as_str().is_some_and(|h| h.contains("weight")), "{error}");

    load.more(100).await;
    assert_eq!(load.stop().await, Vec::<String>::new());
    let seen = bookinfo.versions(50).await;
    assert!(seen.get("v1").is_some_and(|n| *n > 40), "90/10 is still in force: {seen:?}");
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hop_inside_the_mesh_is_mutual_tls() {
    let bookinfo = Bookinfo::start().await;
    // Among thirty, some go to version 2, which calls ratings.
    bookinfo.versions(30).await;
    let mut seen = 0;
    for (member, admin) in bookinfo.mesh.admin_addrs() {
        let metrics = http::text(admin, "/stats/prometheus").await.expect("metrics");
        for line in metrics.lines().filter(|l| l.starts_with("istio_requests_total{")) {
            let from_gateway = line.contains("destination_app=\"productpage\"");
            let by_destination = line.contains("reporter=\"destination\"");
            if by_destination {
                seen += 1;
                assert!(
                    line.contains("connection_security_policy=\"mutual_tls\""),
                    "{}: {line}",
                    member.name
                );
                let principal = if from_gateway { "istio-ingressgateway" } else { "bookinfo-" };
                assert!(line.contains(&format!("/sa/{principal}")), "{}: {line}", member.name);
            }
        }
    }
    assert!(seen >= 3, "productpage, reviews and ratings or details were called");
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_certificate_is_refused_by_a_strict_workload() {
    let bookinfo = Bookinfo::start().await;
    let reviews = bookinfo.mesh.member("reviews-v1").expect("reviews-v1");
    let plain = http::get((reviews.ip, 9080).into(), "/reviews/0", &[]).await;
    assert!(plain.is_err(), "plain HTTP got through: {plain:?}");
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mesh_goes_on_without_its_control_plane_until_certificates_expire() {
    let mut bookinfo = Bookinfo::start().await;
    bookinfo.mesh.stop_control_plane().await;
    assert_eq!(bookinfo.versions(50).await.values().sum::<usize>(), 50);
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_with_a_trust_domain_of_its_own_works_and_its_identities_carry_it() {
    let bookinfo =
        Bookinfo::with_files(&[("mesh-config.yaml", include_str!("config/trust-domain.yaml"))]).await;
    // The rules of the sample name principals of cluster.local, which nobody is any more.
    for policy in ["productpage", "reviews"] {
        let rule = format!(
            "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{ name: {policy}-for-all, namespace: default }}
spec:
  selector: {{ matchLabels: {{ app: {policy} }} }}
  rules: [{{ from: [{{ source: {{ principals: [\"example.org/*\"] }} }}] }}]
"
        );
        bookinfo.config.write(&format!("{policy}-for-all.yaml"), &rule);
    }
    until("reviews answer", || async { bookinfo.version(&[]).await.ok() }).await;
    let (_, admin) = bookinfo.mesh.admin_addrs().remove(0);
    let certs = http::text(admin, "/certs").await.expect("certificates");
    assert!(certs.contains("spiffe://example.org/ns/"), "{certs}");
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permissive_workload_takes_plain_callers_beside_those_with_certificates() {
    let bookinfo = Bookinfo::start().await;
    let load = bookinfo.load();
    load.more(20).await;
    bookinfo.config.edit("security.yaml", "mode: STRICT", "mode: PERMISSIVE");
    let reviews = bookinfo.mesh.member("reviews-v1").expect("reviews-v1");
    let refused = until("plain HTTP is answered", || async {
        let answer = http::get((reviews.ip, 9080).into(), "/reviews/0", &[]).await.ok()?;
        Some((answer.status(), String::from_utf8_lossy(answer.body()).into_owned()))
    })
    .await;
    // A caller without a certificate is nobody, and the policy lets the product page alone in.
    assert_eq!(refused, (::http::StatusCode::FORBIDDEN, "RBAC: access denied".to_owned()));
    load.more(20).await;
    assert_eq!(load.stop().await, Vec::<String>::new(), "callers with certificates noticed nothing");
    bookinfo.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mutual_tls_the_metrics_say_so() {
    let bookinfo = Bookinfo::start().await;
    bookinfo.config.write(
        "security.yaml",
        "apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: DISABLE } }
",
    );
    let (_, admin) = bookinfo
        .mesh
        .admin_addrs()
        .into_iter()
        .find(|(member, _)| member.name == "reviews-v1")
        .expect("reviews-v1");
    until("requests arrive in plain text", || async {
        bookinfo.version(&[]).await.ok()?;
        let metrics = http::text(admin, "/stats/prometheus").await.ok()?;
        metrics.lines().find(|line| {
            line.starts_with("istio_requests_total{")
                && line.contains("reporter=\"destination\"")
                && line.contains("connection_security_policy=\"none\"")
                && line.contains("response_code=\"200\"")
        })?;
        Some(())
    })
    .await;
    bookinfo.mesh.stop().await;
}
