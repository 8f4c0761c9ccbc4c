//! Where a request goes: virtual hosts, routes and what happens on the way.
//!
//! Envoy's `route.v3.RouteConfiguration`. [`crate::decide::route`] reads it.

mod retry;

pub use retry::{RateLimitedBackoff, ResetFormat, ResetHeader, RetryCondition, RetryOn, RetryPolicy};

use super::Name;
use super::http::Fault;
use super::matcher::{HeaderMatch, QueryMatch, Regex};
use super::values::{Fraction, Priority};
use crate::origin::Origin;
use http::{HeaderName, HeaderValue};
use std::time::Duration;

/// A named table of virtual hosts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTable {
    /// The name that listeners ask for, such as `9080` or `http_proxy`.
    pub name: Name,
    /// The virtual hosts; a domain stands in at most one.
    pub virtual_hosts: Vec<VirtualHost>,
    /// Do not look at a port in the authority when virtual hosts are searched.
    pub ignore_port_in_host_matching: bool,
}

/// The hosts that share a list of routes.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualHost {
    /// Name, such as `reviews.default.svc.cluster.local:9080`.
    pub name: Name,
    /// `reviews`, `reviews:9080`, `*.example.com`, `example.*` or `*`; lower-case.
    pub domains: Vec<String>,
    /// In order; the first that matches is taken.
    pub routes: Vec<Route>,
    /// Changes to requests and responses of all routes.
    pub headers: HeaderChanges,
    /// Tell the upstream how often this request was sent: `x-envoy-attempt-count`.
    pub include_attempt_count: bool,
    /// The resource that declared it.
    pub origin: Option<Origin>,
}

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Name, for `%ROUTE_NAME%`; may be empty.
    pub name: Name,
    /// What a request must be like.
    pub matches: RouteMatch,
    /// What happens to it.
    pub action: Action,
    /// Changes to the request and the response.
    pub headers: HeaderChanges,
    /// Delay and abort for this route; `None` inherits nothing.
    pub fault: Option<Fault>,
    /// Text after the action's name in a decision record, such as `reviews.default.svc.cluster.local:9080/*`.
    pub decorator: Option<Name>,
    /// The resource that declared it.
    pub origin: Option<Origin>,
}

/// What a request must be like to take a route: all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteMatch {
    /// The path, without the query.
    pub path: PathMatch,
    /// Compare the path with case; regular expressions do not look at it.
    pub case_sensitive: bool,
    /// All of these headers.
    pub headers: Vec<HeaderMatch>,
    /// All of these query parameters.
    pub query: Vec<QueryMatch>,
    /// Only this share of what matches otherwise.
    pub fraction: Option<Fraction>,
}

impl Default for RouteMatch {
    /// Everything.
    fn default() -> Self {
        Self {
            path: PathMatch::Prefix("/".into()),
            case_sensitive: true,
            headers: vec![],
            query: vec![],
            fraction: None,
        }
    }
}

/// What a path must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// Starts with these bytes.
    Prefix(String),
    /// Starts with these segments: `/a` takes `/a` and `/a/b`, not `/ab`. Written without a trailing `/`.
    Segments(String),
    /// Equal.
    Exact(String),
    /// Matches as a whole.
    Regex(Regex),
}

/// What happens to a request that takes a route.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send it on.
    Forward(Box<Forward>),
    /// Answer with a redirect.
    Redirect(Redirect),
    /// Answer at once.
    Respond(DirectResponse),
}

/// How a request is sent on. Envoy's `route.v3.RouteAction`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// To where.
    pub to: Target,
    /// From the end of the request to the end of the response; `None` has no bound (Envoy's 0).
    pub timeout: Option<Duration>,
    /// Retries; `None` means never.
    pub retry: Option<RetryPolicy>,
    /// Change to the path.
    pub rewrite: Option<PathRewrite>,
    /// Replace `:authority`.
    pub host_rewrite: Option<String>,
    /// Copies of the request.
    pub mirrors: Vec<Mirror>,
    /// Which circuit-breaker limits count.
    pub priority: Priority,
    /// What a consistent hash is taken of.
    pub hash: Vec<HashPolicy>,
}

impl Forward {
    /// To one cluster, with nothing else.
    pub fn to(cluster: impl Into<Name>) -> Self {
        Self {
            to: Target::Cluster(cluster.into()),
            timeout: None,
            retry: None,
            rewrite: None,
            host_rewrite: None,
            mirrors: vec![],
            priority: Priority::Default,
            hash: vec![],
        }
    }
}

/// The cluster or clusters that a route sends to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// One.
    Cluster(Name),
    /// Several, by weight. At least one weight is not zero.
    Weighted(Vec<WeightedCluster>),
}

/// A cluster's share of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedCluster {
    /// The cluster.
    pub cluster: Name,
    /// Its share of the sum.
    pub weight: u32,
    /// Changes for requests that go there.
    pub headers: HeaderChanges,
}

/// How a path changes before it is sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// The matched prefix (or the whole path, under an exact match) becomes this.
    Prefix(String),
    /// What the pattern matches becomes this; `\1` stands for a group.
    Regex {
        /// What is looked for, anywhere in the path.
        pattern: Regex,
        /// What it becomes.
        substitution: String,
    },
}

/// A copy of requests for another cluster; its response is thrown away.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Where the copy goes.
    pub cluster: Name,
    /// The share of requests that are copied.
    pub fraction: Fraction,
}

/// What a consistent hash is taken of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashPolicy {
    /// A header's value.
    Header(HeaderName),
    /// A cookie; made with this lifetime if it is missing and one is given.
    Cookie {
        /// Its name.
        name: String,
        /// Its path attribute.
        path: String,
        /// Lifetime of a cookie that the proxy makes; zero is a session cookie, `None` makes none.
        ttl: Option<Duration>,
    },
    /// The caller's IP address.
    SourceIp,
    /// A query parameter.
    Query(String),
}

/// A redirect. Envoy's `route.v3.RedirectAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Replaces the scheme.
    pub scheme: Option<String>,
    /// Replaces the host.
    pub host: Option<String>,
    /// Replaces the port.
    pub port: Option<u16>,
    /// Replaces the path.
    pub path: Option<RedirectPath>,
    /// 301, 302, 303, 307 or 308.
    pub status: http::StatusCode,
    /// Leave the query out.
    pub strip_query: bool,
}

/// How a redirect changes the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectPath {
    /// The whole path becomes this.
    Full(String),
    /// The matched prefix becomes this.
    Prefix(String),
}

/// An answer that no upstream gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectResponse {
    /// Its status.
    pub status: http::StatusCode,
    /// Its body.
    pub body: bytes::Bytes,
}

/// Changes to the headers of a request and of its response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Of the request.
    pub request: HeaderEdit,
    /// Of the response.
    pub response: HeaderEdit,
}

/// Changes to one set of headers, done in this order: remove, set, add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdit {
    /// Replace all values.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Add a value.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Remove all values.
    pub remove: Vec<HeaderName>,
}

impl HeaderEdit {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// Makes the changes.
    pub fn apply(&self, headers: &mut http::HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }
}
