//! What is to be said of rules that delegate in vain.

use crate::api::Resource;
use crate::api::networking::VirtualService;
use crate::compile::report::Report;
use crate::diagnostic::{Finding, code};
use crate::merge::delegate::{Dropped, Why};
use std::sync::Arc;

/// Names the rules that are left out, and why.
pub(super) fn report_dropped(root: &Arc<Resource<VirtualService>>, all: &[Dropped<'_>], report: &mut Report) {
    for Dropped { path, why } in all {
        let at = format!("{path}.delegate");
        let missing = |message: String| {
            let finding = Finding::warning(code::REFERENCE, message).at(root, &*at);
            finding.help("the rule is left out until it can be taken; the others stand")
        };
        report.add(match why {
            Why::NotFound { namespace, name } => {
                missing(format!("there is no VirtualService {name} in namespace {namespace} to delegate to"))
            }
            Why::HasHosts(delegate) => missing(format!(
                "VirtualService {}/{} has hosts of its own: nothing can be delegated to it",
                delegate.meta.namespace, delegate.meta.name
            )),
            Why::NotExported(delegate) => missing(format!(
                "VirtualService {}/{} is not exported to namespace {}",
                delegate.meta.namespace, delegate.meta.name, root.meta.namespace
            )),
            Why::Nested { delegate, path } => {
                let message = "a delegate delegates no further; this rule is left out";
                Finding::warning(code::CONFLICT, message).at(delegate, format!("{path}.delegate"))
            }
            Why::Conflict { delegate, path: own } => {
                let message = format!(
                    "no match of {path} of VirtualService {}/{}, which delegates here, includes every match of this \
                     rule; it is left out",
                    root.meta.namespace, root.meta.name
                );
                let finding = Finding::warning(code::CONFLICT, message).at(delegate, format!("{own}.match"));
                finding.help("match what the rule that delegates matches, or less; patterns are within none")
            }
        });
    }
}
