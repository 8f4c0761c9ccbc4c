//! The resources that people write: Istio's and Kubernetes' kinds as typed values.
//!
//! ```text
//! text ─source─▶ [Resource] ─validate─▶ World ─compile─▶ Snapshot
//! ```
//!
//! All served versions of a kind lower into one type. Unknown fields are errors; a known field that the
//! mesh does not honour yet is a finding of the compiler, never silence.

pub mod extensions;
pub mod gateway_api;
pub mod kind;
pub mod kubernetes;
pub mod mesh;
pub mod networking;
mod number;
pub mod schema;
pub mod security;
pub mod telemetry;
pub mod value;

pub use kind::{AnyResource, FieldError, KINDS, Kind, KindInfo, kind_info};
pub use mesh::MeshConfig;

use crate::diagnostic::SourceMap;
use crate::origin::{Origin, Place};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every resource has: `metadata` and where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// API group, such as `networking.istio.io`; empty for Kubernetes' core group.
    pub group: Arc<str>,
    /// API version as written, such as `v1` or `v1alpha3`.
    pub version: Arc<str>,
    /// Kind, such as `VirtualService`.
    pub kind: Arc<str>,
    /// Namespace; `default` where none is written.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `creationTimestamp`, seconds since 1970; orders resources where Istio leaves an order open.
    pub created: Option<i64>,
    /// `generation`, which Kubernetes counts up with each change of the spec; `None` in files.
    pub generation: Option<i64>,
}

/// A typed resource with its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource<T> {
    /// What it is called.
    pub meta: Meta,
    /// What it says.
    pub spec: T,
    /// Where each of its fields stands.
    pub source: Arc<SourceMap>,
}

impl<T> Resource<T> {
    /// The resource and the place of one of its fields, such as `spec.http[0].fault`; the place of the
    /// nearest parent where the field itself is not written, `""` for the resource.
    pub fn origin_of(&self, path: &str) -> Origin {
        let place =
            self.source.locate(path).map(|span| Place { file: self.source.file.clone(), line: span.line });
        let Meta { group, version, kind, namespace, name, .. } = &self.meta;
        Origin {
            group: group.clone(),
            version: version.clone(),
            kind: kind.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
            place,
        }
    }

    /// The resource and its first line.
    pub fn origin(&self) -> Origin {
        self.origin_of("")
    }
}
