//! Where bytes go: a socket address or the path of a Unix socket.
//!
//! Listeners bind to one, endpoints are reached at one. Envoy's `core.v3.Address`.

use std::fmt;
use std::net::{AddrParseError, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// An address that a listener binds or an endpoint is reached at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// IP and port.
    Socket(SocketAddr),
    /// Path of a Unix stream socket; written `unix:/path` as Istio does.
    Unix(Arc<str>),
}

impl Address {
    /// The socket address, unless it is a Unix socket.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(a) => Some(*a),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(a: SocketAddr) -> Self {
        Self::Socket(a)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(a) => a.fmt(f),
            Self::Unix(p) => write!(f, "unix:{p}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddrParseError;

    /// Reads `IP:PORT`, `[IPv6]:PORT` or `unix:/path`.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.strip_prefix("unix:") {
            Some(path) => Ok(Self::Unix(path.into())),
            None => s.parse().map(Self::Socket),
        }
    }
}
