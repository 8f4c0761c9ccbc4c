//! Everything that was declared and discovered, at one version.
//!
//! ```text
//! source ─▶ [World] ──compile──▶ Snapshot, one per proxy
//!              └─▶ registry: services, workloads and instances, derived once per World
//! ```
//!
//! A World never changes. A source builds the next one; resources are behind `Arc`, so two Worlds share
//! what did not change, and whoever holds an old one keeps a consistent view for as long as it needs.

use crate::api::kubernetes::ConfigMap;
use crate::api::{AnyResource, Kind, MeshConfig, Meta, Resource};
use crate::registry::Registry;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

#[cfg(test)]
mod tests;

/// The resources at one version, by kind in Istio's order, and by namespace and name.
pub struct World {
    version: Arc<str>,
    shelves: Vec<Shelf>,
    mesh: OnceLock<MeshConfig>,
    registry: OnceLock<Registry>,
}

/// All resources of one kind.
#[derive(Clone)]
struct Shelf {
    group: Arc<str>,
    kind: Arc<str>,
    ordered: Vec<AnyResource>,
    /// Namespace, then name: two steps, so that a lookup borrows and does not allocate.
    index: HashMap<Arc<str>, HashMap<Arc<str>, usize>>,
}

/// Which resource: group, kind, namespace and name. Versions of a kind are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// API group; empty for Kubernetes' core group.
    pub group: Arc<str>,
    /// Kind.
    pub kind: Arc<str>,
    /// Namespace; empty for cluster-scoped resources.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of the resource with this metadata.
    pub fn of(meta: &Meta) -> Self {
        let Meta { group, kind, namespace, name, .. } = meta;
        Self { group: group.clone(), kind: kind.clone(), namespace: namespace.clone(), name: name.clone() }
    }
}

impl fmt::Display for Key {
    /// `VirtualService default/reviews`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// Collects the resources of a [`World`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    resources: Vec<AnyResource>,
}

impl Builder {
    /// Adds a resource. Of two with the same kind, namespace and name, the first stays.
    pub fn add(&mut self, resource: AnyResource) -> &mut Self {
        self.resources.push(resource);
        self
    }

    /// The World at a version; the version is opaque, but differs where the content does.
    pub fn build(self, version: impl Into<Arc<str>>) -> World {
        World::from_resources(self.resources, version)
    }
}

impl World {
    /// A World of nothing.
    pub fn empty() -> Self {
        Self::from_resources([], "0")
    }

    /// Starts to collect resources.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A World of these resources. Of two with the same kind, namespace and name, the first stays.
    pub fn from_resources(
        resources: impl IntoIterator<Item = AnyResource>,
        version: impl Into<Arc<str>>,
    ) -> Self {
        let mut shelves: Vec<Shelf> = Vec::new();
        for resource in resources {
            let Meta { group, kind, .. } = resource.meta();
            match shelves.iter_mut().find(|s| s.group == *group && s.kind == *kind) {
                Some(shelf) => shelf.ordered.push(resource),
                None => shelves.push(Shelf {
                    group: group.clone(),
                    kind: kind.clone(),
                    ordered: vec![resource],
                    index: HashMap::new(),
                }),
            }
        }
        shelves.sort_by(|a, b| (&a.group, &a.kind).cmp(&(&b.group, &b.kind)));
        for shelf in &mut shelves {
            shelf.arrange();
        }
        Self { version: version.into(), shelves, mesh: OnceLock::new(), registry: OnceLock::new() }
    }

    /// The version; equal versions of one source mean equal Worlds.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// All resources of a kind, in the order in which Istio lets them take precedence: oldest first, then
    /// by name, then by namespace.
    pub fn of<T: Kind + 'static>(&self) -> impl Iterator<Item = &Arc<Resource<T>>> {
        self.shelf(T::GROUP, T::KIND).into_iter().flat_map(|s| &s.ordered).filter_map(T::of)
    }

    /// One resource.
    pub fn get<T: Kind>(&self, namespace: &str, name: &str) -> Option<&Arc<Resource<T>>> {
        self.find(T::GROUP, T::KIND, namespace, name).and_then(T::of)
    }

    /// One resource by the parts of its name.
    pub fn find(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&AnyResource> {
        let shelf = self.shelf(group, kind)?;
        let at = shelf.index.get(namespace)?.get(name)?;
        shelf.ordered.get(*at)
    }

    /// Every resource: by group and kind, then in the order of [`of`](Self::of).
    pub fn iter(&self) -> impl Iterator<Item = &AnyResource> {
        self.shelves.iter().flat_map(|s| &s.ordered)
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.shelves.iter().map(|s| s.ordered.len()).sum()
    }

    /// Whether there is no resource.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether two Worlds say the same, whatever their versions.
    pub fn same_content(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }

    /// The settings of the mesh: ConfigMap `istio`, key `mesh`, in `istio-system`; Istio's defaults without
    /// one. A source keeps one that cannot be read out of the World, so it does not count here.
    pub fn mesh(&self) -> &MeshConfig {
        self.mesh.get_or_init(|| {
            let map = self.get::<ConfigMap>("istio-system", "istio");
            let text = map.and_then(|m| m.spec.data.get("mesh"));
            text.and_then(|text| crate::yaml::mesh_config(text).ok()).unwrap_or_default()
        })
    }

    /// Services, workloads and instances, derived at the first call and shared from then on.
    pub fn registry(&self) -> &Registry {
        self.registry.get_or_init(|| Registry::new(self))
    }

    fn shelf(&self, group: &str, kind: &str) -> Option<&Shelf> {
        self.shelves.iter().find(|s| &*s.group == group && &*s.kind == kind)
    }
}

impl Shelf {
    /// Drops duplicates (the first one given stays), sorts, and indexes.
    fn arrange(&mut self) {
        let mut seen = std::collections::HashSet::new();
        self.ordered.retain(|r| seen.insert((r.meta().namespace.clone(), r.meta().name.clone())));
        // A resource without a creation time is as old as can be, as Go's zero time is to Istio.
        self.ordered.sort_by(|a, b| {
            let key = |m: &Meta| (m.created, m.name.clone(), m.namespace.clone());
            key(a.meta()).cmp(&key(b.meta()))
        });
        self.index.clear();
        for (at, resource) in self.ordered.iter().enumerate() {
            let Meta { namespace, name, .. } = resource.meta();
            self.index.entry(namespace.clone()).or_default().insert(name.clone(), at);
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = f.debug_struct("World");
        kinds.field("version", &self.version);
        for shelf in &self.shelves {
            kinds.field(&shelf.kind, &shelf.ordered.len());
        }
        kinds.finish_non_exhaustive()
    }
}
