//! Selectors by the labels that they ask for, so that those which take a set of labels are found without a look
//! at each.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

type Labels = BTreeMap<String, String>;

/// Things by selectors that are not empty. Selectors mostly ask for the same few keys, so they are kept by these.
#[derive(Debug)]
pub(super) struct Selectors<'w, T> {
    things: Vec<T>,
    by_keys: BTreeMap<Vec<&'w str>, Group<'w>>,
}

/// Those that ask for the same keys.
#[derive(Debug, Default)]
struct Group<'w> {
    /// By what they ask of the keys, in order: the place of the first one among all.
    by_values: HashMap<Vec<&'w str>, usize>,
    /// What they ask of some of the keys, by the places of these.
    of_some: RefCell<HashMap<Vec<usize>, HashSet<Vec<&'w str>>>>,
}

impl<T> Default for Selectors<'_, T> {
    fn default() -> Self {
        Self { things: Vec::new(), by_keys: BTreeMap::new() }
    }
}

impl<'w, T> Selectors<'w, T> {
    pub(super) fn insert(&mut self, selector: &'w Labels, thing: T) {
        let (keys, values) =
            selector.iter().map(|(k, v)| (k.as_str(), v.as_str())).unzip::<_, _, Vec<_>, Vec<_>>();
        let group = self.by_keys.entry(keys).or_default();
        group.of_some.get_mut().clear();
        group.by_values.entry(values).or_insert(self.things.len());
        self.things.push(thing);
    }

    /// The first that takes whatever has these labels.
    pub(super) fn first_of_all(&self, labels: &Labels) -> Option<&T> {
        let found = self.by_keys.iter().filter_map(|(keys, group)| {
            let values: Option<Vec<&str>> = keys.iter().map(|key| Some(labels.get(*key)?.as_str())).collect();
            group.by_values.get(values?.as_slice()).copied()
        });
        found.min().and_then(|at| self.things.get(at))
    }

    /// Whether there is one that takes some of what has these labels, by labels beside them.
    pub(super) fn any_of_some(&self, labels: &Labels) -> bool {
        self.by_keys.iter().any(|(keys, group)| {
            let shared =
                keys.iter().enumerate().filter_map(|(at, key)| Some((at, labels.get(*key)?.as_str())));
            let (places, values) = shared.unzip::<_, _, Vec<_>, Vec<_>>();
            places.len() < keys.len() && group.asks(places, &values)
        })
    }
}

impl<'w> Group<'w> {
    /// Whether one asks for these values of the keys at these places.
    fn asks(&self, places: Vec<usize>, values: &[&str]) -> bool {
        let mut known = self.of_some.borrow_mut();
        let of_places = known.entry(places).or_insert_with_key(|places| {
            let projected =
                |all: &Vec<&'w str>| places.iter().filter_map(|at| all.get(*at).copied()).collect();
            self.by_values.keys().map(projected).collect()
        });
        of_places.contains(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::value::labels_match;
    use proptest::prelude::*;

    fn labels() -> impl Strategy<Value = Labels> {
        prop::collection::btree_map("[abc]", "[xy]", 0..4)
    }

    /// Whether nothing can have both.
    fn contradict(a: &Labels, b: &Labels) -> bool {
        a.iter().any(|(key, value)| b.get(key).is_some_and(|other| other != value))
    }

    proptest! {
        #[test]
        fn selectors_are_found_as_a_look_at_each_finds_them(all in prop::collection::vec(labels(), 0..12), of in labels()) {
            let all: Vec<Labels> = all.into_iter().filter(|l| !l.is_empty()).collect();
            let mut selectors = Selectors::default();
            for (at, one) in all.iter().enumerate() {
                selectors.insert(one, at);
            }
            let first = all.iter().position(|one| labels_match(one, &of));
            prop_assert_eq!(selectors.first_of_all(&of).copied(), first);
            let some = all.iter().any(|one| !labels_match(one, &of) && !contradict(one, &of));
            prop_assert_eq!(selectors.any_of_some(&of), some);
        }
    }
}
