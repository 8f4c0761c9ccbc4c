//! What is known of the connection that a request came on.

use http::{Extensions, Request};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// The connection that a request came on. Whoever accepts connections puts it into each request's
/// extensions, as [`ConnectionLayer`] does; nothing that a caller sends can set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it was made to: the original destination where traffic is captured.
    pub local: SocketAddr,
    /// Its peer.
    pub remote: SocketAddr,
    /// The caller by `x-forwarded-for`, where that is trusted; else `None`, and the peer is the caller.
    pub client: Option<IpAddr>,
    /// The server name of the TLS hello.
    pub server_name: Option<Arc<str>>,
}

impl Connection {
    /// A connection without proxies in front and without TLS.
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local, remote, client: None, server_name: None }
    }
}

type Read = Arc<dyn Fn(&Extensions) -> Option<Connection> + Send + Sync>;

/// Tells the layers below which [`Connection`] a request came on, by what the server says of it in its own way.
#[doc = include_str!("connection.md")]
#[derive(Clone)]
pub struct ConnectionLayer(Read);

impl ConnectionLayer {
    /// Reads the connection off an extension that the server puts into each request: a [`Connection`], or `None`
    /// where it does not say enough.
    ///
    /// A request without the extension has no connection afterwards, whatever stood there: rules about callers deny
    /// it, and its limits are those of the unknown.
    pub fn from_extension<T, C>(read: impl Fn(&T) -> C + Send + Sync + 'static) -> Self
    where
        T: Send + Sync + 'static,
        C: Into<Option<Connection>>,
    {
        Self(Arc::new(move |extensions| extensions.get().and_then(|found| read(found).into())))
    }
}

impl fmt::Debug for ConnectionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionLayer")
    }
}

impl<S> Layer<S> for ConnectionLayer {
    type Service = WithConnection<S>;

    fn layer(&self, inner: S) -> WithConnection<S> {
        WithConnection { inner, layer: self.clone() }
    }
}

/// Tells the service below which [`Connection`] a request came on.
#[derive(Clone, Debug)]
pub struct WithConnection<S> {
    inner: S,
    layer: ConnectionLayer,
}

impl<S, B> Service<Request<B>> for WithConnection<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> S::Future {
        match (self.layer.0)(req.extensions()) {
            Some(connection) => {
                req.extensions_mut().insert(connection);
            }
            None => {
                req.extensions_mut().remove::<Connection>();
            }
        }
        self.inner.call(req)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_request_has_the_connection_that_the_server_tells_of_and_no_other() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (here, peer) = (address("10.0.0.1:80"), address("192.0.2.7:4000"));
        let layer = ConnectionLayer::from_extension(move |peer: &SocketAddr| Connection::new(here, *peer));
        let script = Script::new([]);
        let mut told = Request::new(());
        told.extensions_mut().insert(peer);
        layer.layer(script.clone()).oneshot(told).await.unwrap();
        let mut untold = Request::new(());
        untold.extensions_mut().insert(Connection::new(here, peer));
        layer.layer(script.clone()).oneshot(untold).await.unwrap();
        let seen = script.seen.lock();
        assert_eq!(seen[0].extensions().get(), Some(&Connection::new(here, peer)));
        assert_eq!(seen[1].extensions().get::<Connection>(), None);
    }
}
