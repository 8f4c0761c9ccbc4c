//! PeerAuthentication.
//!
//! The verdicts are Istio's.

use super::super::report::Report;
use crate::api::security::PeerAuthentication;

pub(in crate::validate) fn check(spec: &PeerAuthentication, report: &mut Report<'_>) {
    report.match_labels("spec.selector", spec.selector.as_ref());
    let selects = spec.selector.as_ref().is_some_and(|s| !s.match_labels.is_empty());
    let path = "spec.portLevelMtls";
    if !spec.port_level_mtls.is_empty() && !selects {
        let help = "write selector.matchLabels: ports are those of a workload";
        report.refuse(path, "portLevelMtls without a selector", help);
    }
    if spec.port_level_mtls.is_empty() && report.is_written(path) {
        report.refuse(path, "portLevelMtls without a port", "write a port, or leave it out");
    }
}
