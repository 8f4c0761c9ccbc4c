//! ProxyConfig: counts and lengths.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | a variable without a name, or with `=` in it | accepted | refused | no process has such a variable |

use super::report::Report;
use crate::api::networking::ProxyConfig;

pub(super) fn check(spec: &ProxyConfig, report: &mut Report<'_>) {
    report.match_labels("spec.selector", spec.selector.as_ref());
    report.not_negative("spec.concurrency", spec.concurrency);
    for (name, value) in &spec.environment_variables {
        let path = format!("spec.environmentVariables.{name}");
        if name.is_empty() || name.contains('=') {
            let message = format!("{name:?} is not the name of a variable");
            report.refuse_key(&path, message, "a name is not empty and has no `=`");
        }
        report.no_longer_than(&path, value, 2048);
    }
}
