//! A set of hosts, in which those that share names with another are found without a look at each.
//!
//! Kept by the hosts' texts from their ends: there a wildcard is a prefix of all that it covers.

use crate::hostname::Hostname;
use std::collections::{BTreeMap, BTreeSet};

/// Hosts that were seen.
#[derive(Debug, Default)]
pub(crate) struct HostSet {
    /// By the text behind a wildcard, backwards, and whether there is one.
    all: BTreeMap<(String, bool), Hostname>,
    /// How long the texts behind wildcards are, in bytes: no others can cover a host.
    wild: BTreeSet<usize>,
}

impl HostSet {
    pub(crate) fn insert(&mut self, host: Hostname) {
        let key = key(&host);
        if key.1 {
            self.wild.insert(key.0.len());
        }
        self.all.entry(key).or_insert(host);
    }

    /// A host of the set that covers another.
    pub(crate) fn covering(&self, host: &Hostname) -> Option<&Hostname> {
        let (text, is_wildcard) = key(host);
        let of = |end: usize| self.all.get(&(text.get(..end)?.to_owned(), true));
        let shorter = self.wild.range(..text.len());
        let by_wildcard =
            shorter.copied().find_map(of).or_else(|| if is_wildcard { of(text.len()) } else { None });
        by_wildcard.or_else(|| if is_wildcard { None } else { self.all.get(&(text, false)) })
    }

    /// A host of the set that has a name in common with another.
    pub(crate) fn overlapping(&self, host: &Hostname) -> Option<&Hostname> {
        let covered = || {
            let (text, is_wildcard) = key(host);
            let below =
                self.all.range((text.clone(), false)..).take_while(|((t, _), _)| t.starts_with(&text));
            let mut below = below.filter(|((t, wild), _)| *wild || t.len() > text.len());
            if is_wildcard { below.next().map(|(_, host)| host) } else { None }
        };
        self.covering(host).or_else(covered)
    }
}

impl FromIterator<Hostname> for HostSet {
    fn from_iter<T: IntoIterator<Item = Hostname>>(hosts: T) -> Self {
        let mut set = Self::default();
        hosts.into_iter().for_each(|host| set.insert(host));
        set
    }
}

fn key(host: &Hostname) -> (String, bool) {
    let text = host.as_str();
    let behind = text.strip_prefix('*');
    (behind.unwrap_or(text).chars().rev().collect(), behind.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_finds_what_a_look_at_each_finds(texts in prop::collection::vec("[*]?[ab]{1,2}(\\.[ab]{1,2}){0,2}|[*](\\.[ab]){0,2}", 1..12)) {
            let hosts: Vec<Hostname> = texts.iter().filter_map(|t| t.parse().ok()).collect();
            let mut set = HostSet::default();
            for (i, host) in hosts.iter().enumerate() {
                let before = &hosts[..i];
                prop_assert_eq!(set.overlapping(host).is_some(), before.iter().any(|b| b.overlaps(host)), "{} in {:?}", host, before);
                prop_assert_eq!(set.covering(host).is_some(), before.iter().any(|b| b.covers(host)), "{} in {:?}", host, before);
                set.insert(host.clone());
            }
        }
    }
}
