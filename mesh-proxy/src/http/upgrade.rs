//! WebSocket and other upgrades of HTTP/1.1: after 101 the two connections are joined.
//!
//! ```text
//! 101 ─▶ [join] ─▶ a task of its own: caller ◀──bytes──▶ upstream
//!                  holds the mark of an open connection, the request's permits, the upstream's slot
//! ```
//!
//! Only the kinds that the manager names pass. Bytes that a caller sends before the answer stay in its
//! codec's buffer and reach the upstream only after it agreed. What was joined counts as a connection and as
//! a request until it ends: limits hold for it, and the end of the process waits for it. It ends with either
//! side, when nothing was said for too long, or when the time of its filter chain is over.

use super::head::is_upgrade;
use super::rescue::reject;
use crate::body::Body;
use crate::drain::{Draining, Phase};
use crate::outbound::StackBody;
use crate::shared::Shared;
use crate::tcp::splice::{Meter, both_ways};
use crate::worker;
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use mesh_policy::Rejection;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long nothing may be said where the manager does not say it: as long as on a TCP connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// A caller's wish to leave HTTP.
pub(super) struct Upgrade {
    caller: OnUpgrade,
    draining: Option<Draining>,
}

/// Counts what a caller's connection has become.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.counters.connections_active.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.connections_active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upgrade {
    /// The upgrade that a request asks for, if any.
    pub(super) fn asked<B>(
        request: &mut Request<B>,
        allowed: &[String],
    ) -> Result<Option<Self>, Box<Rejection>> {
        if !is_upgrade(request.headers()) {
            return Ok(None);
        }
        let kind = request.headers().get(UPGRADE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !allowed.iter().any(|a| a.eq_ignore_ascii_case(kind)) {
            return Err(Box::new(reject(StatusCode::FORBIDDEN, "", "upgrade_failed", None)));
        }
        let draining = request.extensions_mut().remove();
        Ok(Some(Self { caller: hyper::upgrade::on(request), draining }))
    }

    /// Joins both connections, for the upstream agreed; what the caller is told.
    pub(super) fn join(
        self,
        response: Response<StackBody>,
        idle: Option<Duration>,
        shared: &Arc<Shared>,
    ) -> Response<Body> {
        let (parts, permits) = response.into_parts();
        let mut response = Response::from_parts(parts, Body::empty());
        let upstream = hyper::upgrade::on(&mut response);
        // Begins while the connection still counts by itself, so that nobody sees none.
        let open = Open::new(shared);
        let Self { caller, draining } = self;
        worker::spawn(shared, async move {
            let _held = (open, permits);
            let joined = joined(caller, upstream, idle.unwrap_or(IDLE_TIMEOUT));
            let ended = tokio::select! {
                ended = joined => ended,
                () = over(draining) => Err(io::Error::other("its filter chain has gone")),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "an upgraded connection ended");
            }
        });
        response
    }
}

async fn joined(caller: OnUpgrade, upstream: OnUpgrade, idle: Duration) -> io::Result<()> {
    let (caller, upstream) = tokio::try_join!(caller, upstream).map_err(io::Error::other)?;
    let (mut caller, mut upstream) = (TokioIo::new(caller), TokioIo::new(upstream));
    both_ways(&mut caller, &mut upstream, Some(idle), &Meter::default()).await
}

/// Waits until the time of the chain is over.
async fn over(draining: Option<Draining>) {
    let Some(mut draining) = draining else { return std::future::pending().await };
    while draining.phase() < Phase::Over {
        draining.changed().await;
    }
}
