//! The counts and the permits that hold a place in them.

use super::error::Overflow;
use crate::budget::{ActiveRequest, RetryBudget, RetryPermit};
use crate::gauge::{Gauge, Gauges, Held};
use mesh_core::model::cluster::CircuitLimits;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Connections.
    Connection,
    /// Requests that wait for a connection.
    Pending,
    /// Requests in flight.
    Request,
    /// Retries in flight.
    Retry,
}

/// The bounds of one cluster at one priority; clones share their counts.
///
/// ```
/// use mesh_core::model::cluster::CircuitLimits;
/// use mesh_policy::breaker::Breaker;
///
/// let breaker = Breaker::new(CircuitLimits { max_connections: 1, ..CircuitLimits::default() });
/// let first = breaker.try_acquire_connection()?;
/// assert!(breaker.try_acquire_connection().is_err());
/// drop(first);
/// assert!(breaker.try_acquire_connection().is_ok());
/// # Ok::<(), mesh_policy::breaker::Overflow>(())
/// ```
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    connections: Bound,
    pending: Bound,
    requests: Bound,
    retries: RetryBudget,
    retry_overflow: AtomicU64,
}

#[derive(Debug)]
struct Bound {
    open: Gauge,
    max: AtomicU32,
    overflow: AtomicU64,
}

impl Bound {
    fn new(max: u32) -> Self {
        Self { open: Gauge::default(), max: AtomicU32::new(max), overflow: AtomicU64::new(0) }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Connection,
    Pending,
    Request,
}

impl Shared {
    fn bound(&self, kind: Kind) -> &Bound {
        match kind {
            Kind::Connection => &self.connections,
            Kind::Pending => &self.pending,
            Kind::Request => &self.requests,
        }
    }
}

impl Gauges for Shared {
    type Kind = Kind;

    fn gauge(&self, kind: Kind) -> &Gauge {
        &self.bound(kind).open
    }
}

impl Breaker {
    /// With limits.
    pub fn new(limits: CircuitLimits) -> Self {
        Self(Arc::new(Shared {
            connections: Bound::new(limits.max_connections),
            pending: Bound::new(limits.max_pending_requests),
            requests: Bound::new(limits.max_requests),
            retries: RetryBudget::of_breaker(&limits),
            retry_overflow: AtomicU64::new(0),
        }))
    }

    /// Follows new limits. What is open stays open and counted, also above a lower limit.
    pub fn set_limits(&self, limits: CircuitLimits) {
        self.0.connections.max.store(limits.max_connections, Relaxed);
        self.0.pending.max.store(limits.max_pending_requests, Relaxed);
        self.0.requests.max.store(limits.max_requests, Relaxed);
        self.0.retries.set(&limits);
    }

    /// A place for a connection.
    ///
    /// # Errors
    /// [`Overflow`] if as many are open as may be; so for all of these.
    pub fn try_acquire_connection(&self) -> Result<Permit, Overflow> {
        self.acquire(Kind::Connection, Resource::Connection)
    }

    /// A place for a request that waits for a connection.
    ///
    /// # Errors
    /// [`Overflow`] if as many wait as may.
    pub fn try_acquire_pending(&self) -> Result<Permit, Overflow> {
        self.acquire(Kind::Pending, Resource::Pending)
    }

    /// A place for a request in flight; keep it until the response's body has ended.
    ///
    /// # Errors
    /// [`Overflow`] if as many are in flight as may be.
    pub fn try_acquire_request(&self) -> Result<Permit, Overflow> {
        self.acquire(Kind::Request, Resource::Request)
    }

    /// A place for a retry in flight.
    ///
    /// # Errors
    /// [`Overflow`] if the budget, or without one `max_retries`, is used up.
    pub fn try_acquire_retry(&self) -> Result<RetryPermit, Overflow> {
        self.0.retries.try_retry().ok_or_else(|| {
            self.0.retry_overflow.fetch_add(1, Relaxed);
            Overflow::new(Resource::Retry)
        })
    }

    /// The bound on retries, for a `RetryLayer`: a share of the requests that this breaker counts, waiting or
    /// in flight.
    pub fn retry_budget(&self) -> RetryBudget {
        self.0.retries.clone()
    }

    /// Whether the next permit of a kind would be refused: Envoy's gauges `circuit_breakers.default.*_open`.
    pub fn is_open(&self, resource: Resource) -> bool {
        let full = |bound: &Bound| bound.open.open() >= bound.max.load(Relaxed);
        match resource {
            Resource::Connection => full(&self.0.connections),
            Resource::Pending => full(&self.0.pending),
            Resource::Request => full(&self.0.requests),
            Resource::Retry => self.0.retries.retries() >= self.0.retries.limit(),
        }
    }

    /// What is open and what was refused.
    pub fn snapshot(&self) -> BreakerCounts {
        let s = &*self.0;
        BreakerCounts {
            connections: s.connections.open.open(),
            pending: s.pending.open.open(),
            requests: s.requests.open.open(),
            retries: s.retries.retries(),
            upstream_cx_overflow: s.connections.overflow.load(Relaxed),
            upstream_rq_pending_overflow: s.pending.overflow.load(Relaxed)
                + s.requests.overflow.load(Relaxed),
            upstream_rq_retry_overflow: s.retry_overflow.load(Relaxed),
        }
    }

    fn acquire(&self, kind: Kind, resource: Resource) -> Result<Permit, Overflow> {
        let bound = self.0.bound(kind);
        let Some(held) = Held::try_open(&self.0, kind, bound.max.load(Relaxed)) else {
            bound.overflow.fetch_add(1, Relaxed);
            return Err(Overflow::new(resource));
        };
        let active = match kind {
            Kind::Connection => None,
            Kind::Pending | Kind::Request => self.0.retries.count(),
        };
        Ok(Permit { resource, _active: active, _held: held })
    }
}

impl Default for Breaker {
    /// Without bounds, as Istio's default is; counts are still kept.
    fn default() -> Self {
        Self::new(CircuitLimits::default())
    }
}

/// A place under a bound; dropping it gives it back.
#[must_use = "dropping it gives the place back"]
pub struct Permit {
    resource: Resource,
    _active: Option<ActiveRequest>,
    _held: Held<Shared>,
}

impl Permit {
    /// What it is a place for.
    pub fn resource(&self) -> Resource {
        self.resource
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({:?})", self.resource)
    }
}

/// What is open and what was refused, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerCounts {
    /// Open connections: Envoy's `cluster.NAME.upstream_cx_active`.
    pub connections: u32,
    /// Waiting requests: `upstream_rq_pending_active`.
    pub pending: u32,
    /// Requests in flight: `upstream_rq_active`.
    pub requests: u32,
    /// Retries in flight.
    pub retries: u32,
    /// Refused connections: `upstream_cx_overflow`.
    pub upstream_cx_overflow: u64,
    /// Refused requests, whether they would have waited or not: `upstream_rq_pending_overflow`.
    pub upstream_rq_pending_overflow: u64,
    /// Refused retries: `upstream_rq_retry_overflow`. Those of retry layers are in their own metrics.
    pub upstream_rq_retry_overflow: u64,
}
