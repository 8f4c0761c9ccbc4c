//! The live table, and what listens where.

use bookinfo::load::Load;
use bookinfo::mesh::Mesh;
use bookinfo::table::{Style, Window, render, scrape};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How far back the table looks: short, so that an edit shows within a second.
const WINDOW: Duration = Duration::from_secs(1);

/// How often it is painted on a terminal.
const PAINT: Duration = Duration::from_millis(250);

/// How often it is printed where it cannot be painted over.
const PRINT: Duration = Duration::from_secs(5);

/// The admin pages of all proxies, by name.
pub(crate) fn proxies(mesh: &Mesh) -> Vec<(String, SocketAddr)> {
    mesh.admin_addrs().into_iter().map(|(member, addr)| (member.name.clone(), addr)).collect()
}

/// Colours on terminals only.
pub(crate) fn style() -> Style {
    if std::io::stdout().is_terminal() { Style::Color } else { Style::Plain }
}

/// Tells what listens where.
pub(crate) fn print_places(mesh: &Mesh, config: &Path, state: &Path) {
    let mut lines: Vec<(String, String)> = Vec::new();
    if let Some(gateway) = mesh.gateway() {
        lines.push(("product page".into(), format!("http://{gateway}/productpage")));
    }
    lines.push(("configuration".into(), format!("{}   edit it, and watch", config.display())));
    lines.push(("control plane".into(), format!("http://{}", mesh.control_plane().grpc_addr())));
    if let Some(pages) = mesh.control_plane().http_addr() {
        lines.push(("".into(), format!("http://{pages}   /debug/syncz, /debug/findings, /metrics")));
    }
    let state = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    lines.push(("keys".into(), state.display().to_string()));
    for (i, (member, admin)) in mesh.admin_addrs().into_iter().enumerate() {
        let head = if i == 0 { "proxies" } else { "" };
        lines.push((head.into(), format!("http://{admin}   {}: admin, /stats/prometheus", member.name)));
    }
    for (head, text) in lines {
        println!("{head:<14} {text}");
    }
    println!();
}

/// Load and table until Ctrl-C.
pub(crate) async fn run(mesh: &Mesh, rate: u32) -> ExitCode {
    let Some(gateway) = mesh.gateway() else {
        eprintln!("error: the configuration has no gateway");
        return ExitCode::FAILURE;
    };
    let load = Load::new(gateway, 64);
    tokio::select! {
        () = load.at_rate(rate) => ExitCode::SUCCESS,
        () = table(mesh, &load) => ExitCode::SUCCESS,
        stop = mesh_cli::shutdown_signal() => match stop {
            Ok(_) => {
                println!("\nstopping");
                ExitCode::SUCCESS
            }
            Err(error) => mesh_cli::fail(&error),
        },
    }
}

/// Never ends by itself.
async fn table(mesh: &Mesh, load: &Load) {
    let proxies = proxies(mesh);
    let painting = std::io::stdout().is_terminal();
    let mut window = Window::new(WINDOW);
    window.push(Instant::now(), scrape(&proxies).await.0);
    let period = if painting { PAINT } else { PRINT };
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    let mut painted = 0;
    let mut findings = mesh.control_plane().findings().all();
    loop {
        tick.tick().await;
        window.push(Instant::now(), scrape(&proxies).await.0);
        let score = load.score();
        let mut text = render(&window.rows(), style());
        text.push_str(&format!("{} requests, {} failed", score.sent, score.failed()));
        if let Some(why) = &score.last_failure {
            text.push_str(&format!("; the last one: {why}"));
        }
        text.push_str("   (Ctrl-C stops)\n");

        // What was printed about the configuration must stay readable: paint below it.
        let now = mesh.control_plane().findings().all();
        if now != findings {
            findings = now;
            painted = 0;
        }
        let up = if painting && painted > 0 { format!("\x1b[{painted}A\x1b[J") } else { String::new() };
        painted = text.lines().count();
        let mut stdout = std::io::stdout().lock();
        if stdout.write_all(format!("{up}{text}").as_bytes()).and_then(|()| stdout.flush()).is_err() {
            // Nobody reads any more; the mesh goes on.
            return std::future::pending().await;
        }
    }
}
