//! The control thread: configuration to the workers, sockets by the difference of snapshots, the end.
//!
//! ```text
//! Watch<Snapshot> ─┐
//! DNS ─────────────┼─▶ [control] ──Apply, Listen, Unlisten, Drain──▶ workers
//! handle, admin ───┘        └─▶ Status ─▶ admin, handle
//! ```
//!
//! Workers get a snapshot before their sockets change, so that a connection never meets a listener that is
//! not there. A listener that cannot be bound is reported with the resource that declared it and tried
//! again; nothing else waits for it.

mod status;

pub(crate) use status::{ListenerStatus, State, Status};

use crate::admin::{self, Admin};
use crate::dns::{Resolution, Resolver};
use crate::drain::Phase;
use crate::engine::Input;
use crate::listener::socket;
use crate::proxy::Settings;
use crate::shared::Shared;
use crate::worker::{Command, Worker};
use mesh_core::credential::Credential;
use mesh_core::model::cluster::{Cluster, ClusterTransport};
use mesh_core::model::endpoint::Endpoints;
use mesh_core::model::listener::{Bind, Listener};
use mesh_core::model::{Name, Snapshot};
use mesh_core::watch::Watch;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How often a listener that cannot be bound is tried again, and endpoints are let return.
const TICK: Duration = Duration::from_secs(1);
/// A worker that takes longer to apply a snapshot is not waited for.
const APPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the end looks whether everything has ended.
const LOOK: Duration = Duration::from_millis(10);
/// Idle connections get at most so long to hear of the end by their next response.
const GRACE: Duration = Duration::from_secs(1);

/// What the handle and the admin page ask for.
pub(crate) enum Order {
    /// Stop accepting, finish, end.
    Stop {
        /// The latest end.
        deadline: Duration,
        /// Who waits for it.
        done: Option<oneshot::Sender<()>>,
    },
    /// Stop accepting and let connections drain, but go on running.
    DrainListeners,
}

/// What the control thread is made of.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) config: Watch<Snapshot>,
    pub(crate) identity: Watch<Credential>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) status: Arc<Status>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) order: mpsc::WeakUnboundedSender<Order>,
    pub(crate) admin: Option<std::net::TcpListener>,
    pub(crate) health: Option<std::net::TcpListener>,
}

/// The state of the control thread.
pub(crate) struct Control {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    status: Arc<Status>,
    resolver: Resolver,
    resolved: BTreeMap<Name, Arc<Endpoints>>,
    snapshot: Option<Arc<Snapshot>>,
    /// The address that each open socket was asked for.
    open: BTreeMap<Name, SocketAddr>,
    draining: bool,
    /// There is a credential, or there never will be one.
    has_identity: bool,
}

impl Control {
    /// Runs until it is told to stop, or the handle is dropped.
    pub(crate) async fn run(parts: Parts) {
        let Parts {
            settings,
            mut config,
            identity,
            shared,
            workers,
            status,
            mut orders,
            order,
            admin,
            health,
        } = parts;
        let (results, mut resolutions) = mpsc::unbounded_channel();
        let page = Arc::new(Admin::new(settings, identity.clone(), shared.clone(), status.clone(), order));
        for (socket, whole) in [(admin, true), (health, false)] {
            if let Some(socket) = socket {
                tokio::spawn(admin::serve(socket, page.clone(), whole));
            }
        }
        let mut control = Self {
            shared,
            workers,
            status,
            resolver: Resolver::new(results),
            resolved: BTreeMap::new(),
            snapshot: None,
            open: BTreeMap::new(),
            draining: false,
            has_identity: false,
        };
        let first_identity = identity_comes(identity);
        tokio::pin!(first_identity);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut has_source = true;
        if let Some(first) = config.current() {
            // Marks it as seen.
            let _ = config.ready().await;
            control.follow(first).await;
        }
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Stop { deadline, done }) => {
                        control.end(deadline).await;
                        orders.close();
                        if let Some(done) = done {
                            let _ = done.send(());
                        }
                        return;
                    }
                    Some(Order::DrainListeners) => control.drain_listeners(),
                    None => {
                        control.end(Duration::ZERO).await;
                        return;
                    }
                },
                changed = config.changed(), if has_source => match changed {
                    Ok(snapshot) => control.follow(snapshot).await,
                    // The last good configuration stays in force.
                    Err(_) => has_source = false,
                },
                () = first_identity.as_mut(), if !control.has_identity => {
                    control.has_identity = true;
                    control.check_ready();
                }
                Some(resolution) = resolutions.recv() => {
                    control.resolved(resolution, &mut resolutions).await;
                }
                _ = tick.tick() => {
                    control.shared.tick(std::time::Instant::now());
                    control.reconcile();
                }
            }
        }
    }

    /// Serves a snapshot.
    async fn follow(&mut self, snapshot: Arc<Snapshot>) {
        self.resolver.follow(&snapshot);
        self.resolved.retain(|name, _| snapshot.clusters.contains_key(name));
        self.snapshot = Some(snapshot);
        self.apply().await;
    }

    async fn resolved(&mut self, first: Resolution, more: &mut mpsc::UnboundedReceiver<Resolution>) {
        let mut next = Some(first);
        while let Some((name, endpoints)) = next {
            self.resolved.insert(name, endpoints);
            next = more.try_recv().ok();
        }
        self.apply().await;
    }

    async fn apply(&mut self) {
        let Some(snapshot) = self.snapshot.clone() else { return };
        let input = Arc::new(Input { snapshot: snapshot.clone(), resolved: Arc::new(self.resolved.clone()) });
        let (done, mut is_done) = mpsc::unbounded_channel();
        for worker in &self.workers {
            worker.send(Command::Apply(input.clone(), done.clone()));
        }
        drop(done);
        let all = async {
            for _ in 0..self.workers.len() {
                is_done.recv().await;
            }
        };
        if tokio::time::timeout(APPLY_TIMEOUT, all).await.is_err() {
            tracing::warn!(version = %snapshot.version, "a worker takes long to apply a snapshot");
        }
        self.status.serve(input);
        self.reconcile();
        self.check_ready();
    }

    /// Ready is who has configuration, and a credential if the configuration asks for one.
    fn check_ready(&self) {
        let Some(snapshot) = &self.snapshot else { return };
        if self.has_identity || !asks_for_tls(snapshot) {
            self.status.set_ready();
        }
    }

    /// Binds what is wanted and not bound, closes what is not wanted.
    fn reconcile(&mut self) {
        let Some(snapshot) = self.snapshot.clone() else { return };
        if self.draining {
            return;
        }
        let wanted: BTreeMap<&Name, (&Arc<Listener>, SocketAddr)> =
            snapshot.listeners.iter().filter_map(|(name, l)| Some((name, (l, self.socket(l)?)))).collect();
        let gone: Vec<Name> = self
            .open
            .iter()
            .filter(|(name, address)| wanted.get(name).map(|(_, a)| a) != Some(address))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.close(&name);
        }
        self.status.retain_listeners(|name| snapshot.listeners.contains_key(name));
        for (name, (listener, address)) in wanted {
            if !self.open.contains_key(name) {
                self.open(listener, address);
            }
        }
    }

    /// The address that a listener's own socket is bound to.
    fn socket(&self, listener: &Listener) -> Option<SocketAddr> {
        let Bind::Socket(address) = &listener.bind else { return None };
        if address.socket().is_none() {
            self.failed(listener, &address.to_string(), "Unix sockets are not listened on");
        }
        address.socket()
    }

    fn open(&mut self, listener: &Listener, address: SocketAddr) {
        match socket::bind(address, self.workers.len()) {
            Ok((actual, sockets)) => {
                for (worker, socket) in self.workers.iter().zip(sockets) {
                    worker.send(Command::Listen(listener.name.clone(), socket));
                }
                self.open.insert(listener.name.clone(), address);
                self.status.listener(&listener.name, ListenerStatus::Bound(actual));
                tracing::info!(listener = %listener.name, address = %actual, "listening");
            }
            Err(error) => self.failed(listener, &address.to_string(), &error.to_string()),
        }
    }

    /// Reports a listener that cannot be bound: once for each cause.
    fn failed(&self, listener: &Listener, address: &str, error: &str) {
        let status = ListenerStatus::Failed { address: address.to_owned(), error: error.to_owned() };
        if self.status.listener(&listener.name, status) {
            let origin = listener.origin.as_ref().map(ToString::to_string);
            tracing::error!(listener = %listener.name, address, origin, error, "a listener cannot be bound");
        }
    }

    fn close(&mut self, name: &Name) {
        for worker in &self.workers {
            worker.send(Command::Unlisten(name.clone()));
        }
        self.open.remove(name);
        self.status.forget_listener(name);
    }

    fn drain_listeners(&mut self) {
        self.draining = true;
        self.status.set_state(State::Draining);
        for name in self.open.keys().cloned().collect::<Vec<_>>() {
            self.close(&name);
        }
        self.tell(Phase::Draining);
    }

    fn tell(&self, phase: Phase) {
        for worker in &self.workers {
            worker.send(Command::Drain(phase));
        }
    }

    /// The end: no new connections, a grace for idle ones, time for what is under way, then nothing.
    async fn end(&mut self, deadline: Duration) {
        let now = Instant::now();
        let until = now + deadline;
        self.drain_listeners();
        self.until_idle((now + (deadline / 4).min(GRACE)).min(until)).await;
        self.tell(Phase::Closing);
        self.until_idle(until).await;
        for worker in &self.workers {
            worker.send(Command::Stop);
        }
        for worker in std::mem::take(&mut self.workers) {
            worker.join();
        }
        self.status.set_state(State::Stopped);
    }

    async fn until_idle(&self, until: Instant) {
        while self.shared.counters.connections_active.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn identity_comes(mut identity: Watch<Credential>) {
    // A source that ended without one sends none later, either.
    let _ = identity.ready().await;
}

fn asks_for_tls(snapshot: &Snapshot) -> bool {
    let chains = snapshot.listeners.values().flat_map(|l| l.filter_chains.iter().chain(&l.default_chain));
    let plain = |c: &Cluster| c.transport == ClusterTransport::Plain;
    chains.into_iter().any(|c| c.tls.is_some()) || snapshot.clusters.values().any(|c| !plain(c))
}
