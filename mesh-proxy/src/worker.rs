//! A worker: one thread, one current-thread runtime, its own sockets, stacks and pools.
//!
//! ```text
//! control ──commands──▶ [worker] ── accept ─▶ connection tasks
//!                          └─ Engine: this worker's clusters, routes, chains
//! ```
//!
//! A request never leaves its worker. A task that panics is caught and counted; its connection ends, the
//! worker goes on.

use crate::drain::Phase;
use crate::engine::{Engine, Input, ListenerRuntime};
use crate::listener::accept;
use crate::shared::Shared;
use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use mesh_core::model::Name;
use std::collections::HashMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// How long accepting rests when the process is out of files or memory.
const REST: Duration = Duration::from_millis(50);

/// What control tells a worker.
pub(crate) enum Command {
    /// Serve from this configuration, and say so.
    Apply(Arc<Input>, mpsc::UnboundedSender<()>),
    /// Accept for a listener.
    Listen(Name, std::net::TcpListener),
    /// Accept no more for a listener.
    Unlisten(Name),
    /// Come to an end.
    Drain(Phase),
    /// End now.
    Stop,
}

/// A running worker.
pub(crate) struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread; `engine` is made on it. Chains that are gone are closed `drain` later.
    pub(crate) fn start(
        index: usize,
        drain: Duration,
        engine: impl FnOnce() -> Arc<Engine> + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (commands, orders) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(run(engine(), orders, drain)))?;
        Ok(Self { commands, thread })
    }

    /// Sends a command; a worker that has ended needs none.
    pub(crate) fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Waits for the thread to end.
    pub(crate) fn join(self) {
        drop(self.commands);
        if self.thread.join().is_err() {
            tracing::error!("a worker panicked");
        }
    }
}

/// A socket that is accepted on, until this is dropped.
struct Listening {
    _stop: watch::Sender<()>,
    /// The listener as it last was, once the configuration has it no more.
    gone: Arc<ArcSwapOption<ListenerRuntime>>,
}

async fn run(engine: Arc<Engine>, mut orders: mpsc::UnboundedReceiver<Command>, drain: Duration) {
    let mut listening: HashMap<Name, Listening> = HashMap::new();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let command = tokio::select! {
            command = orders.recv() => command,
            now = sweep.tick() => {
                engine.sweep(now);
                continue;
            }
        };
        match command {
            None | Some(Command::Stop) => return,
            Some(Command::Apply(input, done)) => {
                let before: Vec<_> = listening.keys().map(|name| engine.listener(name)).collect();
                // Whatever a configuration does to us, what was built from the last one goes on.
                let applied = std::panic::catch_unwind(AssertUnwindSafe(|| apply(&engine, &input, drain)));
                if applied.is_err() {
                    engine.surroundings().shared.counters.panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(version = %input.snapshot.version, "applying a snapshot panicked");
                }
                for ((name, socket), before) in listening.iter().zip(before) {
                    match (engine.listener(name), before) {
                        (Some(_), _) => socket.gone.store(None),
                        (None, Some(before)) => socket.gone.store(Some(before)),
                        (None, None) => {}
                    }
                }
                let _ = done.send(());
            }
            Some(Command::Listen(name, socket)) => match TcpListener::from_std(socket) {
                Ok(socket) => {
                    let (stop, stopped) = watch::channel(());
                    let gone = Arc::new(ArcSwapOption::empty());
                    let door = Door { engine: engine.clone(), name: name.clone(), gone: gone.clone() };
                    spawn(&engine.surroundings().shared, accept_all(door, socket, stopped));
                    listening.insert(name, Listening { _stop: stop, gone });
                }
                Err(error) => tracing::error!(%error, listener = %name, "a socket cannot be used"),
            },
            Some(Command::Unlisten(name)) => {
                listening.remove(&name);
            }
            Some(Command::Drain(phase)) => engine.drain(phase),
        }
    }
}

/// Applies a snapshot and sees to it that chains which are gone close in the end.
pub(crate) fn apply(engine: &Engine, input: &Input, drain: Duration) {
    let leaving = engine.apply(input).leaving;
    if !leaving.is_empty() {
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            for chain in leaving {
                chain.drain.advance(Phase::Over);
            }
        });
    }
}

/// Runs a task whose panic is caught and counted.
pub(crate) fn spawn(shared: &Arc<Shared>, task: impl Future<Output = ()> + Send + 'static) {
    let shared = shared.clone();
    tokio::spawn(async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            shared.counters.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!("a task panicked; its connection is closed");
        }
    });
}

/// Where connections of a listener come in.
struct Door {
    engine: Arc<Engine>,
    name: Name,
    gone: Arc<ArcSwapOption<ListenerRuntime>>,
}

async fn accept_all(door: Door, socket: TcpListener, mut stopped: watch::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            accepted = socket.accept() => accepted,
        };
        if !door.take(accepted) {
            tokio::time::sleep(REST).await;
        }
    }
    // Whoever was let in by the kernel already would be reset if the socket just closed.
    let until = Instant::now() + REST;
    while let Some(Ok(accepted)) = socket.accept().now_or_never() {
        door.take(Ok(accepted));
        if Instant::now() >= until {
            break;
        }
    }
}

impl Door {
    /// Serves what was accepted; false if accepting should rest.
    fn take(&self, accepted: io::Result<(tokio::net::TcpStream, std::net::SocketAddr)>) -> bool {
        match accepted {
            Ok((stream, remote)) => {
                // The kernel let in some before the configuration lost the listener: they are served as it
                // was, by chains that drain.
                if let Some(listener) = self.engine.listener(&self.name).or_else(|| self.gone.load_full()) {
                    let shared = self.engine.surroundings().shared.clone();
                    spawn(&shared, accept::serve(self.engine.clone(), listener, stream, remote));
                }
                true
            }
            // The peer has gone before it was accepted; the next one may be fine.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => true,
            Err(error) => {
                tracing::warn!(%error, listener = %self.name, "accepting rests");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Observatory;
    use mesh_core::model::Snapshot;
    use mesh_core::model::http::{Codec, ForwardClientCert, HttpManager, PathNormalization, RouteSource};
    use mesh_core::model::listener::{Bind, ChainMatch, Direction, FilterChain, Listener, NetworkFilter};
    use mesh_core::model::route::{
        Action, DirectResponse, HeaderChanges, PathMatch, Route, RouteMatch, RouteTable, VirtualHost,
    };
    use mesh_core::node::{Node, NodeKind};
    use mesh_core::watch;
    use mesh_telemetry::sink::Sinks;
    use std::io::Write as _;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn a_panic_is_counted_and_the_worker_goes_on() {
        let shared = Arc::<Shared>::default();
        let (done, is_done) = tokio::sync::oneshot::channel();
        spawn(&shared, async { panic!("a bug") });
        spawn(&shared, async move {
            let _ = done.send(());
        });
        is_done.await.unwrap();
        assert_eq!(shared.counters.panics.load(Ordering::Relaxed), 1);
    }

    /// A listener whose one route answers by itself.
    fn answering(name: &str) -> Arc<Input> {
        let answer = DirectResponse { status: http::StatusCode::OK, body: "served".to_owned().into() };
        let route = Route {
            name: name.into(),
            matches: RouteMatch { path: PathMatch::Prefix("/".into()), ..RouteMatch::default() },
            action: Action::Respond(answer),
            headers: HeaderChanges::default(),
            fault: None,
            decorator: None,
            origin: None,
        };
        let host = VirtualHost {
            name: "all".into(),
            domains: vec!["*".into()],
            routes: vec![route],
            headers: HeaderChanges::default(),
            include_attempt_count: false,
            origin: None,
        };
        let table =
            RouteTable { name: name.into(), virtual_hosts: vec![host], ignore_port_in_host_matching: false };
        let manager = HttpManager {
            stat_prefix: name.into(),
            codec: Codec::Auto,
            routes: RouteSource::Inline(Arc::new(table)),
            filters: vec![],
            access_logs: vec![],
            use_remote_address: false,
            trusted_hops: 0,
            client_cert: ForwardClientCert::SanitizeSet,
            normalize: PathNormalization::Base,
            upgrades: vec![],
            stream_idle_timeout: None,
            idle_timeout: None,
            server_name: "istio-envoy".into(),
            generate_request_id: true,
        };
        let chain = FilterChain {
            name: name.into(),
            matches: ChainMatch::default(),
            tls: None,
            rbac: vec![],
            filter: NetworkFilter::Http(Box::new(manager)),
        };
        let any_port: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
        let listener = Listener {
            name: name.into(),
            bind: Bind::Socket(any_port.into()),
            direction: Direction::Outbound,
            tls_inspector: false,
            http_inspector: false,
            original_destination: false,
            inspect_timeout: None,
            continue_on_inspect_timeout: false,
            filter_chains: vec![Arc::new(chain)],
            default_chain: None,
            origin: None,
        };
        let mut snapshot = Snapshot::default();
        snapshot.listeners.insert(name.into(), Arc::new(listener));
        Arc::new(Input { snapshot: Arc::new(snapshot), ..Input::default() })
    }

    #[tokio::test]
    async fn who_was_let_in_before_the_listener_went_is_still_served() {
        let node = Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), "test-v1", "default");
        let observatory = Observatory::new(&node, Sinks::new(), Arc::default());
        let engine = Engine::of(&observatory, Arc::default(), watch::channel().1, None);
        let (commands, orders) = mpsc::unbounded_channel();
        let worker = tokio::spawn(run(engine, orders, Duration::from_secs(45)));
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        // Waits in the kernel until the worker accepts, which it does after all of the commands.
        let mut early = std::net::TcpStream::connect(address).unwrap();
        early.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        early.set_nonblocking(true).unwrap();
        let mut early = tokio::net::TcpStream::from_std(early).unwrap();
        let (done, mut applied) = mpsc::unbounded_channel();
        let renamed = answering("new");
        for command in [
            Command::Apply(answering("old"), done.clone()),
            Command::Listen("old".into(), socket),
            Command::Apply(renamed.clone(), done.clone()),
            Command::Apply(renamed, done),
        ] {
            commands.send(command).unwrap();
        }
        let mut answer = String::new();
        early.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("served"), "{answer:?}");
        assert!(answer.contains("connection: close"), "its chain drains: {answer}");
        applied.recv().await.unwrap();
        commands.send(Command::Unlisten("old".into())).unwrap();
        drop(commands);
        worker.await.unwrap();
    }
}
