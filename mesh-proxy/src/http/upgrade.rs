//! WebSocket and other upgrades of HTTP/1.1: after 101 the two connections are joined.
//!
//! Only the kinds that the manager names pass. Bytes that a caller sends before the answer stay in its
//! codec's buffer and reach the upstream only after it agreed.

use super::head::is_upgrade;
use super::rescue::reject;
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use mesh_policy::Rejection;

/// A caller's wish to leave HTTP.
pub(super) struct Upgrade {
    caller: OnUpgrade,
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
        Ok(Some(Self { caller: hyper::upgrade::on(request) }))
    }

    /// Joins both connections if the upstream agreed.
    pub(super) fn join<B>(self, response: &mut Response<B>) {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let upstream = hyper::upgrade::on(response);
        tokio::spawn(async move {
            let (caller, upstream) = match tokio::try_join!(self.caller, upstream) {
                Ok(both) => both,
                Err(error) => {
                    tracing::debug!(%error, "an upgrade failed");
                    return;
                }
            };
            let (mut caller, mut upstream) = (TokioIo::new(caller), TokioIo::new(upstream));
            if let Err(error) = tokio::io::copy_bidirectional(&mut caller, &mut upstream).await {
                tracing::debug!(%error, "an upgraded connection ended");
            }
        });
    }
}
