//! Fields that are deprecated.

use super::context::{Context, say};
use crate::diagnostic::{Findings, code};

/// Fields that have a better form.
pub(super) fn fields(ctx: &Context<'_>, out: &mut Findings) {
    for routing in &ctx.routings {
        for (h, rule) in routing.of.spec.http.iter().enumerate() {
            let delay = rule.fault.as_ref().and_then(|f| f.delay.as_ref());
            if delay.is_some_and(|d| d.percent.is_some_and(|p| p > 0)) {
                let path = format!("spec.http[{h}].fault.delay.percent");
                let finding = say(code::DEPRECATED, "`percent` is deprecated").at(routing.of, path);
                out.push(finding.help("write percentage: {value: …}"));
            }
        }
    }
}
