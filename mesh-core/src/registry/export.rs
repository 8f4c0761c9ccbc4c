//! Which namespaces see a thing: `exportTo`.

use crate::world::World;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Who sees a service, a VirtualService or a DestinationRule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportTo {
    /// `*`: every namespace.
    All,
    /// `~`: none.
    Nobody,
    /// These.
    Namespaces(BTreeSet<Arc<str>>),
}

impl ExportTo {
    /// Reads `exportTo` of a resource in a namespace; where it is empty, the mesh's default applies.
    ///
    /// ```
    /// use mesh_core::registry::ExportTo;
    /// let own = ExportTo::new(&[".".to_owned()], "shop", &ExportTo::All);
    /// assert!(own.covers("shop") && !own.covers("bank"));
    /// ```
    pub fn new<S: AsRef<str>>(list: &[S], own: &str, default: &Self) -> Self {
        if list.is_empty() {
            return default.clone();
        }
        let entries = || list.iter().map(AsRef::as_ref);
        if entries().any(|e| e == "*") {
            return Self::All;
        }
        let names: BTreeSet<Arc<str>> =
            entries().filter(|e| *e != "~").map(|e| if e == "." { own.into() } else { e.into() }).collect();
        if names.is_empty() { Self::Nobody } else { Self::Namespaces(names) }
    }

    /// The same for a service, with the default of the World's mesh.
    pub(super) fn of_service<S: AsRef<str>>(list: &[S], own: &str, world: &World) -> Self {
        let default = Self::new(&world.mesh().default_service_export_to, own, &Self::All);
        Self::new(list, own, &default)
    }

    /// Whether a namespace is among them.
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Nobody => false,
            Self::Namespaces(names) => names.contains(namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExportTo;

    #[test]
    fn a_star_means_all_a_tilde_nobody_and_a_dot_ones_own() {
        let read = |list: &[&str]| ExportTo::new(list, "shop", &ExportTo::Nobody);
        assert_eq!(read(&[]), ExportTo::Nobody);
        assert_eq!(read(&["~"]), ExportTo::Nobody);
        assert_eq!(read(&[".", "*"]), ExportTo::All);
        let some = read(&[".", "bank"]);
        assert!(some.covers("shop") && some.covers("bank") && !some.covers("other"));
    }
}
