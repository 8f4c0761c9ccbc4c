//! Which kinds there are, and one type that holds a resource of any of them.

use super::extensions::{TrafficExtension, WasmPlugin};
use super::gateway_api::{
    BackendTlsPolicy, Gateway as KubernetesGateway, GatewayClass, GrpcRoute, HttpRoute, ListenerSet,
    ReferenceGrant, TcpRoute, TlsRoute, UdpRoute, XListenerSet,
};
use super::kubernetes::{
    ConfigMap, CronJob, DaemonSet, Deployment, EndpointSlice, Endpoints, Ingress, IngressClass, Job,
    Namespace, Node, Pod, ReplicaSet, Secret, Service, ServiceAccount, StatefulSet,
};
use super::networking::{
    DestinationRule, EnvoyFilter, Gateway, ProxyConfig, ServiceEntry, Sidecar, VirtualService, WorkloadEntry,
    WorkloadGroup,
};
use super::schema::Described;
use super::security::{AuthorizationPolicy, PeerAuthentication, RequestAuthentication};
use super::telemetry::Telemetry;
use super::{Meta, Resource};
use crate::diagnostic::SourceMap;
use crate::yaml::{Tree, tree, typed};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A kind of resource.
pub trait Kind: DeserializeOwned + Described + fmt::Debug + PartialEq + Sized {
    /// API group; empty for Kubernetes' core group.
    const GROUP: &'static str;
    /// Name of the kind.
    const KIND: &'static str;
    /// Versions that are served; the first is the stored one. All read alike.
    const VERSIONS: &'static [&'static str];
    /// Whether it has no namespace.
    const CLUSTER_SCOPED: bool = false;
    /// Where in a document it stands.
    const BODY: Body = Body::Spec;

    /// The resource, if it is of this kind.
    fn of(resource: &AnyResource) -> Option<&Arc<Resource<Self>>>;
}

/// Where in a document a kind's fields stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// In `spec`; beside it stand `metadata` and `status` alone.
    Spec,
    /// In `spec` of a Kubernetes kind: other fields are accepted.
    LenientSpec,
    /// In the document itself.
    Document,
}

/// What is known of a kind without a value of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// API group.
    pub group: &'static str,
    /// Name of the kind.
    pub kind: &'static str,
    /// Versions that are served.
    pub versions: &'static [&'static str],
    /// Whether it has no namespace.
    pub cluster_scoped: bool,
}

/// Why a document is not a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FieldError {
    /// The field, such as `spec.http[0].timeout`; empty for the whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl FieldError {
    /// An error of a field.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The name of a kind: that of its type, unless another is written.
macro_rules! name_of {
    ($kind:ident) => {
        stringify!($kind)
    };
    ($kind:ident $name:literal) => {
        $name
    };
}

macro_rules! kinds {
    ($($kind:ident $(as $name:literal)?: $group:literal $versions:expr, $body:expr $(, cluster_scoped: $cluster:literal)?;)+) => {
        /// A resource of any kind. The Gateway API's Gateway is, as in Istio's own code, `KubernetesGateway`.
        #[derive(Clone, Debug, PartialEq)]
        pub enum AnyResource {
            $(
                #[doc = concat!("A resource of kind ", name_of!($kind $($name)?), " of group `", $group, "`.")]
                $kind(Arc<Resource<$kind>>),
            )+
        }

        /// Every kind that the mesh reads.
        pub const KINDS: &[KindInfo] = &[
            $(KindInfo {
                group: <$kind as Kind>::GROUP,
                kind: <$kind as Kind>::KIND,
                versions: <$kind as Kind>::VERSIONS,
                cluster_scoped: <$kind as Kind>::CLUSTER_SCOPED,
            },)+
        ];

        impl AnyResource {
            /// What it is called.
            pub fn meta(&self) -> &Meta {
                match self { $(Self::$kind(r) => &r.meta,)+ }
            }

            /// Where its fields stand.
            pub fn source(&self) -> &Arc<SourceMap> {
                match self { $(Self::$kind(r) => &r.source,)+ }
            }

            /// Whether both are the very same value, without a look at what it says.
            pub fn ptr_eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(a), Self::$kind(b)) => Arc::ptr_eq(a, b),)+
                    _ => false,
                }
            }

            /// Whether both say the same, wherever they stand.
            pub fn says_the_same(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(a), Self::$kind(b)) => a.meta == b.meta && a.spec == b.spec,)+
                    _ => false,
                }
            }

            /// What is known of its kind.
            pub fn kind_info(&self) -> KindInfo {
                match self {
                    $(Self::$kind(_) => KindInfo {
                        group: <$kind as Kind>::GROUP,
                        kind: <$kind as Kind>::KIND,
                        versions: <$kind as Kind>::VERSIONS,
                        cluster_scoped: <$kind as Kind>::CLUSTER_SCOPED,
                    },)+
                }
            }

            /// Reads a document: the whole object, of which `meta` was read before.
            ///
            /// # Errors
            /// The first field that is unknown or of the wrong shape, with its path from the document's
            /// root; of an unknown kind, `kind`; of a version that is not served, `apiVersion`.
            pub fn from_value(
                meta: Meta,
                document: Value,
                source: Arc<SourceMap>,
            ) -> Result<Self, FieldError> {
                Self::from_tree(meta, tree::root(&tree::of_value(&document)), source)
            }

            /// The same of a document that was read from a text.
            pub(crate) fn from_tree(
                meta: Meta,
                document: Tree<'_, '_>,
                source: Arc<SourceMap>,
            ) -> Result<Self, FieldError> {
                match (&*meta.group, &*meta.kind) {
                    $((<$kind as Kind>::GROUP, <$kind as Kind>::KIND) => {
                        let spec = read::<$kind>(&meta, document)?;
                        Ok(Self::$kind(Arc::new(Resource { meta, spec, source })))
                    })+
                    (group, kind) => {
                        Err(FieldError::new("kind", format!("{kind} of {group:?} is not a kind of the mesh")))
                    }
                }
            }
        }

        /// The JSON Schema of a kind's documents, if the mesh reads it.
        #[cfg(feature = "schema")]
        pub fn schema(group: &str, kind: &str) -> Option<schemars::Schema> {
            match (group, kind) {
                $((<$kind as Kind>::GROUP, <$kind as Kind>::KIND) => {
                    Some(super::schema::of_kind::<$kind>())
                })+
                _ => None,
            }
        }

        $(
            impl Kind for $kind {
                const GROUP: &'static str = $group;
                const KIND: &'static str = name_of!($kind $($name)?);
                const VERSIONS: &'static [&'static str] = $versions;
                const BODY: Body = $body;
                $(const CLUSTER_SCOPED: bool = $cluster;)?

                fn of(resource: &AnyResource) -> Option<&Arc<Resource<Self>>> {
                    match resource {
                        AnyResource::$kind(r) => Some(r),
                        _ => None,
                    }
                }
            }
        )+
    };
}

const SERVED: &[&str] = &["v1", "v1beta1", "v1alpha3"];

/// Of the Gateway API. Older releases of it served more versions of a kind than the newest; all read alike.
const V1_V1BETA1: &[&str] = &["v1", "v1beta1"];
const V1_V1ALPHA2: &[&str] = &["v1", "v1alpha2"];

kinds! {
    VirtualService: "networking.istio.io" SERVED, Body::Spec;
    DestinationRule: "networking.istio.io" SERVED, Body::Spec;
    Gateway: "networking.istio.io" SERVED, Body::Spec;
    ServiceEntry: "networking.istio.io" SERVED, Body::Spec;
    WorkloadEntry: "networking.istio.io" SERVED, Body::Spec;
    WorkloadGroup: "networking.istio.io" SERVED, Body::Spec;
    Sidecar: "networking.istio.io" SERVED, Body::Spec;
    ProxyConfig: "networking.istio.io" &["v1beta1"], Body::Spec;
    EnvoyFilter: "networking.istio.io" &["v1alpha3"], Body::Spec;
    PeerAuthentication: "security.istio.io" &["v1", "v1beta1"], Body::Spec;
    AuthorizationPolicy: "security.istio.io" &["v1", "v1beta1"], Body::Spec;
    RequestAuthentication: "security.istio.io" &["v1", "v1beta1"], Body::Spec;
    Telemetry: "telemetry.istio.io" &["v1alpha1", "v1"], Body::Spec;
    WasmPlugin: "extensions.istio.io" &["v1alpha1"], Body::Spec;
    TrafficExtension: "extensions.istio.io" &["v1alpha1"], Body::Spec;
    Service: "" &["v1"], Body::LenientSpec;
    Endpoints: "" &["v1"], Body::Document;
    EndpointSlice: "discovery.k8s.io" &["v1"], Body::Document;
    Pod: "" &["v1"], Body::Document;
    Namespace: "" &["v1"], Body::LenientSpec, cluster_scoped: true;
    ServiceAccount: "" &["v1"], Body::LenientSpec;
    ConfigMap: "" &["v1"], Body::Document;
    Secret: "" &["v1"], Body::Document;
    Node: "" &["v1"], Body::Document, cluster_scoped: true;
    Deployment: "apps" &["v1"], Body::LenientSpec;
    StatefulSet: "apps" &["v1"], Body::LenientSpec;
    DaemonSet: "apps" &["v1"], Body::LenientSpec;
    ReplicaSet: "apps" &["v1"], Body::LenientSpec;
    Job: "batch" &["v1"], Body::LenientSpec;
    CronJob: "batch" &["v1"], Body::LenientSpec;
    Ingress: "networking.k8s.io" &["v1"], Body::LenientSpec;
    IngressClass: "networking.k8s.io" &["v1"], Body::LenientSpec, cluster_scoped: true;
    GatewayClass: "gateway.networking.k8s.io" V1_V1BETA1, Body::Spec, cluster_scoped: true;
    KubernetesGateway as "Gateway": "gateway.networking.k8s.io" V1_V1BETA1, Body::Spec;
    HttpRoute as "HTTPRoute": "gateway.networking.k8s.io" V1_V1BETA1, Body::Spec;
    GrpcRoute as "GRPCRoute": "gateway.networking.k8s.io" V1_V1ALPHA2, Body::Spec;
    TcpRoute as "TCPRoute": "gateway.networking.k8s.io" V1_V1ALPHA2, Body::Spec;
    UdpRoute as "UDPRoute": "gateway.networking.k8s.io" V1_V1ALPHA2, Body::Spec;
    TlsRoute as "TLSRoute": "gateway.networking.k8s.io" &["v1", "v1alpha3", "v1alpha2"], Body::Spec;
    ReferenceGrant: "gateway.networking.k8s.io" &["v1", "v1beta1", "v1alpha2"], Body::Spec;
    BackendTlsPolicy as "BackendTLSPolicy": "gateway.networking.k8s.io" &["v1", "v1alpha3"], Body::Spec;
    ListenerSet: "gateway.networking.k8s.io" &["v1"], Body::Spec;
    XListenerSet: "gateway.networking.x-k8s.io" &["v1alpha1"], Body::Spec;
}

/// What is known of a kind, if the mesh reads it.
pub fn kind_info(group: &str, kind: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|k| k.group == group && k.kind == kind)
}

fn read<K: Kind>(meta: &Meta, document: Tree<'_, '_>) -> Result<K, FieldError> {
    if !K::VERSIONS.contains(&&*meta.version) {
        return Err(FieldError::new(
            "apiVersion",
            format!("{:?} of {} is not served: {} is", &*meta.version, K::KIND, K::VERSIONS.join(", ")),
        ));
    }
    if !document.is_map() {
        return Err(FieldError::new("", "a resource is a mapping"));
    }
    if K::BODY == Body::Document {
        return typed::read("", document);
    }
    let beside = |name: &str| matches!(name, "apiVersion" | "kind" | "metadata" | "spec" | "status");
    let stray = document.fields().find(|(name, _)| !beside(name));
    match stray {
        Some((stray, _)) if K::BODY == Body::Spec => {
            Err(FieldError::new(stray, format!("unknown field `{stray}`, expected `spec`")))
        }
        _ => typed::read("spec", document.field("spec").filter(|s| !s.is_null()).unwrap_or(Tree::empty())),
    }
}

/// Reads a value; errors name the field below `root`. A null is a field that is not written, as
/// Kubernetes and protobuf read it.
///
/// # Errors
/// The first field that is unknown or of the wrong shape.
pub fn from_value_at<T: DeserializeOwned>(root: &str, value: Value) -> Result<T, FieldError> {
    typed::read(root, tree::root(&tree::of_value(&value)))
}

#[cfg(test)]
mod tests;
