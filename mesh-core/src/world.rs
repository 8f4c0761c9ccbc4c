//! Everything that was declared and discovered, at one version.
//!
//! ```text
//! source ─▶ [World] ──compile──▶ Snapshot, one per proxy
//!   changes ▲  └─▶ registry: services, workloads and instances
//!   └───────┘
//! ```
//!
//! A World never changes. A source makes the next one [`with`](World::with) what is new, at the cost of what is new:
//! the rest is shared, the registry's indices too. Whoever holds an old one keeps a consistent view for as
//! long as it needs.

mod order;
mod shelf;
#[cfg(test)]
mod tests;

pub use order::precedence;

pub(crate) use order::Rank;

use crate::api::kubernetes::ConfigMap;
use crate::api::{AnyResource, Kind, MeshConfig, Meta, Resource};
use crate::registry::{Registry, Replaced};
use shelf::Shelf;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The resources at one version, by kind in Istio's order, and by namespace and name.
#[derive(Clone)]
pub struct World {
    version: Arc<str>,
    /// By group and kind; none is empty.
    shelves: Vec<Shelf>,
    mesh: OnceLock<Arc<MeshConfig>>,
    registry: OnceLock<Registry>,
    /// What the registry is derived from when it is asked for; from all resources without it.
    behind: Option<Behind>,
}

/// The registry of an earlier World, and what has changed since.
#[derive(Clone)]
struct Behind {
    registry: Registry,
    changes: BTreeMap<Key, Replaced>,
}

/// What makes one World another.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Adds a resource, or puts it in the place of the one with its kind, namespace and name.
    Upsert(AnyResource),
    /// Removes a resource; without effect if there is none.
    Remove(Key),
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
    /// Adds a resource. Of two with the same kind, namespace and name, the one that takes precedence stays.
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

    /// A World of these resources. Of two with the same kind, namespace and name the one that takes
    /// [`precedence`] stays: the older, and of two that are equally old the first.
    pub fn from_resources(
        resources: impl IntoIterator<Item = AnyResource>,
        version: impl Into<Arc<str>>,
    ) -> Self {
        let mut world = Self {
            version: version.into(),
            shelves: Vec::new(),
            mesh: OnceLock::new(),
            registry: OnceLock::new(),
            behind: None,
        };
        for resource in resources {
            let Meta { group, kind, namespace, name, .. } = resource.meta();
            let before = world.find(group, kind, namespace, name);
            if before.is_none_or(|b| precedence(resource.meta(), b.meta()).is_lt()) {
                world.put(resource);
            }
        }
        world
    }

    /// The World after these changes, one after the other, at a version of its own. Costs what the changes
    /// cost, whatever the World holds: everything else is shared with this one.
    ///
    /// ```
    /// use mesh_core::world::{Change, Key, World};
    /// let parsed = mesh_core::yaml::resources("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", &Default::default());
    /// let service = parsed.outcomes.into_iter().find_map(|o| o.resource).unwrap();
    /// let key = Key::of(service.meta());
    /// let before = World::empty().with([Change::Upsert(service)], "1");
    /// let after = before.with([Change::Remove(key)], "2");
    /// assert_eq!((before.len(), after.len()), (1, 0));
    /// ```
    pub fn with(&self, changes: impl IntoIterator<Item = Change>, version: impl Into<Arc<str>>) -> Self {
        let mut next = Self { version: version.into(), ..self.clone() };
        let mut behind = match (next.registry.take(), next.behind.take()) {
            (Some(registry), _) => Some(Behind { registry, changes: BTreeMap::new() }),
            (None, behind) => behind,
        };
        for change in changes {
            let (key, replaced) = match change {
                Change::Upsert(new) => {
                    let key = Key::of(new.meta());
                    (key, Replaced { old: next.put(new.clone()), new: Some(new) })
                }
                Change::Remove(key) => {
                    let old = next.take(&key);
                    (key, Replaced { old, new: None })
                }
            };
            if (&*key.kind, &*key.namespace, &*key.name) == ("ConfigMap", MESH.0, MESH.1) {
                next.mesh = OnceLock::new();
            }
            if let Some(behind) = behind.as_mut().filter(|_| replaced.concerns_registry()) {
                match behind.changes.entry(key) {
                    std::collections::btree_map::Entry::Vacant(free) => {
                        free.insert(replaced);
                    }
                    std::collections::btree_map::Entry::Occupied(mut earlier) => {
                        earlier.get_mut().new = replaced.new;
                    }
                }
            }
        }
        // With so much to catch up on, all of it is no dearer.
        next.behind = behind.filter(|b| b.changes.len() <= next.len() / 2 + 16);
        next
    }

    /// The version; equal versions of one source mean equal Worlds.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// All resources of a kind in order of [`precedence`]: oldest first, then by name, then by namespace.
    pub fn of<T: Kind + 'static>(&self) -> impl Iterator<Item = &Arc<Resource<T>>> {
        self.shelf(T::GROUP, T::KIND).into_iter().flat_map(Shelf::iter).filter_map(T::of)
    }

    /// One resource.
    pub fn get<T: Kind>(&self, namespace: &str, name: &str) -> Option<&Arc<Resource<T>>> {
        self.find(T::GROUP, T::KIND, namespace, name).and_then(T::of)
    }

    /// One resource by the parts of its name.
    pub fn find(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&AnyResource> {
        self.shelf(group, kind)?.get(namespace, name)
    }

    /// Every resource: by group and kind, then in the order of [`of`](Self::of).
    pub fn iter(&self) -> impl Iterator<Item = &AnyResource> {
        self.shelves.iter().flat_map(Shelf::iter)
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.shelves.iter().map(Shelf::len).sum()
    }

    /// Whether there is no resource.
    pub fn is_empty(&self) -> bool {
        self.shelves.is_empty()
    }

    /// Whether two Worlds say the same, whatever their versions. What they share is not compared.
    pub fn same_content(&self, other: &Self) -> bool {
        self.shelves.len() == other.shelves.len()
            && self.shelves.iter().zip(&other.shelves).all(|(a, b)| a.same_content(b))
    }

    /// The settings of the mesh: ConfigMap `istio`, key `mesh`, in `istio-system`; Istio's defaults without
    /// one. A source keeps one that cannot be read out of the World, so it does not count here.
    pub fn mesh(&self) -> &MeshConfig {
        self.mesh.get_or_init(|| {
            let map = self.get::<ConfigMap>(MESH.0, MESH.1);
            let text = map.and_then(|m| m.spec.data.get("mesh"));
            Arc::new(text.and_then(|text| crate::yaml::mesh_config(text).ok()).unwrap_or_default())
        })
    }

    /// Services, workloads and instances, derived at the first call and shared from then on. A World that
    /// was made [`with`](Self::with) changes derives only what depends on them; the table in
    /// [`registry`](crate::registry) says what that is.
    pub fn registry(&self) -> &Registry {
        self.registry.get_or_init(|| match &self.behind {
            Some(behind) => behind.registry.after(self, behind.changes.values()),
            None => Registry::new(self),
        })
    }

    fn place_of(&self, group: &str, kind: &str) -> Result<usize, usize> {
        self.shelves.binary_search_by(|s| (&*s.group, &*s.kind).cmp(&(group, kind)))
    }

    fn shelf(&self, group: &str, kind: &str) -> Option<&Shelf> {
        self.place_of(group, kind).ok().and_then(|at| self.shelves.get(at))
    }

    fn put(&mut self, resource: AnyResource) -> Option<AnyResource> {
        let Meta { group, kind, .. } = resource.meta();
        let at = self.place_of(group, kind).unwrap_or_else(|at| {
            self.shelves.insert(at, Shelf::new(group.clone(), kind.clone()));
            at
        });
        self.shelves.get_mut(at)?.put(resource)
    }

    fn take(&mut self, key: &Key) -> Option<AnyResource> {
        let at = self.place_of(&key.group, &key.kind).ok()?;
        let shelf = self.shelves.get_mut(at)?;
        let old = shelf.remove(&key.namespace, &key.name);
        if shelf.len() == 0 {
            self.shelves.remove(at);
        }
        old
    }
}

/// Namespace and name of the ConfigMap that holds the mesh's settings.
const MESH: (&str, &str) = ("istio-system", "istio");

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
            kinds.field(&shelf.kind, &shelf.len());
        }
        kinds.finish_non_exhaustive()
    }
}
