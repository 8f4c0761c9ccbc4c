//! Which resources of one kind a client wants: all, some by name, or both.
//!
//! SotW states the whole list with every request, delta says what changes; the wildcard's rules differ by
//! history, which is why they stand here with their tests and not in the sessions.

use super::resources::Name;
use crate::ResourceType;
use std::collections::BTreeSet;

/// The name that stands for all.
pub(crate) const WILDCARD: &str = "*";

/// More names than this in one subscription end the stream: a client cannot make the server remember more.
pub(crate) const MAX_NAMES: usize = 100_000;

/// A client asked for more names than a server remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subscription of more than {MAX_NAMES} names")]
pub(crate) struct TooManyNames;

/// What a client wants of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    wildcard: bool,
    names: BTreeSet<Name>,
    /// Once a request has named something, an empty list means nothing rather than everything.
    ever_named: bool,
}

/// What a request added to an interest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) wildcard: bool,
    pub(crate) names: Vec<Name>,
}

impl Added {
    pub(crate) fn is_empty(&self) -> bool {
        !self.wildcard && self.names.is_empty()
    }
}

impl Interest {
    /// Whether a name is wanted.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    pub(crate) fn wildcard(&self) -> bool {
        self.wildcard
    }

    /// SotW: the list of a request is the whole interest.
    pub(crate) fn replace(&mut self, kind: ResourceType, list: &[String]) -> Result<Added, TooManyNames> {
        if list.len() > MAX_NAMES {
            return Err(TooManyNames);
        }
        let mut next = Self { ever_named: self.ever_named || !list.is_empty(), ..Self::default() };
        if list.is_empty() {
            next.wildcard = kind.is_top_level() && !self.ever_named;
        }
        for name in list {
            if name == WILDCARD {
                next.wildcard = true;
            } else {
                next.names.insert(name.as_str().into());
            }
        }
        let added = Added {
            wildcard: next.wildcard && !self.wildcard,
            names: next.names.difference(&self.names).cloned().collect(),
        };
        *self = next;
        Ok(added)
    }

    /// Delta: names to add. Returns whether they had the wildcard among them.
    pub(crate) fn subscribe(&mut self, names: &[String]) -> Result<bool, TooManyNames> {
        let mut wildcard = false;
        for name in names {
            if name == WILDCARD {
                self.wildcard = true;
                wildcard = true;
            } else {
                self.names.insert(name.as_str().into());
            }
        }
        if self.names.len() > MAX_NAMES { Err(TooManyNames) } else { Ok(wildcard) }
    }

    /// Delta: names to take away. Returns those that were in the interest by name.
    pub(crate) fn unsubscribe(&mut self, names: &[String]) -> Vec<Name> {
        let mut gone = vec![];
        for name in names {
            if name == WILDCARD {
                self.wildcard = false;
            } else {
                gone.extend(self.names.take(name.as_str()));
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn sotw(kind: ResourceType, steps: &[&[&str]]) -> Interest {
        let mut interest = Interest::default();
        for step in steps {
            interest.replace(kind, &list(step)).unwrap();
        }
        interest
    }

    #[test]
    fn no_names_at_all_is_the_legacy_wildcard_of_lds_and_cds_alone() {
        assert!(sotw(ResourceType::Cluster, &[&[]]).wildcard());
        assert!(sotw(ResourceType::Listener, &[&[], &[]]).wildcard());
        assert!(!sotw(ResourceType::Endpoint, &[&[]]).wildcard());
        assert!(!sotw(ResourceType::Route, &[&[]]).wildcard());
    }

    #[test]
    fn after_any_explicit_name_empty_unsubscribes_from_all() {
        let interest = sotw(ResourceType::Cluster, &[&["a"], &[]]);
        assert!(!interest.wildcard() && !interest.covers("a"));
        assert!(!sotw(ResourceType::Cluster, &[&["*"], &[]]).wildcard());
    }

    #[test]
    fn a_list_without_the_star_drops_the_wildcard() {
        let interest = sotw(ResourceType::Cluster, &[&["*", "a"], &["a"]]);
        assert!(!interest.wildcard() && interest.covers("a") && !interest.covers("b"));
    }

    #[test]
    fn what_a_list_adds_is_told_and_what_it_repeats_is_not() {
        let mut interest = Interest::default();
        interest.replace(ResourceType::Route, &list(&["a", "b"])).unwrap();
        let added = interest.replace(ResourceType::Route, &list(&["b", "c"])).unwrap();
        assert_eq!(added, Added { wildcard: false, names: vec!["c".into()] });
        assert!(interest.replace(ResourceType::Route, &list(&["c"])).unwrap().is_empty());
    }

    #[test]
    fn unsubscribing_what_was_not_named_is_ignored() {
        let mut interest = Interest::default();
        assert!(!interest.subscribe(&list(&["a"])).unwrap());
        assert!(interest.unsubscribe(&list(&["zzz"])).is_empty());
        assert_eq!(interest.unsubscribe(&list(&["a"])), ["a".into()]);
        assert!(!interest.covers("a"));
    }

    #[test]
    fn a_client_cannot_make_the_server_remember_without_bound() {
        let names: Vec<String> = (0..=MAX_NAMES).map(|i| i.to_string()).collect();
        assert_eq!(Interest::default().replace(ResourceType::Route, &names), Err(TooManyNames));
        assert_eq!(Interest::default().subscribe(&names), Err(TooManyNames));
    }
}
