//! Istio's metadata exchange: each proxy tells the other which workload it stands for.
//!
//! `x-envoy-peer-metadata-id` is the node id, `x-envoy-peer-metadata` the base64 of a
//! `google.protobuf.Struct` with `NAME`, `NAMESPACE`, `WORKLOAD_NAME`, `OWNER`, `CLUSTER_ID` and `LABELS`.
//! A caller sends both; a callee answers with both if it was sent both. Neither leaves the mesh.

use super::{APP, CANONICAL_NAME, CANONICAL_REVISION, Peer, VERSION};
use crate::read_mostly::ReadMostly;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderName, HeaderValue};
use indexmap::Equivalent;
use mesh_core::model::Name;
use mesh_core::model::endpoint::WorkloadRef;
use mesh_core::node::Node;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The header that carries a workload's metadata.
pub const PEER_METADATA: HeaderName = HeaderName::from_static("x-envoy-peer-metadata");
/// The header that carries a node's id.
pub const PEER_METADATA_ID: HeaderName = HeaderName::from_static("x-envoy-peer-metadata-id");

/// Envoy writes padding; some writers leave it out, and Istio's reader takes both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Both headers of a node, ready to be set.
#[derive(Clone, Debug)]
pub struct Exchange {
    id: HeaderValue,
    metadata: HeaderValue,
}

impl Exchange {
    /// What a node says of itself; computed once per proxy.
    ///
    /// # Errors
    /// If the node's id holds a byte that no header may hold.
    pub fn of(node: &Node) -> Result<Self, http::header::InvalidHeaderValue> {
        let text = BASE64.encode(encode(node).encode_to_vec());
        Ok(Self { id: HeaderValue::try_from(node.id())?, metadata: HeaderValue::try_from(text)? })
    }

    /// Value of [`PEER_METADATA_ID`].
    pub fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// Value of [`PEER_METADATA`].
    pub fn metadata(&self) -> &HeaderValue {
        &self.metadata
    }
}

fn text(s: &str) -> Value {
    Value { kind: Some(Kind::StringValue(s.to_owned())) }
}

fn encode(node: &Node) -> Struct {
    let peer = Peer::of(node);
    let workload = peer.workload();
    let non_empty = |pairs: &[(&str, &str)]| -> BTreeMap<String, Value> {
        pairs.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| ((*k).to_owned(), text(v))).collect()
    };
    let labels = non_empty(&[
        (APP, peer.app()),
        (VERSION, peer.version()),
        (CANONICAL_NAME, &workload.canonical_service),
        (CANONICAL_REVISION, &workload.canonical_revision),
    ]);
    // Outside of Kubernetes nothing owns the workload but itself; Istio then says that it is a pod.
    let owner = format!("kubernetes://apis/apps/v1/namespaces/{}/pods/{}", workload.namespace, workload.name);
    let mut fields = non_empty(&[
        ("NAME", &node.name),
        ("NAMESPACE", &workload.namespace),
        ("WORKLOAD_NAME", &workload.name),
        ("CLUSTER_ID", &workload.cluster),
        ("OWNER", &owner),
    ]);
    fields.insert("LABELS".to_owned(), Value { kind: Some(Kind::StructValue(Struct { fields: labels })) });
    Struct { fields }
}

/// Longer values are not looked at: what Istio writes is below 2 KiB.
const MAX_VALUE: usize = 16 * 1024;
/// Longer names are cut: they become labels. Kubernetes allows 253 bytes.
const MAX_NAME: usize = 253;

/// Reads [`PEER_METADATA`]; `None` if it is not what Istio writes.
fn decode(value: &[u8]) -> Option<Peer> {
    if value.len() > MAX_VALUE {
        return None;
    }
    let fields = Struct::decode(BASE64.decode(value).ok()?.as_slice()).ok()?.fields;
    let empty = BTreeMap::new();
    let labels = match fields.get("LABELS").and_then(|v| v.kind.as_ref()) {
        Some(Kind::StructValue(s)) => &s.fields,
        _ => &empty,
    };
    let workload = WorkloadRef {
        name: name(&fields, "WORKLOAD_NAME"),
        namespace: name(&fields, "NAMESPACE"),
        canonical_service: name(labels, CANONICAL_NAME),
        canonical_revision: name(labels, CANONICAL_REVISION),
        cluster: name(&fields, "CLUSTER_ID"),
    };
    Some(Peer::new(workload, name(labels, APP), name(labels, VERSION)))
}

fn name(fields: &BTreeMap<String, Value>, key: &str) -> Name {
    let text = match fields.get(key).and_then(|v| v.kind.as_ref()) {
        Some(Kind::StringValue(s)) => s.as_str(),
        _ => "",
    };
    text.get(..text.floor_char_boundary(MAX_NAME)).unwrap_or_default().into()
}

/// The peers that were met, so that their metadata is decoded once; bounded.
///
/// It is keyed by the metadata itself: Istio's key, the id, would let one peer speak for another.
pub struct PeerCache {
    entries: ReadMostly<Entry>,
    capacity: usize,
}

struct Entry {
    value: Box<[u8]>,
    /// `None` remembers that the value cannot be read.
    peer: Option<Arc<Peer>>,
}

#[derive(PartialEq, Eq)]
struct Query<'a>(&'a [u8]);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl Hash for Query<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Arc<Entry>> for Query<'_> {
    fn equivalent(&self, key: &Arc<Entry>) -> bool {
        *self.0 == *key.value
    }
}

impl PeerCache {
    /// A cache of Istio's size, 500 peers.
    pub fn new() -> Self {
        Self::with_capacity(500)
    }

    /// A cache of another size.
    pub fn with_capacity(peers: usize) -> Self {
        Self { entries: ReadMostly::new(), capacity: peers.max(1) }
    }

    /// The peer that a value of [`PEER_METADATA`] names; `None` if it cannot be read.
    ///
    /// A known value takes no lock and allocates nothing.
    pub fn peer(&self, metadata: &HeaderValue) -> Option<Arc<Peer>> {
        let value = metadata.as_bytes();
        if value.len() > MAX_VALUE {
            return None;
        }
        let mut made = false;
        let make = || {
            made = true;
            Some(Arc::new(Entry { value: value.into(), peer: decode(value).map(Arc::new) }))
        };
        let peer = self.entries.with(&Query(value), make, |e| e.peer.clone()).flatten();
        // Only a flood of new peers comes here; whoever is still talking is read again.
        if made && self.entries.len() > self.capacity {
            self.entries.clear();
        }
        peer
    }

    /// How many peers it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for PeerCache {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PeerCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerCache").field("peers", &self.len()).finish_non_exhaustive()
    }
}
