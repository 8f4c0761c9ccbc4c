//! The mesh inside a program: the same stacks as a sidecar's, without its hop.
//!
//! ```text
//! program ─▶ [Client] ─▶ outbound listener's manager → route → policies → mTLS → endpoint
//! caller ──▶ [Mesh::serve] → inbound chain → mTLS → authorization → telemetry → the program's service
//! ```
//!
//! One task of the program's own runtime follows configuration; requests run wherever they are polled.

mod client;
mod serve;

pub use client::{Client, ClientBody, NoListener};

use crate::dns::Resolver;
use crate::engine::{Engine, Input};
use crate::http::manager::LocalService;
use crate::http::{LongResponses, Watchlist};
use crate::shared::Shared;
use crate::telemetry::{Observatory, Writers};
use crate::worker::apply;
use mesh_core::credential::Credential;
use mesh_core::model::endpoint::Endpoints;
use mesh_core::model::{Name, Snapshot};
use mesh_core::node::{Node, NodeKind};
use mesh_core::watch::{Closed, Watch};
use mesh_telemetry::Registry;
use mesh_telemetry::sink::Sinks;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long connections may go on whose filter chain has gone.
const DRAIN: Duration = Duration::from_secs(45);
/// How often idle upstream connections, ejected endpoints and unread responses are looked at.
const TICK: Duration = Duration::from_secs(1);

/// A program's membership in a mesh. Clones are the same membership; it ends with the last of them and of
/// their [`Client`]s.
#[derive(Clone)]
pub struct Mesh(Arc<Membership>);

struct Membership {
    engine: Arc<Engine>,
    home: Arc<Home>,
    ready: watch::Receiver<bool>,
    registry: Registry,
    task: JoinHandle<()>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the following task and new engines share.
struct Home {
    shared: Arc<Shared>,
    identity: Watch<Credential>,
    observatory: Arc<Observatory>,
    /// Responses that the program's own requests got.
    responses: Arc<LongResponses>,
    followers: Mutex<Followers>,
}

#[derive(Default)]
struct Followers {
    input: Option<Arc<Input>>,
    engines: Vec<Weak<Engine>>,
}

impl Home {
    /// An engine that follows the configuration from now on.
    fn engine(&self, local: Option<LocalService>) -> Arc<Engine> {
        let engine = Engine::of(&self.observatory, self.shared.clone(), self.identity.clone(), local);
        let mut followers = self.followers.lock();
        if let Some(input) = &followers.input {
            apply(&engine, input, DRAIN);
        }
        followers.engines.push(Arc::downgrade(&engine));
        engine
    }

    fn engines(&self) -> Vec<Arc<Engine>> {
        let mut followers = self.followers.lock();
        followers.engines.retain(|e| e.strong_count() > 0);
        followers.engines.iter().filter_map(Weak::upgrade).collect()
    }

    fn follow(&self, input: Arc<Input>) {
        let engines = self.engines();
        for engine in &engines {
            apply(engine, &input, DRAIN);
        }
        self.followers.lock().input = Some(input);
    }
}

impl Mesh {
    /// Joins the mesh as a workload without a name of its own: in metrics it is `unknown`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(config: Watch<Snapshot>, identity: Watch<Credential>) -> Self {
        let node = Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), "unknown", "unknown");
        Self::with_node(&node, config, identity)
    }

    /// Joins the mesh as this node.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn with_node(node: &Node, config: Watch<Snapshot>, identity: Watch<Credential>) -> Self {
        let registry = Registry::default();
        let mut sinks = Sinks::new();
        sinks.push(Arc::new(registry.shard()));
        let observatory = Observatory::new(node, sinks, Arc::<Writers>::default());
        let home = Arc::new(Home {
            shared: Arc::default(),
            identity,
            observatory,
            responses: Arc::default(),
            followers: Mutex::default(),
        });
        let engine = home.engine(None);
        let (is_ready, ready) = watch::channel(false);
        let task = tokio::spawn(follow(home.clone(), config, is_ready));
        Self(Arc::new(Membership { engine, home, ready, registry, task }))
    }

    /// Waits until there is configuration.
    ///
    /// # Errors
    /// [`Closed`] if its source ended before it sent any.
    pub async fn ready(&self) -> Result<(), Closed> {
        self.0.ready.clone().wait_for(|ready| *ready).await.map(|_| ()).map_err(|_| Closed)
    }

    /// A client whose requests take the mesh's routes.
    pub fn client(&self) -> Client {
        Client::new(self.0.clone())
    }

    /// Where this membership's metrics are counted.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh").field("ready", &*self.0.ready.borrow()).finish_non_exhaustive()
    }
}

/// Follows the configuration as long as somebody is a member.
async fn follow(home: Arc<Home>, mut config: Watch<Snapshot>, is_ready: watch::Sender<bool>) {
    let (results, mut resolutions) = mpsc::unbounded_channel();
    let mut resolver = Resolver::new(results);
    let mut resolved: BTreeMap<Name, Arc<Endpoints>> = BTreeMap::new();
    let Ok(mut snapshot) = config.ready().await else { return };
    let mut has_source = true;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watched = Watchlist::default();
    let mut changed = true;
    loop {
        if std::mem::take(&mut changed) {
            resolver.follow(&snapshot);
            resolved.retain(|name, _| snapshot.clusters.contains_key(name));
            let input = Input { snapshot: snapshot.clone(), resolved: Arc::new(resolved.clone()) };
            home.follow(Arc::new(input));
            is_ready.send_replace(true);
        }
        tokio::select! {
            next = config.changed(), if has_source => match next {
                Ok(next) => {
                    snapshot = next;
                    changed = true;
                }
                // The last good configuration stays in force.
                Err(Closed) => has_source = false,
            },
            Some((name, endpoints)) = resolutions.recv() => {
                resolved.insert(name, endpoints);
                changed = true;
            }
            now = tick.tick() => {
                home.shared.tick(std::time::Instant::now());
                watched.follow(&home.responses, now);
                for engine in home.engines() {
                    engine.sweep(now);
                }
            }
        }
    }
}
