//! Listeners and their filter chains, built.

use super::{ByName, Engine, refresh, same};
use crate::cluster::ClusterRuntime;
use crate::drain::Drain;
use crate::http::Manager;
use crate::http::manager::{LocalService, RouteSlot, Terminal};
use crate::listener::chain_match::{Facts, choose};
use crate::tcp::TcpRuntime;
use crate::telemetry::ChainTelemetry;
use crate::tls::{ServerTls, TlsError};
use arc_swap::ArcSwap;
use mesh_core::model::Name;
use mesh_core::model::http::{HttpFilter, HttpManager, RouteSource};
use mesh_core::model::listener::{Direction, FilterChain, Listener, NetworkFilter};
use std::sync::Arc;

/// A listener at work.
pub(crate) struct ListenerRuntime {
    config: Arc<Listener>,
    /// As in the configuration, the default chain last.
    chains: Vec<Arc<ChainRuntime>>,
}

/// A filter chain at work. Connections hold it; its filter may be replaced under them.
pub(crate) struct ChainRuntime {
    config: Arc<FilterChain>,
    tls: Option<Result<ServerTls, TlsError>>,
    filter: Filter,
    pub(crate) drain: Drain,
}

/// The last filter of a chain.
pub(crate) enum Filter {
    /// HTTP.
    Http {
        /// For the next request.
        manager: Arc<ArcSwap<Manager>>,
        /// The routes, where they are written in the chain.
        inline: Option<Arc<RouteSlot>>,
    },
    /// Bytes.
    Tcp(ArcSwap<TcpRuntime>),
}

/// Finds the slot of a named table, with or without faults.
pub(super) type Slots<'s> = dyn FnMut(&Name, bool) -> Arc<RouteSlot> + 's;

impl ListenerRuntime {
    pub(super) fn new(
        config: Arc<Listener>,
        before: Option<&Self>,
        engine: &Engine,
        clusters: &ByName<Arc<ClusterRuntime>>,
        local: Option<&LocalService>,
        slots: &mut Slots<'_>,
    ) -> Arc<Self> {
        let mut build = |chain: &Arc<FilterChain>| {
            let known = before.and_then(|b| b.chains.iter().find(|c| c.continues(chain)));
            let source = Source { engine, clusters, local, listener: &config };
            match known {
                Some(known) => {
                    known.follow(chain, &source, slots);
                    known.clone()
                }
                None => Arc::new(ChainRuntime::new(chain, &source, slots)),
            }
        };
        let chains = config.filter_chains.iter().chain(&config.default_chain).map(&mut build).collect();
        Arc::new(Self { config, chains })
    }

    pub(crate) fn config(&self) -> &Arc<Listener> {
        &self.config
    }

    pub(crate) fn chains(&self) -> impl Iterator<Item = &Arc<ChainRuntime>> {
        self.chains.iter()
    }

    /// The chain that takes a connection.
    pub(crate) fn choose(&self, facts: &Facts) -> Option<&Arc<ChainRuntime>> {
        let matched = choose(self.config.filter_chains.iter().map(|c| &c.matches), facts);
        match (matched, &self.config.default_chain) {
            (Some(index), _) => self.chains.get(index),
            (None, Some(_)) => self.chains.last(),
            (None, None) => None,
        }
    }

    /// Builds routes that are written in chains anew, after clusters changed.
    pub(super) fn refresh_inline(&self, clusters: &ByName<Arc<ClusterRuntime>>) {
        for chain in &self.chains {
            if let Filter::Http { manager, inline: Some(slot) } = &chain.filter
                && let NetworkFilter::Http(http) = &manager.load().chain().filter
                && let RouteSource::Inline(table) = &http.routes
            {
                refresh(slot, Some(table), clusters, has_faults(http), true);
            }
        }
    }
}

/// What a chain is built from, beside its configuration.
struct Source<'s> {
    engine: &'s Engine,
    clusters: &'s ByName<Arc<ClusterRuntime>>,
    local: Option<&'s LocalService>,
    listener: &'s Listener,
}

impl ChainRuntime {
    fn new(config: &Arc<FilterChain>, source: &Source<'_>, slots: &mut Slots<'_>) -> Self {
        let identity = &source.engine.surroundings().identity;
        let tls = config.tls.as_ref().map(|spec| ServerTls::new(spec.clone(), identity.clone()));
        if let Some(Err(error)) = &tls {
            let listener = &source.listener;
            let origin = listener.origin.as_ref().map(ToString::to_string);
            tracing::error!(%error, listener = %listener.name, chain = %config.name, origin,
                "TLS of a filter chain cannot be used; its connections are refused");
        }
        let filter = match &config.filter {
            NetworkFilter::Http(http) => {
                let (manager, inline) = manager(config, http, None, source, slots);
                Filter::Http { manager: Arc::new(ArcSwap::from_pointee(manager)), inline }
            }
            NetworkFilter::Tcp(_) => Filter::Tcp(ArcSwap::from_pointee(tcp(config, source))),
        };
        Self { config: config.clone(), tls, filter, drain: Drain::new() }
    }

    /// Whether a chain of the configuration is this one, seen by its connections.
    fn continues(&self, config: &FilterChain) -> bool {
        let same_kind = match (&self.config.filter, &config.filter) {
            // Where routes are found is settled when the chain is built: a slot of its own, or a table's.
            (NetworkFilter::Http(a), NetworkFilter::Http(b)) => {
                std::mem::discriminant(&a.routes) == std::mem::discriminant(&b.routes)
            }
            (NetworkFilter::Tcp(_), NetworkFilter::Tcp(_)) => true,
            (NetworkFilter::Http(_), NetworkFilter::Tcp(_))
            | (NetworkFilter::Tcp(_), NetworkFilter::Http(_)) => false,
        };
        same_kind
            && self.config.name == config.name
            && self.config.matches == config.matches
            && self.config.tls == config.tls
    }

    /// Goes on with other filters.
    fn follow(&self, config: &Arc<FilterChain>, source: &Source<'_>, slots: &mut Slots<'_>) {
        match (&self.filter, &config.filter) {
            (Filter::Http { manager: slot, inline }, NetworkFilter::Http(http)) => {
                if same(slot.load().chain(), config) && inline.is_none() {
                    return;
                }
                let (manager, _) = manager(config, http, inline.clone(), source, slots);
                slot.store(Arc::new(manager));
            }
            (Filter::Tcp(slot), NetworkFilter::Tcp(_)) => slot.store(Arc::new(tcp(config, source))),
            // `continues` says that the kinds are the same.
            (Filter::Http { .. }, NetworkFilter::Tcp(_)) | (Filter::Tcp(_), NetworkFilter::Http(_)) => {}
        }
    }

    pub(crate) fn tls(&self) -> Option<&Result<ServerTls, TlsError>> {
        self.tls.as_ref()
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(crate) fn name(&self) -> &Name {
        &self.config.name
    }
}

fn has_faults(http: &HttpManager) -> bool {
    http.filters.iter().any(|f| matches!(f, HttpFilter::Fault))
}

fn manager(
    config: &Arc<FilterChain>,
    http: &HttpManager,
    inline: Option<Arc<RouteSlot>>,
    source: &Source<'_>,
    slots: &mut Slots<'_>,
) -> (Manager, Option<Arc<RouteSlot>>) {
    let telemetry =
        ChainTelemetry::new(source.engine.observatory(), source.listener.direction, &http.access_logs);
    let (terminal, inline) = match (source.local, source.listener.direction, &http.routes) {
        (Some(local), Direction::Inbound, _) => (Terminal::Local(local.clone()), None),
        (_, _, RouteSource::Named(name)) => (Terminal::Routes(slots(name, has_faults(http))), None),
        (_, _, RouteSource::Inline(table)) => {
            let slot = inline.unwrap_or_else(|| Arc::new(RouteSlot::empty()));
            refresh(&slot, Some(table), source.clusters, has_faults(http), true);
            (Terminal::Routes(slot.clone()), Some(slot))
        }
    };
    let shared = source.engine.surroundings().shared.clone();
    (Manager::new(config.clone(), http, terminal, telemetry, shared), inline)
}

fn tcp(config: &Arc<FilterChain>, source: &Source<'_>) -> TcpRuntime {
    TcpRuntime::new(config.clone(), source.engine.observatory(), source.listener.direction)
}
