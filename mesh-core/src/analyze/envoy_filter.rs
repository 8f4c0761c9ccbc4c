//! EnvoyFilters: patches that cannot apply, and patches whose place depends on others.

use super::context::{Context, say};
use crate::api::networking::EnvoyFilter;
use crate::api::networking::envoy_filter::{ApplyTo, ConfigPatch, PatchOperation};
use crate::diagnostic::{Findings, code};
use serde_json::Value;
use std::collections::HashSet;

/// Every patch, in the order of the filters.
pub(super) fn patches(ctx: &Context<'_>, out: &mut Findings) {
    // Names of filters that some patch adds for certain versions of the proxy.
    let mut by_version: HashSet<String> = HashSet::new();
    for filter in ctx.world.of::<EnvoyFilter>() {
        for (i, config) in filter.spec.config_patches.iter().enumerate() {
            let Some(patch) = &config.patch else { break };
            let name = name_of(config);
            let found = judge(config.apply_to, patch.operation);
            let relative = found == Some(Judgement::Relative) && filter.spec.priority == 0;
            let (code, message, help) = match found {
                Some(Judgement::Never(code, what)) => (
                    code,
                    format!("{what}: the patch is never applied"),
                    "use MERGE, or patch another object",
                ),
                Some(Judgement::Relative)
                    if relative && name.as_ref().is_some_and(|n| by_version.contains(n)) =>
                {
                    (
                        code::FILTER_RELATIVE_VERSION,
                        format!(
                            "relative to other filters, of which `{}` is added by proxy version, without a priority: after an upgrade it may not apply",
                            name.as_deref().unwrap_or_default()
                        ),
                        "write a priority, or INSERT_FIRST or ADD",
                    )
                }
                Some(Judgement::Relative) if relative => (
                    code::FILTER_RELATIVE,
                    "relative to other filters without a priority: it may come before what it refers to"
                        .to_owned(),
                    "write a priority, or INSERT_FIRST or ADD",
                ),
                _ => {
                    note_version(config, name, &mut by_version);
                    continue;
                }
            };
            let path = format!("spec.configPatches[{i}].patch.operation");
            out.push(say(code, message).at(filter, path).help(help));
            note_version(config, name, &mut by_version);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// It cannot apply: the code, and why.
    Never(&'static str, &'static str),
    /// Its place depends on others.
    Relative,
}

fn judge(to: ApplyTo, operation: PatchOperation) -> Option<Judgement> {
    let routes = matches!(to, ApplyTo::RouteConfiguration | ApplyTo::HttpRoute);
    let replaceable = matches!(to, ApplyTo::NetworkFilter | ApplyTo::HttpFilter | ApplyTo::VirtualHost);
    match operation {
        PatchOperation::Add if routes => {
            Some(Judgement::Never(code::FILTER_ADD, "route configurations and routes cannot be added"))
        }
        PatchOperation::Remove if routes => {
            Some(Judgement::Never(code::FILTER_REMOVE, "route configurations and routes cannot be removed"))
        }
        PatchOperation::Replace if !replaceable => Some(Judgement::Never(
            code::FILTER_REPLACE,
            "only network filters, HTTP filters and virtual hosts can be replaced",
        )),
        PatchOperation::Remove
        | PatchOperation::Replace
        | PatchOperation::InsertBefore
        | PatchOperation::InsertAfter => Some(Judgement::Relative),
        _ => None,
    }
}

/// The filter that a patch is about: the one that it brings, or the one that it looks for.
fn name_of(config: &ConfigPatch) -> Option<String> {
    let brought = config.patch.as_ref()?.value.as_ref()?;
    let name = brought.get("name").and_then(Value::as_str);
    let sought = || {
        let listener = config.r#match.as_ref()?.listener.as_ref()?;
        Some(listener.filter_chain.as_ref()?.filter.as_ref()?.name.as_str())
    };
    name.or_else(sought).map(str::to_owned)
}

fn note_version(config: &ConfigPatch, name: Option<String>, by_version: &mut HashSet<String>) {
    let proxy = config.r#match.as_ref().and_then(|m| m.proxy.as_ref());
    if proxy.is_some_and(|p| !p.proxy_version.is_empty()) {
        by_version.extend(name);
    }
}
