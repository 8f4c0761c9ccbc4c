//! What the metadata of Istio's kinds may say, whatever the kind.

use super::report::Report;
use crate::api::AnyResource;

/// Tries an AuthorizationPolicy out without enforcing it.
const DRY_RUN: &str = "istio.io/dry-run";

/// Istio asks its own webhook by this whether it refuses anything at all.
const ALWAYS_REJECT: &str = "internal.istio.io/webhook-always-reject";

/// On any other kind the first annotation would seem to protect from what the resource does.
pub(super) fn check(resource: &AnyResource, report: &mut Report<'_>) {
    let info = resource.kind_info();
    if !info.group.ends_with("istio.io") {
        return;
    }
    if info.kind != "AuthorizationPolicy" && report.meta.annotations.contains_key(DRY_RUN) {
        let path = format!("metadata.annotations.{DRY_RUN}");
        let message = format!("a {} cannot be tried out", info.kind);
        report.refuse_key(&path, message, "leave it out; it is for AuthorizationPolicies alone");
    }
    if report.meta.annotations.contains_key(ALWAYS_REJECT) {
        let path = format!("metadata.annotations.{ALWAYS_REJECT}");
        report.refuse_key(&path, "an annotation that is always refused", "leave it out; it tests webhooks");
    }
}
