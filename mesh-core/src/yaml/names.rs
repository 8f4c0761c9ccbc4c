//! Names that many resources share, kept once.

use crate::api::KINDS;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

/// Of all texts: groups, versions and kinds, and what stands for no name.
static WELL_KNOWN: LazyLock<HashSet<Arc<str>>> = LazyLock::new(|| {
    let of_kinds = KINDS.iter().flat_map(|k| [k.group, k.kind].into_iter().chain(k.versions.iter().copied()));
    of_kinds.chain(["", "default", "istio-system"]).map(Arc::from).collect()
});

/// Of one text: namespaces.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: HashSet<Arc<str>>,
}

impl Names {
    /// The name, shared with all others that are equal.
    pub(super) fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(shared) = WELL_KNOWN.get(name).or_else(|| self.seen.get(name)) {
            return shared.clone();
        }
        let new: Arc<str> = name.into();
        self.seen.insert(new.clone());
        new
    }
}
