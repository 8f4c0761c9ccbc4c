//! The names of what istiod generates; tools and metrics know resources by them.

use crate::model::Name;

/// Where captured traffic to unknown hosts goes.
pub(super) const PASSTHROUGH: &str = "PassthroughCluster";
/// A cluster without endpoints.
pub(super) const BLACK_HOLE: &str = "BlackHoleCluster";
/// The name of a route that no VirtualService declares.
pub(super) const DEFAULT_ROUTE: &str = "default";
/// Virtual host of unknown hosts that may be called.
pub(super) const ALLOW_ANY: &str = "allow_any";
/// Virtual host of unknown hosts that may not.
pub(super) const BLOCK_ALL: &str = "block_all";

/// `outbound|9080|v1|reviews.default.svc.cluster.local`.
pub(super) fn outbound(port: u16, subset: &str, host: &str) -> Name {
    format!("outbound|{port}|{subset}|{host}").into()
}

/// The same as a TLS server name: `outbound_.9080_.v1_.reviews.default.svc.cluster.local`.
pub(super) fn sni(port: u16, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// `inbound|9080||`.
pub(super) fn inbound(port: u16) -> Name {
    format!("inbound|{port}||").into()
}

/// `127.0.0.1_9080`; of a Unix socket, its path.
pub(super) fn listener(bind: &str, port: u16) -> Name {
    format!("{bind}_{port}").into()
}
