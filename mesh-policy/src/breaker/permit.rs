//! The counts and the permits that hold a place in them.

use super::error::Overflow;
use crate::budget::{ActiveRequest, RetryBudget, RetryPermit};
use crate::gauge::{Gauge, Gauges, Held};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use mesh_core::model::cluster::CircuitLimits;
use std::fmt;
use std::sync::Arc;

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
/// use mesh_policy::breaker::{Breaker, CircuitLimits};
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
    connections: Gauge,
    max_connections: AtomicU32,
    max_pending: AtomicU32,
    max_requests: AtomicU32,
    /// Counts the requests in flight and those that wait as well, since its share is one of them.
    retries: RetryBudget,
    connection_overflow: AtomicU64,
    pending_overflow: AtomicU64,
    request_overflow: AtomicU64,
    retry_overflow: AtomicU64,
}

impl Gauges for Shared {
    type Kind = ();

    fn gauge(&self, (): ()) -> &Gauge {
        &self.connections
    }
}

impl Breaker {
    /// With limits.
    pub fn new(limits: CircuitLimits) -> Self {
        Self(Arc::new(Shared {
            connections: Gauge::default(),
            max_connections: AtomicU32::new(limits.max_connections),
            max_pending: AtomicU32::new(limits.max_pending_requests),
            max_requests: AtomicU32::new(limits.max_requests),
            retries: RetryBudget::of_breaker(&limits),
            connection_overflow: AtomicU64::new(0),
            pending_overflow: AtomicU64::new(0),
            request_overflow: AtomicU64::new(0),
            retry_overflow: AtomicU64::new(0),
        }))
    }

    /// Follows new limits. What is open stays open and counted, also above a lower limit.
    pub fn set_limits(&self, limits: CircuitLimits) {
        self.0.max_connections.store(limits.max_connections, Relaxed);
        self.0.max_pending.store(limits.max_pending_requests, Relaxed);
        self.0.max_requests.store(limits.max_requests, Relaxed);
        self.0.retries.set(&limits);
    }

    /// A place for a connection.
    ///
    /// # Errors
    /// [`Overflow`] if as many are open as may be; so for all of these.
    pub fn try_acquire_connection(&self) -> Result<Permit, Overflow> {
        match Held::try_open(&self.0, (), self.0.max_connections.load(Relaxed)) {
            Some(held) => Ok(Permit { resource: Resource::Connection, _place: Place::Connection(held) }),
            None => Err(refused(Resource::Connection, &self.0.connection_overflow)),
        }
    }

    /// A place for a request that waits for a connection.
    ///
    /// # Errors
    /// [`Overflow`] if as many wait as may.
    pub fn try_acquire_pending(&self) -> Result<Permit, Overflow> {
        match self.0.retries.try_pending(self.0.max_pending.load(Relaxed)) {
            Some(counted) => Ok(Permit { resource: Resource::Pending, _place: Place::Counted(counted) }),
            None => Err(refused(Resource::Pending, &self.0.pending_overflow)),
        }
    }

    /// A place for a request in flight; keep it until the response's body has ended.
    ///
    /// # Errors
    /// [`Overflow`] if as many are in flight as may be.
    pub fn try_acquire_request(&self) -> Result<Permit, Overflow> {
        match self.0.retries.try_request(self.0.max_requests.load(Relaxed)) {
            Some(counted) => Ok(Permit { resource: Resource::Request, _place: Place::Counted(counted) }),
            None => Err(refused(Resource::Request, &self.0.request_overflow)),
        }
    }

    /// A place for a retry in flight.
    ///
    /// # Errors
    /// [`Overflow`] if the budget, or without one `max_retries`, is used up.
    pub fn try_acquire_retry(&self) -> Result<RetryPermit, Overflow> {
        self.0.retries.try_retry().ok_or_else(|| refused(Resource::Retry, &self.0.retry_overflow))
    }

    /// The bound on retries, for a `RetryLayer`: a share of the requests that this breaker counts, waiting or
    /// in flight.
    pub fn retry_budget(&self) -> RetryBudget {
        self.0.retries.clone()
    }

    /// Whether the next permit of a kind would be refused: Envoy's gauges `circuit_breakers.default.*_open`.
    pub fn is_open(&self, resource: Resource) -> bool {
        let (open, max) = match resource {
            Resource::Connection => (self.0.connections.open(), &self.0.max_connections),
            Resource::Pending => (self.0.retries.pending(), &self.0.max_pending),
            Resource::Request => (self.0.retries.requests(), &self.0.max_requests),
            Resource::Retry => return self.0.retries.retries() >= self.0.retries.limit(),
        };
        open >= max.load(Relaxed)
    }

    /// What is open and what was refused.
    pub fn snapshot(&self) -> BreakerCounts {
        let s = &*self.0;
        BreakerCounts {
            connections: s.connections.open(),
            pending: s.retries.pending(),
            requests: s.retries.requests(),
            retries: s.retries.retries(),
            upstream_cx_overflow: s.connection_overflow.load(Relaxed),
            upstream_rq_pending_overflow: s.pending_overflow.load(Relaxed) + s.request_overflow.load(Relaxed),
            upstream_rq_retry_overflow: s.retry_overflow.load(Relaxed),
        }
    }
}

#[cold]
fn refused(resource: Resource, overflow: &AtomicU64) -> Overflow {
    overflow.fetch_add(1, Relaxed);
    Overflow::new(resource)
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
    _place: Place,
}

enum Place {
    Connection(#[expect(dead_code, reason = "held until it is dropped")] Held<Shared>),
    Counted(#[expect(dead_code, reason = "held until it is dropped")] ActiveRequest),
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
#[non_exhaustive]
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
