//! Values in an order, found by any of their facets; persistent, so that a copy costs nothing and a change
//! costs the change.

use foldhash::fast::FixedState;
use imbl::{OrdMap, OrdSet};
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash};
use std::ops::Bound;
use std::sync::Arc;

/// What a value is found by, as a number: names and labels would be copied with every node of the tree.
/// Two facets may be the same number, so whoever looks for one checks what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Facet(u64);

impl Facet {
    pub(super) fn of(what: impl Hash) -> Self {
        Self(FixedState::default().hash_one(what))
    }
}

/// Values by key and by facet.
#[derive(Debug, PartialEq)]
pub(super) struct Index<K: Ord + Clone, V> {
    values: OrdMap<K, Indexed<V>>,
    found: OrdMap<(Facet, K), Arc<V>>,
}

#[derive(Debug, PartialEq)]
struct Indexed<V> {
    value: Arc<V>,
    /// In order, each once.
    facets: Arc<[Facet]>,
}

impl<V> Clone for Indexed<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), facets: self.facets.clone() }
    }
}

impl<K: Ord + Clone, V> Clone for Index<K, V> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), found: self.found.clone() }
    }
}

impl<K: Ord + Clone, V> Default for Index<K, V> {
    fn default() -> Self {
        Self { values: OrdMap::new(), found: OrdMap::new() }
    }
}

impl<K: Ord + Clone, V> Index<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&Arc<V>> {
        self.values.get(key).map(|i| &i.value)
    }

    /// All values in the order of their keys.
    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<V>> {
        self.values.values().map(|i| &i.value)
    }

    /// The values with a facet, in the order of their keys, and perhaps some without it.
    pub(super) fn with(&self, facet: Facet) -> impl Iterator<Item = &Arc<V>> {
        let from = (Bound::Included(&First(facet)), Bound::Unbounded);
        let found = self.found.range::<_, First>(from);
        found.take_while(move |((f, _), _)| *f == facet).map(|(_, value)| value)
    }

    /// Puts a value in the place of the one with its key, which it returns.
    pub(super) fn insert(&mut self, key: K, value: Arc<V>, mut facets: Vec<Facet>) -> Option<Arc<V>> {
        facets.sort_unstable();
        facets.dedup();
        for facet in &facets {
            self.found.insert((*facet, key.clone()), value.clone());
        }
        let old = self.values.insert(key.clone(), Indexed { value, facets: facets.as_slice().into() })?;
        for gone in old.facets.iter().filter(|f| facets.binary_search(f).is_err()) {
            self.found.remove(&(*gone, key.clone()));
        }
        Some(old.value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<Arc<V>> {
        let Indexed { value, facets } = self.values.remove(key)?;
        for facet in facets.iter() {
            self.found.remove(&(*facet, key.clone()));
        }
        Some(value)
    }
}

/// Keys by facet alone, for what has so many facets that a change must not touch all of them.
#[derive(Debug, PartialEq)]
pub(super) struct Links<K: Ord + Clone>(OrdSet<(Facet, K)>);

impl<K: Ord + Clone> Clone for Links<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Ord + Clone> Default for Links<K> {
    fn default() -> Self {
        Self(OrdSet::new())
    }
}

impl<K: Ord + Clone> Links<K> {
    /// The keys with a facet in their order, and perhaps some without it.
    pub(super) fn with(&self, facet: Facet) -> impl Iterator<Item = &K> {
        let from = (Bound::Included(&First(facet)), Bound::Unbounded);
        self.0.range::<_, First>(from).take_while(move |(f, _)| *f == facet).map(|(_, key)| key)
    }

    /// Gives a key other facets, both in order and each once. What stays is not touched.
    pub(super) fn replace(&mut self, key: &K, old: &[Facet], new: &[Facet]) {
        for gone in old.iter().filter(|f| new.binary_search(f).is_err()) {
            self.0.remove(&(*gone, key.clone()));
        }
        for added in new.iter().filter(|f| old.binary_search(f).is_err()) {
            self.0.insert((*added, key.clone()));
        }
    }
}

/// The place before the first key with a facet.
struct First(Facet);

impl<K> equivalent::Equivalent<(Facet, K)> for First {
    fn equivalent(&self, _: &(Facet, K)) -> bool {
        false
    }
}

impl<K> equivalent::Comparable<(Facet, K)> for First {
    fn compare(&self, (facet, _): &(Facet, K)) -> Ordering {
        self.0.cmp(facet).then(Ordering::Less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn after_any_changes_each_facet_finds_exactly_the_values_that_have_it(
            changes in proptest::collection::vec(
                (0_u16..200, proptest::option::of(proptest::collection::vec(0_u8..8, 0..4))), 0..400),
        ) {
            let mut index = Index::default();
            let mut links = Links::default();
            let mut model: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
            let sorted = |facets: &[u8]| {
                let mut all: Vec<Facet> = facets.iter().map(Facet::of).collect();
                all.sort_unstable();
                all.dedup();
                all
            };
            for (key, change) in changes {
                let old = sorted(model.get(&key).map_or(&[][..], Vec::as_slice));
                links.replace(&key, &old, &sorted(change.as_deref().unwrap_or_default()));
                match change {
                    Some(facets) => {
                        let all = facets.iter().map(Facet::of).collect();
                        index.insert(key, Arc::new((key, facets.len())), all);
                        model.insert(key, facets);
                    }
                    None => {
                        let removed = index.remove(&key).is_some();
                        prop_assert_eq!(removed, model.remove(&key).is_some());
                    }
                }
            }
            let values: Vec<_> = index.values().map(|v| **v).collect();
            let expected: Vec<_> = model.iter().map(|(k, f)| (*k, f.len())).collect();
            prop_assert_eq!(values, expected);
            for facet in 0..8_u8 {
                let found: Vec<u16> = index.with(Facet::of(facet)).map(|v| v.0).collect();
                let has = model.iter().filter(|(_, f)| f.contains(&facet)).map(|(k, _)| *k);
                prop_assert_eq!(&found, &has.collect::<Vec<_>>());
                prop_assert_eq!(found, links.with(Facet::of(facet)).copied().collect::<Vec<_>>());
            }
        }
    }
}
