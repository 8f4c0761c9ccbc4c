//! The Sidecar of a workload, and what the hosts of its egress listeners import.
//!
//! Istio: `initSidecarScopes` and `getSidecarScope` in `pilot/pkg/model/push_context.go`, `hostClassification` in
//! `pilot/pkg/model/sidecar.go`.

use super::Subject;
use crate::api::Resource;
use crate::api::networking::Sidecar;
use crate::api::value::labels_match;
use crate::hostname::Hostname;
use crate::world::World;
use std::sync::Arc;

/// The Sidecar of a workload: the oldest of its namespace that selects it, else the oldest of its namespace
/// without a selector, else the oldest of the root namespace without one. Sidecars are never merged. A selector
/// in the root namespace selects that namespace's workloads only.
pub fn choose<'w>(world: &'w World, subject: Subject<'_>) -> Option<&'w Arc<Resource<Sidecar>>> {
    let root = world.mesh().root_namespace.as_str();
    let of = |namespace: &str| {
        let namespace = namespace.to_owned();
        world.of::<Sidecar>().filter(move |s| *s.meta.namespace == *namespace)
    };
    let selects = |s: &&Arc<Resource<Sidecar>>| {
        s.spec.workload_selector.as_ref().is_some_and(|want| labels_match(&want.labels, subject.labels))
    };
    let for_all = |s: &&Arc<Resource<Sidecar>>| s.spec.workload_selector.is_none();
    let own = of(subject.namespace).find(selects).or_else(|| of(subject.namespace).find(for_all));
    own.or_else(|| of(root).find(for_all))
}

/// What the `hosts` of an egress listener import, each `namespace/host`.
///
/// The namespace is a name, `.` for the workload's own, `*` for any, or `~` for none: `~/*` imports nothing and is
/// there so that the list is not empty. `~namespace/host` leaves out what the other entries import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imports {
    /// Namespace (`*` for any) and host.
    wanted: Vec<(String, Hostname)>,
    /// What is left out of the above.
    unwanted: Vec<(String, Hostname)>,
}

impl Imports {
    /// Reads the hosts of a listener of a workload in the namespace `own`. What is no host name is passed over,
    /// since validation refuses it.
    pub fn new(hosts: &[String], own: &str) -> Self {
        let mut imports = Self::default();
        for entry in hosts {
            let (namespace, host) = entry.split_once('/').unwrap_or(("*", entry));
            let Ok(host) = host.parse::<Hostname>() else { continue };
            match namespace {
                "~" => {}
                "." => imports.wanted.push((own.to_owned(), host)),
                other => match other.strip_prefix('~') {
                    Some(".") => imports.unwanted.push((own.to_owned(), host)),
                    Some(without) => imports.unwanted.push((without.to_owned(), host)),
                    None => imports.wanted.push((other.to_owned(), host)),
                },
            }
        }
        imports
    }

    /// Whether a service is imported: an entry's host is the service's or a wildcard that covers it.
    pub fn service(&self, namespace: &str, host: &Hostname) -> bool {
        let hit = |list: &[(String, Hostname)]| {
            list.iter().any(|(ns, want)| (ns == "*" || ns == namespace) && want.covers(host))
        };
        hit(&self.wanted) && !hit(&self.unwanted)
    }

    /// Whether a VirtualService with this host is imported: its host may also be the wider one, so that a
    /// VirtualService for `*.example.com` holds for an imported `a.example.com`.
    pub fn virtual_service(&self, namespace: &str, host: &Hostname) -> bool {
        let near = |ns: &str| ns == "*" || ns == namespace;
        self.wanted.iter().any(|(ns, want)| near(ns) && want.overlaps(host))
            && !self.unwanted.iter().any(|(ns, want)| near(ns) && want.covers(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::{with_subject, world};

    fn chosen(world: &World, namespace: &str, app: &str) -> Option<String> {
        let of = with_subject(namespace, app, |s| choose(world, s));
        of.map(|s| format!("{}/{}", s.meta.namespace, s.meta.name))
    }

    const EGRESS: &str = "egress: [{hosts: ['./*']}]";

    fn sidecar(head: &str, selector: &str) -> String {
        format!("Sidecar {head}: {{{selector} {EGRESS}}}")
    }

    #[test]
    fn a_selector_beats_the_namespaces_which_beats_the_roots() {
        let own = sidecar("shop/own@3", "workloadSelector: {labels: {app: a}},");
        let (all, root) = (sidecar("shop/all@1", ""), sidecar("istio-system/root@0", ""));
        let full = world(&[&own, &all, &root]);
        assert_eq!(chosen(&full, "shop", "a").as_deref(), Some("shop/own"));
        assert_eq!(chosen(&full, "shop", "b").as_deref(), Some("shop/all"));
        assert_eq!(chosen(&full, "bank", "a").as_deref(), Some("istio-system/root"));
        assert_eq!(chosen(&world(&[&own]), "shop", "b"), None);
    }

    #[test]
    fn of_two_alike_the_older_is_taken() {
        let (young, old) = (sidecar("shop/a@9", ""), sidecar("shop/z@1", ""));
        assert_eq!(chosen(&world(&[&young, &old]), "shop", "a").as_deref(), Some("shop/z"));
    }

    #[test]
    fn a_selector_in_the_root_namespace_reaches_no_other() {
        let root = sidecar("istio-system/root", "workloadSelector: {labels: {app: a}},");
        assert_eq!(chosen(&world(&[&root]), "shop", "a"), None);
        assert_eq!(chosen(&world(&[&root]), "istio-system", "a").as_deref(), Some("istio-system/root"));
    }

    fn imports(hosts: &[&str]) -> Imports {
        Imports::new(&hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>(), "shop")
    }

    fn host(text: &str) -> Hostname {
        text.parse().unwrap()
    }

    #[test]
    fn a_dot_is_ones_own_namespace_a_star_any_and_a_tilde_none() {
        let own = imports(&["./*"]);
        assert!(own.service("shop", &host("a.b")) && !own.service("bank", &host("a.b")));
        assert!(imports(&["*/a.b"]).service("bank", &host("a.b")));
        assert!(!imports(&["~/*"]).service("shop", &host("a.b")));
    }

    #[test]
    fn a_tilde_before_a_namespace_leaves_it_out_of_what_others_import() {
        let some = imports(&["*/*", "~bank/*.secret.com"]);
        assert!(some.service("bank", &host("a.b")) && some.service("shop", &host("a.secret.com")));
        assert!(!some.service("bank", &host("a.secret.com")));
        assert!(!imports(&["*/*", "~./*"]).service("shop", &host("a.b")));
    }

    #[test]
    fn a_virtual_service_may_be_wider_than_the_import_but_a_service_may_not() {
        let one = imports(&["*/a.example.com"]);
        assert!(one.virtual_service("bank", &host("*.example.com")));
        assert!(!one.service("bank", &host("*.example.com")));
        assert!(!one.virtual_service("bank", &host("b.example.com")));
    }
}
