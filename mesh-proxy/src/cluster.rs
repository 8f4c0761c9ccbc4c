//! A cluster at work: its endpoints with their pools, and the service that sends one attempt.
//!
//! ```text
//! route → … → attempt timeout → breaker → [balance → endpoint: outlier → pool → mTLS]
//! ```
//!
//! One for each worker. A change of endpoints reaches it in place, and pools of endpoints that stay are
//! kept; a change of anything else makes a new one, which takes over the pools if connections would be made
//! the same way.

mod endpoint;
mod host;

pub(crate) use endpoint::BalanceService;
pub(crate) use host::{Host, Pools};

use crate::balance::{Balancer, Place, Tier};
use crate::pool::Failure;
use crate::shared::{ClusterShared, Shared};
use crate::tls::{AlpnFilter, ClientTls, TlsError};
use mesh_core::addr::Address;
use mesh_core::credential::Credential;
use mesh_core::model::Name;
use mesh_core::model::cluster::{Balance, Cluster, ClusterTransport, ServiceRef, UpstreamProtocol};
use mesh_core::model::endpoint::{Endpoints, TlsMode};
use mesh_core::model::values::Priority;
use mesh_core::watch::Watch;
use mesh_policy::breaker::Breaker;
use mesh_policy::retry::Attempt;
use mesh_telemetry::peer::Exchange;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// What clusters are built from, beside their configuration.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) shared: Arc<Shared>,
    pub(crate) identity: Watch<Credential>,
    pub(crate) exchange: Option<Arc<Exchange>>,
}

/// A cluster of one worker.
pub(crate) struct ClusterRuntime {
    config: Arc<Cluster>,
    pub(crate) shared: Arc<ClusterShared>,
    balancer: Balancer,
    transports: Transports,
    surroundings: Surroundings,
}

/// TLS of a cluster, by what is spoken inside.
#[derive(Clone, Default)]
struct Transports {
    http1: Option<Arc<ClientTls>>,
    http2: Option<Arc<ClientTls>>,
    tcp: Option<Arc<ClientTls>>,
}

impl Transports {
    fn new(config: &Cluster, identity: &Watch<Credential>) -> Result<Self, TlsError> {
        let spec = match &config.transport {
            ClusterTransport::Plain => return Ok(Self::default()),
            ClusterTransport::Tls(spec) | ClusterTransport::AutoMtls(spec) => spec,
        };
        let tls = |alpn| ClientTls::new(spec.clone(), alpn, identity.clone()).map(Arc::new);
        Ok(Self {
            http1: Some(tls(AlpnFilter::Http1)?),
            http2: Some(tls(AlpnFilter::Http2)?),
            tcp: Some(tls(AlpnFilter::All)?),
        })
    }
}

type ByAddress = HashMap<(Address, TlsMode), Arc<Pools>, foldhash::fast::RandomState>;

impl ClusterRuntime {
    /// Builds a cluster, with the pools of its predecessor where they fit.
    pub(crate) fn new(
        config: Arc<Cluster>,
        endpoints: &Endpoints,
        before: Option<&Self>,
        surroundings: &Surroundings,
    ) -> Result<Arc<Self>, TlsError> {
        let shared = surroundings.shared.cluster(&config);
        let transports = match before {
            Some(before) if before.config.transport == config.transport => before.transports.clone(),
            _ => Transports::new(&config, &surroundings.identity)?,
        };
        let hashes = matches!(config.balance, Balance::RingHash { .. } | Balance::Maglev { .. });
        if hashes && !shared.complained.swap(true, Ordering::Relaxed) {
            tracing::error!(cluster = %config.name, "consistent hashing is not supported; endpoints are chosen at random");
        }
        let kept = before.filter(|b| connects_alike(&b.config, &config));
        let cluster = Self {
            balancer: Balancer::new(config.balance, config.panic_threshold, Vec::new())
                .telling(shared.detector.clone()),
            config,
            shared,
            transports,
            surroundings: surroundings.clone(),
        };
        cluster.balancer.update(cluster.tiers(endpoints, kept));
        Ok(Arc::new(cluster))
    }

    /// Follows a change of endpoints.
    pub(crate) fn update(&self, endpoints: &Endpoints) {
        self.balancer.update(self.tiers(endpoints, Some(self)));
    }

    fn tiers(&self, endpoints: &Endpoints, kept: Option<&Self>) -> Vec<Tier> {
        let mut pools = ByAddress::default();
        if let Some(kept) = kept {
            kept.balancer.for_each(|host| {
                pools.insert((host.address().clone(), host.tls_mode()), host.pools().clone());
            });
        }
        let mut tiers: std::collections::BTreeMap<u32, Tier> = std::collections::BTreeMap::new();
        for locality in &endpoints.localities {
            let hosts = locality.endpoints.iter().map(|endpoint| {
                let key = (endpoint.address.clone(), endpoint.tls_mode);
                let pools =
                    pools.entry(key).or_insert_with(|| self.pools(&endpoint.address, endpoint.tls_mode));
                Host::new(endpoint.clone(), self, pools.clone())
            });
            let place = Place { weight: locality.weight, hosts: hosts.collect() };
            tiers.entry(locality.priority).or_default().localities.push(place);
        }
        tiers.into_values().collect()
    }

    fn pools(&self, address: &Address, tls_mode: TlsMode) -> Arc<Pools> {
        let encrypted = match &self.config.transport {
            ClusterTransport::Plain => false,
            ClusterTransport::Tls(_) => true,
            ClusterTransport::AutoMtls(_) => tls_mode == TlsMode::Istio,
        };
        let transports = if encrypted { self.transports.clone() } else { Transports::default() };
        Arc::new(Pools::new(address.clone(), self, transports))
    }

    pub(crate) fn config(&self) -> &Arc<Cluster> {
        &self.config
    }

    pub(crate) fn name(&self) -> &Name {
        &self.config.name
    }

    /// The bounds of a priority.
    pub(crate) fn breaker(&self, priority: Priority) -> &Breaker {
        match priority {
            Priority::Default => &self.shared.breaker,
            Priority::High => &self.shared.high,
        }
    }

    /// The service that telemetry names.
    pub(crate) fn service(&self) -> Option<&ServiceRef> {
        self.config.services.first()
    }

    /// Whether callers of this HTTP version are answered in HTTP/2 by the endpoints.
    pub(crate) fn speaks_http2(&self, caller: http::Version) -> bool {
        match self.config.http.protocol {
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::SameAsCaller => caller == http::Version::HTTP_2,
        }
    }

    /// An endpoint for one attempt; one that the request has not tried, where its retry policy says so.
    pub(crate) fn pick(&self, attempt: Option<&Attempt>) -> Result<Arc<Host>, Failure> {
        let picked = match attempt {
            Some(attempt) if attempt.number() > 1 => self
                .balancer
                .pick(|host| attempt.tried().contains(host.address()), attempt.avoid_previous_hosts()),
            _ => self.balancer.pick(|_| false, 0),
        };
        let Some(host) = picked else {
            self.shared.stats.none_healthy.fetch_add(1, Ordering::Relaxed);
            return Err(Failure::NoHealthyUpstream);
        };
        if let Some(attempt) = attempt {
            attempt.tried().add(host.address().clone());
        }
        Ok(host)
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.balancer.for_each(|host| host.pools().for_each(|pool| pool.sweep(now)));
    }
}

/// Whether connections of one configuration can serve the other.
fn connects_alike(a: &Cluster, b: &Cluster) -> bool {
    a.transport == b.transport
        && a.http == b.http
        && a.keepalive == b.keepalive
        && a.connect_timeout == b.connect_timeout
}
