//! The proxy as a process runs it: start, readiness, the end.

use crate::control::{Control, Order, Parts, Status};
use crate::engine::Engine;
use crate::shared::Shared;
use crate::telemetry::{Observatory, Writers};
use crate::worker::Worker;
use mesh_core::credential::Credential;
use mesh_core::model::Snapshot;
use mesh_core::node::Node;
use mesh_core::watch::Watch;
use mesh_telemetry::Registry;
use mesh_telemetry::sink::{Sink, Sinks};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Prints a snapshot for `/config_dump`: the caller knows the wire's format, this crate does not.
pub type ConfigDump = Arc<dyn Fn(&Snapshot) -> serde_json::Value + Send + Sync>;

/// Changes the log level for `POST /logging?level=`; an error is told to the caller.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// What a proxy is started with.
#[derive(Clone)]
pub struct Settings {
    /// Who it is.
    pub node: Node,
    /// How many threads serve; 0 means as many as the machine has processors.
    pub workers: usize,
    /// Where the admin page is served; `None` serves none.
    pub admin: Option<SocketAddr>,
    /// Where `/healthz/ready` is served; `None` serves none.
    pub status: Option<SocketAddr>,
    /// How long connections may go on whose filter chain has gone, or after `/quitquitquit`.
    pub drain: Duration,
    /// Prints the configuration for `/config_dump`; `None` answers 404 there.
    pub config_dump: Option<ConfigDump>,
    /// Changes the log level; `None` answers 404 there.
    pub set_log_level: Option<SetLogLevel>,
    /// Where metrics are counted.
    pub registry: Registry,
    /// Who is told of requests beside the metrics and the access logs.
    pub sinks: Vec<Arc<dyn Sink>>,
}

impl Settings {
    /// One worker for each processor, no admin page, Istio's drain time of 45 s.
    pub fn new(node: Node) -> Self {
        Self {
            node,
            workers: 0,
            admin: None,
            status: None,
            drain: Duration::from_secs(45),
            config_dump: None,
            set_log_level: None,
            registry: Registry::default(),
            sinks: Vec::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("node", &self.node)
            .field("workers", &self.workers)
            .field("admin", &self.admin)
            .field("status", &self.status)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

/// Why a proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address of its own cannot be bound.
    #[error("{what} cannot listen on {address}")]
    Bind {
        /// Which.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread or a runtime cannot be made.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
}

/// The data plane.
#[derive(Clone, Copy, Debug)]
pub struct Proxy;

impl Proxy {
    /// Starts the threads; listeners are bound as the configuration comes.
    ///
    /// # Errors
    /// If the admin or the status address cannot be bound, or a thread cannot be started.
    pub fn start(
        settings: Settings,
        config: Watch<Snapshot>,
        identity: Watch<Credential>,
    ) -> Result<ProxyHandle, StartError> {
        let admin = settings.admin.map(|a| bind("the admin page", a)).transpose()?;
        let health = settings.status.map(|a| bind("the status page", a)).transpose()?;
        let address = |l: &Option<TcpListener>| l.as_ref().and_then(|l| l.local_addr().ok());
        let (admin_addr, status_addr) = (address(&admin), address(&health));

        let shared = Arc::<Shared>::default();
        let writers = Arc::<Writers>::default();
        let count = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let mut workers = Vec::with_capacity(count);
        for index in 0..count {
            let mut sinks = Sinks::new();
            sinks.push(Arc::new(settings.registry.shard()));
            for sink in &settings.sinks {
                sinks.push(sink.clone());
            }
            let (node, shared, identity) = (settings.node.clone(), shared.clone(), identity.clone());
            let writers = writers.clone();
            let engine = move || {
                let observatory = Observatory::new(&node, sinks, writers);
                Engine::of(&observatory, shared, identity, None)
            };
            workers.push(Worker::start(index, settings.drain, engine).map_err(StartError::Thread)?);
        }

        let status = Arc::new(Status::new());
        let (orders, received) = mpsc::unbounded_channel();
        let parts = Parts {
            settings,
            config,
            identity,
            shared,
            workers,
            status: status.clone(),
            orders: received,
            order: orders.downgrade(),
            admin,
            health,
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                runtime.block_on(Control::run(parts));
                // Look-ups of names that still run are not waited for.
                runtime.shutdown_background();
            })
            .map_err(StartError::Thread)?;
        Ok(ProxyHandle { orders, status, thread: Some(thread), admin_addr, status_addr })
    }
}

fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).and_then(|l| l.set_nonblocking(true).map(|()| l));
    bound.map_err(|source| StartError::Bind { what, address, source })
}

/// A running proxy. Dropping it stops the proxy at once.
pub struct ProxyHandle {
    orders: mpsc::UnboundedSender<Order>,
    status: Arc<Status>,
    thread: Option<JoinHandle<()>>,
    admin_addr: Option<SocketAddr>,
    status_addr: Option<SocketAddr>,
}

impl ProxyHandle {
    /// Waits until the first configuration is served: every worker has it, every listener was tried to be
    /// bound, and where it asks for TLS, there is a credential (or there never will be one).
    pub async fn ready(&self) {
        self.status.ready().await;
    }

    /// Whether [`Self::ready`] would return at once.
    pub fn is_ready(&self) -> bool {
        self.status.is_ready()
    }

    /// Where the admin page is served.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Where the status page is served.
    pub fn status_addr(&self) -> Option<SocketAddr> {
        self.status_addr
    }

    /// The listeners that are bound, by name; a port of 0 is the port that it became.
    pub fn listener_addrs(&self) -> BTreeMap<String, SocketAddr> {
        self.status.listener_addrs()
    }

    /// The snapshot's version that is served.
    pub fn version(&self) -> Option<String> {
        self.status.snapshot().map(|s| s.version.clone())
    }

    /// Waits until the proxy has stopped, such as after `POST /quitquitquit`.
    pub async fn stopped(&self) {
        self.orders.closed().await;
    }

    /// Waits until somebody posts `/quitquitquit` and the proxy has ended for it; the same as
    /// [`Self::stopped`], by the name that says why to wait.
    pub async fn quit_requested(&self) {
        self.stopped().await;
    }

    /// Accepts no more, lets what is under way finish, and stops: at the latest after `deadline`.
    pub async fn drain_and_stop(mut self, deadline: Duration) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(Order::Stop { deadline, done: Some(done) }).is_ok() {
            // A control thread that has ended needs no answer.
            let _ = is_done.await;
        }
        if let Some(thread) = self.thread.take() {
            // It only has to leave its runtime by now.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for ProxyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyHandle")
            .field("admin", &self.admin_addr)
            .field("listeners", &self.listener_addrs())
            .finish_non_exhaustive()
    }
}
