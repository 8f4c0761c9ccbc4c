//! curl through the gateway and a sidecar: both versions of HTTP, chunks, and large bodies in flat memory.

use mesh_tests::assembled::Echo;
use mesh_tests::peer::run;
use tokio::process::Command;

/// A large body: 100 MiB.
const LARGE: u64 = 100 * 1024 * 1024;

async fn curl(args: &[&str]) -> String {
    let (ok, out, error) =
        run(Command::new("curl").args(["-sS", "--fail", "--max-time", "120"]).args(args)).await;
    assert!(ok, "curl {args:?}: {error}");
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_speaks_http_1_and_http_2_to_the_gateway() {
    let echo = Echo::start().await;
    let url = format!("http://{}/hello?x=1", echo.addr);
    for (flag, version) in [("--http1.1", "1.1"), ("--http1.0", "1.0"), ("--http2-prior-knowledge", "2")] {
        let out = curl(&[flag, "-w", "\nversion=%{http_version}", &url]).await;
        assert!(out.contains("echo GET /hello?x=1"), "{flag}: {out}");
        let spoken = if version == "1.0" { "version=1" } else { &format!("version={version}") };
        assert!(out.contains(spoken), "{flag}: {out}");
        assert!(out.contains("x-request-id: "), "{flag}: {out}");
        assert!(out.contains("x-forwarded-proto: http"), "{flag}: {out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_sends_and_gets_chunks() {
    let echo = Echo::start().await;
    let url = format!("http://{}/echo", echo.addr);
    for flag in ["--http1.1", "--http2-prior-knowledge"] {
        let chunked = ["-H", "transfer-encoding: chunked"];
        let extra: &[&str] = if flag == "--http1.1" { &chunked } else { &[] };
        let out = curl(&[&[flag, "--data-binary", "some bytes"], extra, &[&url]].concat()).await;
        assert_eq!(out, "some bytes", "{flag}");
    }
    let empty = curl(&["-X", "POST", "-H", "transfer-encoding: chunked", "-d", "", &url]).await;
    assert_eq!(empty, "");
    let expect = curl(&["-H", "expect: 100-continue", "--data-binary", "after 100", &url]).await;
    assert_eq!(expect, "after 100");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_mebibytes_pass_both_ways_in_flat_memory() {
    let echo = Echo::start().await;
    let body = echo.mesh.state.path().join("large");
    std::fs::write(&body, vec![b'y'; usize::try_from(LARGE).expect("64 bits")]).expect("a large file");
    let before = (echo.gateway.peak_memory(), echo.sidecar.peak_memory());
    for flag in ["--http1.1", "--http2-prior-knowledge"] {
        let down = format!("http://{}/bytes/{LARGE}", echo.addr);
        let sizes = curl(&[flag, "-o", "/dev/null", "-w", "%{size_download}", &down]).await;
        assert_eq!(sizes, LARGE.to_string(), "{flag}: download");
        let up = format!("http://{}/echo", echo.addr);
        let body = body.to_string_lossy();
        let both = "%{size_upload} %{size_download}";
        let sizes = curl(&[flag, "-X", "POST", "-T", &body, "-o", "/dev/null", "-w", both, &up]).await;
        assert_eq!(sizes, format!("{LARGE} {LARGE}"), "{flag}: upload and download");
    }
    let after = (echo.gateway.peak_memory(), echo.sidecar.peak_memory());
    println!("peak memory in KiB, (gateway, sidecar): {before:?} before, {after:?} after 600 MiB");
    // A third of one body at the most: HTTP/2 windows, TLS buffers and what the allocator keeps of them.
    assert!(after.0 < before.0 + 32 * 1024 && after.1 < before.1 + 32 * 1024, "{before:?} → {after:?} KiB");
}
