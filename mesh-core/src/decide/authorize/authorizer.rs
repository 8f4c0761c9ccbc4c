//! Filters that were prepared once, for many requests.

use super::index::Index;
use super::{RequestFacts, Verdict, judge_by};
use crate::model::rbac::Rbac;
use std::sync::Arc;

/// The filters of a chain with an index over their rules: a request is held against those rules only that speak
/// of its path, host, port or caller, or of none of these.
///
/// Gives the verdicts of [`judge`](super::judge); cheap to clone.
///
/// ```
/// use mesh_core::decide::authorize::Authorizer;
/// assert!(Authorizer::default().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Authorizer {
    filters: Arc<[Indexed]>,
}

#[derive(Debug)]
struct Indexed {
    rbac: Arc<Rbac>,
    index: Index,
}

impl Authorizer {
    /// Prepares the filters of a chain, in their order.
    pub fn new(filters: impl IntoIterator<Item = Arc<Rbac>>) -> Self {
        let indexed = |rbac: Arc<Rbac>| Indexed { index: Index::new(&rbac.policies), rbac };
        Self { filters: filters.into_iter().map(indexed).collect() }
    }

    /// Whether there is nothing to judge by.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// The filters, in their order.
    pub fn filters(&self) -> impl Iterator<Item = &Rbac> {
        self.filters.iter().map(|f| &*f.rbac)
    }

    /// All that the filters say of a request.
    pub fn judge(&self, facts: &RequestFacts<'_>) -> Verdict<'_> {
        let filters = self.filters.iter().map(|f| (&*f.rbac, &f.index));
        judge_by(filters, |rbac, index, least| index.first(&rbac.policies, facts, least))
    }
}
