//! What the metadata of Istio's kinds may say, whatever the kind.

use super::report::Report;
use crate::api::AnyResource;

/// Tries an AuthorizationPolicy out without enforcing it.
const DRY_RUN: &str = "istio.io/dry-run";

/// What a control plane notes on resources that it derives from others, and a name that is refused by design, by which
/// it finds out whether its own webhook is asked. In a user's hand the first two would lend a resource the rights of
/// another namespace.
const INTERNAL: [&str; 3] = [
    "internal.istio.io/parents",
    "internal.istio.io/parent-namespace",
    "internal.istio.io/webhook-always-reject",
];

pub(super) fn check(resource: &AnyResource, report: &mut Report<'_>) {
    let info = resource.kind_info();
    if !info.group.ends_with("istio.io") {
        return;
    }
    let annotations = &report.meta.annotations;
    // On any other kind the annotation would seem to protect from what the resource does.
    if info.kind != "AuthorizationPolicy" && annotations.contains_key(DRY_RUN) {
        let path = format!("metadata.annotations.{DRY_RUN}");
        let message = format!("a {} cannot be tried out", info.kind);
        report.refuse_key(&path, message, "leave it out; it is for AuthorizationPolicies alone");
    }
    for name in INTERNAL.iter().filter(|name| annotations.contains_key(**name)) {
        let path = format!("metadata.annotations.{name}");
        let message = format!("`{name}` is the control plane's own");
        report.refuse_key(&path, message, "leave it out: it is for resources that are made from others");
    }
}
