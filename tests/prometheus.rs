//! promtool accepts what proxies and the control plane print.
#![allow(clippy::expect_used, reason = "a broken test must fail")]

use mesh_tests::bookinfo::Bookinfo;
use mesh_tests::http;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn promtool_accepts_every_page_of_metrics() {
    let bookinfo = Bookinfo::start().await;
    for _ in 0..20 {
        let page = http::get(bookinfo.gateway(), "/productpage", &[]).await.expect("the product page");
        assert_eq!(page.status(), 200);
    }
    let mut pages: Vec<(String, String)> = Vec::new();
    for (member, admin) in bookinfo.mesh.admin_addrs() {
        let page = http::text(admin, "/stats/prometheus").await.expect("metrics");
        // Version 3 of reviews has no share of the traffic.
        let called = member.name != "reviews-v3";
        assert_eq!(page.contains("istio_requests_total{"), called, "{}:\n{page}", member.name);
        pages.push((member.name.clone(), page));
    }
    pages.push(("the control plane".to_owned(), bookinfo.control_plane("/metrics").await));
    for (who, page) in pages {
        let refused = promtool(&page).await;
        assert!(refused.is_none(), "{who}: {}\n{page}", refused.unwrap_or_default());
    }
    bookinfo.mesh.stop().await;
}

#[tokio::test]
async fn promtool_would_notice_a_mistake() {
    assert!(promtool("# TYPE a counter\na{b=\"c} 1\n").await.is_some());
}

/// What promtool has to say against a page; `None` if nothing.
///
/// Its linter also has opinions on names (`istio_request_duration_milliseconds` should be in seconds,
/// `pilot_xds_pushes` should end in `_total`). Those names are Istio's, so these opinions do not count.
async fn promtool(page: &str) -> Option<String> {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(page.as_bytes()).await.expect("write to promtool");
    drop(stdin);
    let output = child.wait_with_output().await.expect("promtool");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let istios = |line: &&str| {
        let named = ["istio_", "pilot_", "citadel_", "envoy_"].iter().any(|prefix| line.starts_with(prefix));
        let opinion = ["use base unit", "\"_total\" suffix", "\"_count\" suffix"];
        named && opinion.iter().any(|opinion| line.contains(opinion))
    };
    let against: Vec<&str> = said.lines().filter(|line| !istios(line)).collect();
    // 3 is the linter's exit code; with nothing but opinions on Istio's and Envoy's names it is a pass.
    let passed = output.status.success() || (output.status.code() == Some(3) && against.is_empty());
    (!passed).then(|| format!("{}: {}", output.status, against.join("\n")))
}
