//! h2load through the gateway and a sidecar: every request of a load succeeds, on both versions of HTTP.

use mesh_tests::assembled::Echo;
use mesh_tests::peer::run;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_load_succeeds() {
    let echo = Echo::start().await;
    let url = format!("http://{}/", echo.addr);
    for args in [&["--h1", "-c", "16"][..], &["-c", "8", "-m", "16"][..]] {
        let (ok, out, error) = run(Command::new("h2load").args(["-n", "4000"]).args(args).arg(&url)).await;
        assert!(ok, "h2load {args:?}: {error}");
        assert!(
            out.contains(
                "4000 total, 4000 started, 4000 done, 4000 succeeded, 0 failed, 0 errored, 0 timeout"
            ),
            "h2load {args:?}: {out}"
        );
        assert!(out.contains("status codes: 4000 2xx"), "h2load {args:?}: {out}");
        println!("{}", out.lines().find(|l| l.starts_with("finished")).unwrap_or_default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_under_load() {
    let echo = Echo::start().await;
    let url = format!("http://{}/bytes/10485760", echo.addr);
    for args in [&["--h1", "-c", "4"][..], &["-c", "2", "-m", "4"][..]] {
        let (ok, out, error) = run(Command::new("h2load").args(["-n", "20"]).args(args).arg(&url)).await;
        assert!(ok, "h2load {args:?}: {error}");
        assert!(out.contains("20 succeeded, 0 failed, 0 errored, 0 timeout"), "h2load {args:?}: {out}");
    }
}
