//! The live table, and what listens where.

mod frame;
mod news;
pub(crate) mod screen;

use bookinfo::load::Load;
use bookinfo::mesh::Mesh;
use bookinfo::plan::Role;
use bookinfo::table::{Window, scrape};
use frame::Frame;
use news::News;
use screen::{Look, Screen};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval_at};

/// How far back the table looks. An edit begins a new window, so that it shows well within a second.
const WINDOW: Duration = Duration::from_secs(1);

/// How often it is painted on a terminal.
const PAINT: Duration = Duration::from_millis(250);

/// How often it is printed where it cannot be painted over; after one window, the first time and after an edit.
const PRINT: Duration = Duration::from_secs(5);

/// How often the proxies are asked for what they serve. An edit is in force when that is not what it was, and
/// stays as it is from one look to the next: what each serves is its own, so they are not compared.
const LOOK: Duration = Duration::from_millis(25);

/// Requests of one user at once.
const CONCURRENCY: usize = 64;

/// The user who has logged in; rules for one user (a delay, another version) show in his row.
const USER: &str = "jason";

/// One request in so many is his.
const USERS_PART: u32 = 10;

/// The admin pages of all proxies, by name.
pub(crate) fn proxies(mesh: &Mesh) -> Vec<(String, SocketAddr)> {
    mesh.admin_addrs().into_iter().map(|(member, addr)| (member.name.clone(), addr)).collect()
}

/// What listens where, for the top of the output.
pub(crate) fn places(mesh: &Mesh, config: &Path, state: &Path) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if let Some(gateway) = mesh.gateway() {
        lines.push(("product page", format!("http://{gateway}/productpage")));
    }
    lines.push(("configuration", format!("{}   edit it, and watch", config.display())));
    lines.push(("control plane", format!("{}   xDS and CA, gRPC", mesh.control_plane().grpc_addr())));
    if let Some(tls) = mesh.control_plane().grpc_tls_addr() {
        lines.push(("", format!("{tls}   xDS and CA, gRPC over TLS")));
    }
    if let Some(pages) = mesh.control_plane().http_addr() {
        lines.push(("", format!("http://{pages}   /debug/syncz, /debug/findings, /metrics")));
    }
    let state = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    lines.push(("keys", state.display().to_string()));
    for (i, (member, admin)) in mesh.admin_addrs().into_iter().enumerate() {
        let head = if i == 0 { "proxies" } else { "" };
        lines.push((head, format!("http://{admin}   {}: admin, /stats/prometheus", member.name)));
    }
    lines.iter().map(|(head, text)| format!("{head:<14} {text}\n")).collect::<String>() + "\n"
}

/// Load and table until Ctrl-C, or until nobody reads the table any more.
pub(crate) async fn run(mesh: &Mesh, rate: u32, look: Look) -> ExitCode {
    let Some(gateway) = mesh.gateway() else {
        eprintln!("error: the configuration has no gateway");
        return ExitCode::FAILURE;
    };
    let of_user = rate / USERS_PART;
    let mut senders = vec![Sender::new("anonymous", rate - of_user, Load::new(gateway, CONCURRENCY))];
    if of_user > 0 {
        senders.push(Sender::new(USER, of_user, Load::of_user(gateway, CONCURRENCY, Some(USER))));
    }
    let mut screen = Screen::new(io::stdout(), look);
    let stop = tokio::select! {
        () = send(&senders) => return ExitCode::SUCCESS,
        error = table(mesh, &senders, &mut screen) => return unread(&error),
        stop = mesh_cli::shutdown_signal() => stop,
    };
    match stop.and_then(|_| screen.leave("stopping; Ctrl-C again stops at once")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => unread(&error),
    }
}

/// What a program does whose output cannot be written: `bookinfo | head` is no failure.
pub(crate) fn unread(error: &io::Error) -> ExitCode {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => mesh_cli::fail(error),
    }
}

/// One user, and the requests that he sends.
pub(crate) struct Sender {
    name: &'static str,
    rate: u32,
    load: Load,
}

impl Sender {
    fn new(name: &'static str, rate: u32, load: Load) -> Self {
        Self { name, rate, load }
    }
}

/// Each on its own: who has to wait keeps nobody else waiting. Never ends by itself.
async fn send(senders: &[Sender]) {
    let mut sending = tokio::task::JoinSet::new();
    for Sender { rate, load, .. } in senders {
        let (rate, load) = (*rate, load.clone());
        sending.spawn(async move { load.at_rate(rate).await });
    }
    while sending.join_next().await.is_some() {}
}

/// Ends only if the table cannot be written.
async fn table<W: io::Write>(mesh: &Mesh, senders: &[Sender], screen: &mut Screen<W>) -> io::Error {
    let proxies = proxies(mesh);
    let mut window = Window::new(WINDOW);
    for member in mesh.members() {
        if let Role::App { app, version, .. } = &member.role {
            window.expect(app, version);
        }
    }
    window.push(Instant::now(), scrape(&proxies).await.0);

    let look = screen.look();
    let (first, period) = if look.paints() { (PAINT, PAINT) } else { (WINDOW, PRINT) };
    let mut tick = interval_at(tokio::time::Instant::now() + first, period);
    // On a machine that is too busy, frames in a burst would show nothing but noise.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut news = News::default();
    let mut shown = mesh.served();
    loop {
        let edited = tokio::select! {
            _ = tick.tick() => false,
            now = edit(mesh, &shown) => {
                shown = now;
                tick.reset_after(first);
                true
            }
        };
        window.push(Instant::now(), scrape(&proxies).await.0);
        let frame = Frame { rows: window.rows(), length: window.length(), senders, since: window.since() };
        // Where it is not painted, the control plane prints them to standard error when they appear.
        let news = match look.paints() {
            true => news.of(mesh.control_plane().findings().all(), look.style()),
            false => String::new(),
        };
        if let Err(error) = screen.show(&news, &frame.text(look)) {
            return error;
        }
        if edited {
            window.restart();
        }
    }
}

/// Waits until an edit is in force, and returns what the proxies serve then.
async fn edit(mesh: &Mesh, shown: &[Option<String>]) -> Vec<Option<String>> {
    let mut before = mesh.served();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = mesh.served();
        if now == before && now != shown {
            return now;
        }
        before = now;
    }
}
