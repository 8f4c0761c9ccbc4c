//! The example binaries, built once per run by the cargo that runs the tests.

use std::collections::HashMap;
use std::path::PathBuf;
use tokio::process::Command;
use tokio::sync::Mutex;

const BINARIES: [&str; 6] =
    ["axum-service", "bookinfo", "control-plane", "proxy", "meshctl", "embedded-client"];

static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::const_new(None);

/// The path of one of the example binaries.
pub async fn binary(name: &str) -> PathBuf {
    let mut built = BUILT.lock().await;
    if built.is_none() {
        *built = Some(build().await);
    }
    let all = built.as_ref().expect("just built");
    all.get(name).unwrap_or_else(|| panic!("there is no binary {name:?} among {:?}", all.keys())).clone()
}

async fn build() -> HashMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--message-format=json-render-diagnostics"])
        .args(BINARIES.iter().flat_map(|name| ["--bin", name]))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .await
        .expect("cargo");
    assert!(output.status.success(), "cargo build:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| {
            let path = PathBuf::from(message["executable"].as_str()?);
            Some((message["target"]["name"].as_str()?.to_owned(), path))
        })
        .collect()
}
