//! The protocol's state per stream, without IO: requests and new resources in, responses out.
//!
//! ```text
//! request ──────▶ ┌─────────┐ ──▶ responses, in push order
//! new Resources ─▶│ Session │
//!                 └─────────┘ ──▶ events: acknowledged, rejected, stale
//! ```
//!
//! [`sotw`] and [`delta`] differ in what they remember of the client; the stream task drives both alike.
//! Every kind of resource is a sub-stream of its own: no answer waits for another kind's ACK.

pub(crate) mod delta;
pub(crate) mod sotw;

use super::interest::TooManyNames;
use super::resources::{Name, Resource, Resources, Version};
use crate::ResourceType;
use envoy_types::pb::envoy::config::core::v3::{ControlPlane, Node};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One stream's state.
pub(crate) trait Session: Send + 'static {
    /// What the client sends.
    type Request: Send + 'static;
    /// What it is answered.
    type Response: Send + 'static;

    /// For status.
    const PROTOCOL: super::Protocol;

    /// A session of a new stream. `nonces` must not repeat between streams.
    fn new(nonces: Nonces, client: Client) -> Self;

    /// The node in a request, if it carries one.
    fn node(request: &Self::Request) -> Option<&Node>;

    /// The type URL in a request.
    fn type_url(request: &Self::Request) -> &str;

    /// A request came.
    fn on_request(
        &mut self,
        request: Self::Request,
        out: &mut Output<Self::Response>,
    ) -> Result<(), TooManyNames>;

    /// There is something new to offer.
    fn on_resources(&mut self, next: Arc<Resources>, out: &mut Output<Self::Response>);
}

/// What a session must know of the client's habits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    /// It keeps a cluster's endpoints when the cluster changes: no need to send them again.
    pub(crate) keeps_endpoints: bool,
}

/// Makes the nonces of one stream.
#[derive(Debug)]
pub(crate) struct Nonces {
    stream: u64,
    count: u64,
}

impl Nonces {
    /// Nonces that start with this number.
    pub(crate) fn new(stream: u64) -> Self {
        Self { stream, count: 0 }
    }

    fn next(&mut self) -> String {
        self.count += 1;
        format!("{:016x}-{}", self.stream, self.count)
    }
}

/// The last response of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) kind: ResourceType,
    pub(crate) nonce: String,
    pub(crate) version: String,
}

/// Something that a client said about a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It applied this one.
    Acked(Sent),
    /// It refused this one.
    Nacked {
        /// Which.
        response: Sent,
        /// Why, in its words.
        message: String,
    },
    /// It answered a response that is not the newest.
    Stale(ResourceType),
}

/// A response with what status needs to know of it.
#[derive(Debug)]
pub(crate) struct Outgoing<R> {
    pub(crate) sent: Sent,
    pub(crate) response: R,
}

/// What a session wants done.
#[derive(Debug)]
pub(crate) struct Output<R> {
    pub(crate) responses: Vec<Outgoing<R>>,
    pub(crate) events: Vec<Event>,
}

impl<R> Default for Output<R> {
    fn default() -> Self {
        Self { responses: vec![], events: vec![] }
    }
}

/// Reads an ACK or a NACK: an error is a NACK, whatever the versions say.
fn verdict(
    last: Option<&Sent>,
    kind: ResourceType,
    nonce: &str,
    error: Option<envoy_types::pb::google::rpc::Status>,
) -> Option<Event> {
    if nonce.is_empty() {
        return None;
    }
    Some(match (last.filter(|sent| sent.nonce == nonce), error) {
        (None, _) => Event::Stale(kind),
        (Some(sent), None) => Event::Acked(sent.clone()),
        (Some(sent), Some(error)) => Event::Nacked { response: sent.clone(), message: error.message },
    })
}

/// The endpoints of clusters that a client is about to get in a version that it does not hold. It warms them
/// again, and waits for endpoints even if those did not change.
fn warming<'a>(
    resources: &'a Resources,
    covers: impl Fn(&str) -> bool + 'a,
    held: impl Fn(&str) -> Option<Version> + 'a,
) -> BTreeSet<Name> {
    resources
        .clusters
        .by_name
        .iter()
        .filter(|(name, cluster)| covers(name) && held(name) != Some(cluster.version))
        .filter_map(|(_, Resource { endpoints, .. })| endpoints.clone())
        .collect()
}

fn control_plane() -> Option<ControlPlane> {
    Some(ControlPlane { identifier: concat!("mesh/", env!("CARGO_PKG_VERSION")).to_owned() })
}

#[cfg(test)]
pub(crate) mod fixture {
    //! Resources made of plain bytes.

    use crate::ResourceType;
    use crate::server::resources::{Name, Resource, ResourceSet, Resources};
    use bytes::Bytes;
    use std::sync::Arc;

    /// `("c1", "v1")`; a cluster named `c` asks for endpoints `e/c` unless its body starts with `static`.
    pub(crate) type Entry = (&'static str, &'static str);

    fn set(kind: ResourceType, entries: &[Entry]) -> Arc<ResourceSet> {
        let entry = |(name, body): &Entry| {
            let endpoints = (kind == ResourceType::Cluster && !body.starts_with("static"))
                .then(|| Name::from(format!("e/{name}")));
            (Name::from(*name), Resource::new(Bytes::copy_from_slice(body.as_bytes()), endpoints))
        };
        Arc::new(entries.iter().map(entry).collect())
    }

    /// Resources by kind: clusters, endpoints, listeners, routes.
    pub(crate) fn resources(kinds: [&[Entry]; 4]) -> Arc<Resources> {
        let [clusters, endpoints, listeners, routes] = kinds;
        Arc::new(Resources {
            version: "test".into(),
            clusters: set(ResourceType::Cluster, clusters),
            endpoints: set(ResourceType::Endpoint, endpoints),
            listeners: set(ResourceType::Listener, listeners),
            routes: set(ResourceType::Route, routes),
        })
    }

    /// Bodies as text.
    pub(crate) fn text(any: &envoy_types::pb::google::protobuf::Any) -> String {
        String::from_utf8(any.value.clone()).unwrap()
    }
}
