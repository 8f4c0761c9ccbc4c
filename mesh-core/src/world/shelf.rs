//! All resources of one kind: in order of precedence, and by namespace and name.
//!
//! Both are persistent B-trees, so that a copy is two counters and a change copies one path of nodes.

use super::precedence;
use crate::api::AnyResource;
use equivalent::{Comparable, Equivalent};
use imbl::OrdSet;
use std::cmp::Ordering;
use std::sync::Arc;

/// All resources of one kind.
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) group: Arc<str>,
    pub(super) kind: Arc<str>,
    ordered: OrdSet<Ordered>,
    named: OrdSet<Named>,
}

impl Shelf {
    pub(super) fn new(group: Arc<str>, kind: Arc<str>) -> Self {
        Self { group, kind, ordered: OrdSet::new(), named: OrdSet::new() }
    }

    /// In order of precedence.
    pub(super) fn iter(&self) -> impl Iterator<Item = &AnyResource> {
        self.ordered.iter().map(|r| &r.0)
    }

    pub(super) fn len(&self) -> usize {
        self.named.len()
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&AnyResource> {
        self.named.get(&NameOf { namespace, name }).map(|r| &r.0)
    }

    /// Puts a resource in the place of the one with its name, which it returns.
    pub(super) fn put(&mut self, resource: AnyResource) -> Option<AnyResource> {
        let old = self.named.insert(Named(resource.clone())).map(|r| r.0);
        if let Some(old) = &old {
            self.ordered.remove(&Ordered(old.clone()));
        }
        self.ordered.insert(Ordered(resource));
        old
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) -> Option<AnyResource> {
        let old = self.named.remove(&NameOf { namespace, name })?.0;
        self.ordered.remove(&Ordered(old.clone()));
        Some(old)
    }

    /// Whether both hold the same resources.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        self.ordered.ptr_eq(&other.ordered)
            || (self.len() == other.len()
                && self.iter().zip(other.iter()).all(|(a, b)| a.ptr_eq(b) || a == b))
    }
}

/// A resource, ordered by precedence.
#[derive(Clone)]
struct Ordered(AnyResource);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        precedence(self.0.meta(), other.0.meta())
    }
}

/// A resource, ordered by namespace and name.
#[derive(Clone)]
struct Named(AnyResource);

impl Named {
    fn name(&self) -> NameOf<'_> {
        let meta = self.0.meta();
        NameOf { namespace: &meta.namespace, name: &meta.name }
    }
}

impl Ord for Named {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(&other.name())
    }
}

macro_rules! equal_as_ordered {
    ($($type:ident),+) => {$(
        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $type {}
    )+};
}
equal_as_ordered!(Ordered, Named);

/// What a resource is looked up by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct NameOf<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl Equivalent<Named> for NameOf<'_> {
    fn equivalent(&self, key: &Named) -> bool {
        *self == key.name()
    }
}

impl Comparable<Named> for NameOf<'_> {
    fn compare(&self, key: &Named) -> Ordering {
        self.cmp(&key.name())
    }
}
