//! Snapshot to resources: each part is encoded once, however many clients hold it.
//!
//! Snapshots share what did not change, by pointer; so does this memo. A compile that changed one route costs
//! one encoding, and a thousand proxies with one cluster hold one copy of its bytes.

use super::resources::{Name, Resource, ResourceSet, Resources};
use crate::convert::encode;
use mesh_core::model::cluster::Discovery;
use mesh_core::model::{Cluster, Endpoints, Listener, RouteTable, Snapshot};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

/// Encodes snapshots, and remembers what it encoded as long as somebody holds the original.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    snapshots: Memo<Snapshot, Arc<Resources>>,
    clusters: Memo<Cluster, Resource>,
    endpoints: Memo<Endpoints, Resource>,
    listeners: Memo<Listener, Resource>,
    routes: Memo<RouteTable, Resource>,
}

impl Encoder {
    /// The resources of a snapshot.
    pub(super) fn encode(&self, snapshot: &Arc<Snapshot>) -> Arc<Resources> {
        self.snapshots.get_or(snapshot, |snapshot| {
            Arc::new(Resources {
                version: snapshot.version.as_str().into(),
                clusters: self.clusters.set(&snapshot.clusters, |cluster| {
                    let endpoints = match &cluster.discovery {
                        Discovery::Eds(name) => Some(name.clone()),
                        _ => None,
                    };
                    resource(&encode::cluster(cluster), endpoints)
                }),
                endpoints: self
                    .endpoints
                    .set(&snapshot.endpoints, |endpoints| resource(&encode::endpoints(endpoints), None)),
                listeners: self
                    .listeners
                    .set(&snapshot.listeners, |listener| resource(&encode::listener(listener), None)),
                routes: self
                    .routes
                    .set(&snapshot.routes, |table| resource(&encode::route_table(table), None)),
            })
        })
    }
}

fn resource(message: &impl prost::Name, endpoints: Option<Name>) -> Resource {
    Resource::new(encode::bytes(message).into(), endpoints)
}

/// What was made of which original. The key is its address; the weak pointer beside it keeps the address from
/// being used again.
#[derive(Debug)]
struct Memo<T, R>(Mutex<Entries<T, R>>);

#[derive(Debug)]
struct Entries<T, R> {
    made: HashMap<usize, (Weak<T>, R)>,
    /// Look for originals that are gone once there are so many entries.
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 64;

impl<T, R> Default for Memo<T, R> {
    fn default() -> Self {
        Self(Mutex::new(Entries { made: HashMap::new(), sweep_at: FIRST_SWEEP }))
    }
}

fn address<T>(original: &Arc<T>) -> usize {
    Arc::as_ptr(original).addr()
}

impl<T, R: Clone> Memo<T, R> {
    /// Two that miss at once make it both; the result is the same.
    fn get_or(&self, original: &Arc<T>, make: impl FnOnce(&T) -> R) -> R {
        let known = self.0.lock().made.get(&address(original)).map(|(_, made)| made.clone());
        if let Some(made) = known {
            return made;
        }
        let made = make(original);
        let mut entries = self.0.lock();
        entries.made.insert(address(original), (Arc::downgrade(original), made.clone()));
        if entries.made.len() >= entries.sweep_at {
            entries.made.retain(|_, (original, _)| original.strong_count() > 0);
            entries.sweep_at = (entries.made.len() * 2).max(FIRST_SWEEP);
        }
        made
    }
}

impl<T> Memo<T, Resource> {
    fn set(&self, originals: &BTreeMap<Name, Arc<T>>, make: impl Fn(&T) -> Resource) -> Arc<ResourceSet> {
        Arc::new(originals.iter().map(|(name, o)| (name.clone(), self.get_or(o, &make))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn an_original_is_encoded_once_and_forgotten_with_it() {
        let memo = Memo::<String, usize>::default();
        let count = Cell::new(0);
        let make = |s: &String| {
            count.set(count.get() + 1);
            s.len()
        };
        let kept = Arc::new("kept".to_owned());
        assert_eq!((memo.get_or(&kept, make), memo.get_or(&kept, make)), (4, 4));
        assert_eq!(count.get(), 1);
        for i in 0..1000 {
            memo.get_or(&Arc::new(i.to_string()), make);
        }
        assert!(memo.0.lock().made.len() <= FIRST_SWEEP, "{}", memo.0.lock().made.len());
        memo.get_or(&kept, make);
        assert_eq!(count.get(), 1001);
    }

    #[test]
    fn snapshots_share_the_bytes_of_what_they_share_and_versions_are_of_contents() {
        let table = |name: &str| Arc::new(RouteTable { name: name.into(), ..RouteTable::default() });
        let snapshot = |version: &str, tables: &[&Arc<RouteTable>]| {
            Arc::new(Snapshot {
                version: version.into(),
                routes: tables.iter().map(|t| (t.name.clone(), Arc::clone(t))).collect(),
                ..Snapshot::default()
            })
        };
        let encoder = Encoder::default();
        let (a, b) = (table("a"), table("b"));
        let first = encoder.encode(&snapshot("1", &[&a]));
        let second = encoder.encode(&snapshot("2", &[&a, &b]));
        assert_eq!(first.routes.by_name["a"].body.as_ptr(), second.routes.by_name["a"].body.as_ptr());
        assert_ne!(first.routes.version, second.routes.version);
        let elsewhere = Encoder::default().encode(&snapshot("9", &[&table("a")]));
        assert_eq!(elsewhere.routes.version, first.routes.version);
        assert_eq!(elsewhere.clusters.version, first.clusters.version);
    }
}
