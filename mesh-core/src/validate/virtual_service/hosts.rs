//! The hosts of one list, found by what they overlap with: a list of a hundred thousand costs a lookup each.

use crate::hostname::Hostname;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Hosts by their text behind the `*`, read backwards, so that those with one ending stand together.
#[derive(Default)]
pub(super) struct Hosts {
    exact: BTreeMap<Vec<u8>, Hostname>,
    wild: BTreeMap<Vec<u8>, Hostname>,
    /// How long the texts of `wild` are.
    lengths: BTreeSet<usize>,
}

impl Hosts {
    /// A host that is there and stands for a name that this one stands for, too.
    pub(super) fn overlapping(&self, host: &Hostname) -> Option<&Hostname> {
        let key = backwards(host);
        let wider = self.lengths.iter().take_while(|n| **n < key.len() + usize::from(host.is_wildcard()));
        let wider = wider.filter_map(|n| self.wild.get(key.get(..*n)?)).next();
        if !host.is_wildcard() {
            return self.exact.get(&key).or(wider);
        }
        let behind = (Bound::Excluded(key.as_slice()), Bound::Unbounded);
        let next = [&self.exact, &self.wild].map(|all| all.range::<[u8], _>(behind).next());
        let narrower = next.into_iter().flatten().find(|(theirs, _)| theirs.starts_with(&key));
        wider.or(narrower.map(|(_, host)| host))
    }

    pub(super) fn add(&mut self, host: Hostname) {
        let key = backwards(&host);
        if host.is_wildcard() {
            self.lengths.insert(key.len());
            self.wild.insert(key, host);
        } else {
            self.exact.insert(key, host);
        }
    }
}

fn backwards(host: &Hostname) -> Vec<u8> {
    let text = host.as_str();
    text.strip_prefix('*').unwrap_or(text).bytes().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_host_overlaps_with_the_list_if_it_does_with_one_of_it(
            all in proptest::collection::vec("(\\*|\\*\\.|\\*b?)?[ab]{1,2}(\\.[ab]){0,2}", 1..12),
        ) {
            let mut hosts = Hosts::default();
            let mut known: Vec<Hostname> = Vec::new();
            for host in all.iter().filter_map(|text| text.parse::<Hostname>().ok()) {
                let found = hosts.overlapping(&host);
                prop_assert!(found.is_none_or(|f| f.overlaps(&host)), "{found:?} {host}");
                let is_there = known.iter().any(|k| k.overlaps(&host));
                prop_assert_eq!(found.is_some(), is_there, "{} in {:?}", host, known);
                hosts.add(host.clone());
                known.push(host);
            }
        }
    }
}
