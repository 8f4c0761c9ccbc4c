//! Whether the values that an EnvoyFilter patches in are what Envoy has there.
//!
//! ```text
//! text ─yaml─▶ AnyResource ─validate─▶ [envoy_filter] ─▶ in force, or quarantined with findings
//!                          mesh-core    Envoy's schema
//! ```
//!
//! A patch is a part of Envoy's configuration as JSON, and mesh-core does not hold Envoy's schema. So it judges
//! what is around a `value`, and this module the `value`, by the descriptors of Envoy's API. It is a
//! [`Check`] for a [source](mesh_core::source::folder::Options::checks), which refuses what it refuses.
//!
//! The verdicts are those of Istio's webhook, which reads a value as a message of the type that `applyTo` names: a
//! value of another shape is refused, and what only a newer Envoy may know is warned of.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | a type of Envoy's v2 API | warned of, as any unknown type | refused | no Envoy of today has it |
//! | a type of the filters of Istio's own Envoy | checked | a note | their schema is not at hand |
//! | what a `TypedStruct` holds | not looked at | warned of | Envoy reads it as the type that it names |
//! | two fields of which Envoy holds one | accepted, one is dropped | warned of | one of them has no effect |
//! | one field in both spellings | accepted, one is dropped | warned of | as above |
//! | a field or value that is deprecated | accepted | a note | Envoy takes it out some day |
//! | an extension by its name alone, under MERGE | warned of | accepted | its type may be there already |
//! | the same in a list | accepted | warned of | Envoy finds no extension by its name |
//! | base64 as a list of bytes | accepted | refused | nobody writes it |

mod any;
mod scalar;
#[cfg(test)]
mod tests;
mod walk;

use mesh_core::api::networking::EnvoyFilter;
use mesh_core::api::networking::envoy_filter::{ApplyTo, ConfigPatch, PatchOperation};
use mesh_core::api::{AnyResource, Resource};
use mesh_core::diagnostic::{Finding, Findings, code};
use mesh_core::validate::Check;
use prost_reflect::DescriptorPool;
use std::sync::OnceLock;
use walk::Walk;

/// What a source asks of each resource, so that EnvoyFilters are judged: [`check`].
pub const CHECKS: &[Check] = &[|resource| match resource {
    AnyResource::EnvoyFilter(filter) => check(filter),
    _ => Findings::new(),
}];

/// All that is wrong with the values of an EnvoyFilter, each with its path, such as
/// `spec.configPatches[0].patch.value.connect_timeout`. A finding of level error refuses the resource.
///
/// Fields may be written in snake_case and in lowerCamelCase, and durations as Go writes them, as with Istio.
pub fn check(filter: &Resource<EnvoyFilter>) -> Findings {
    let pool = match pool() {
        Ok(pool) => pool,
        Err(error) => {
            let message = format!("what it patches in cannot be checked: {error}");
            return vec![Finding::warning(code::SCHEMA_WARNING, message).at(filter, "spec")];
        }
    };
    let mut findings = Findings::new();
    for (i, patch) in filter.spec.config_patches.iter().enumerate() {
        findings.extend(config_patch(filter, pool, patch, &format!("spec.configPatches[{i}].patch.value")));
    }
    findings
}

fn config_patch(
    filter: &Resource<EnvoyFilter>,
    pool: &'static DescriptorPool,
    one: &ConfigPatch,
    path: &str,
) -> Findings {
    let Some(patch) = &one.patch else { return Findings::new() };
    let (Some(value), Some(name)) = (&patch.value, message_of(one.apply_to)) else { return Findings::new() };
    let Some(message) = pool.get_message_by_name(name) else { return Findings::new() };
    let is_whole = !matches!(
        patch.operation,
        PatchOperation::Merge | PatchOperation::MergeAndReplaceList | PatchOperation::Remove
    );
    let mut walk = Walk::new(filter, pool, is_whole);
    walk.fields(&message, value, path);
    walk.into_findings()
}

/// The message that a value is of.
fn message_of(apply_to: ApplyTo) -> Option<&'static str> {
    Some(match apply_to {
        ApplyTo::Listener => "envoy.config.listener.v3.Listener",
        ApplyTo::ListenerFilter => "envoy.config.listener.v3.ListenerFilter",
        ApplyTo::FilterChain => "envoy.config.listener.v3.FilterChain",
        ApplyTo::NetworkFilter => "envoy.config.listener.v3.Filter",
        ApplyTo::HttpFilter => "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
        ApplyTo::RouteConfiguration => "envoy.config.route.v3.RouteConfiguration",
        ApplyTo::VirtualHost => "envoy.config.route.v3.VirtualHost",
        ApplyTo::HttpRoute => "envoy.config.route.v3.Route",
        ApplyTo::Cluster => "envoy.config.cluster.v3.Cluster",
        ApplyTo::ExtensionConfig => "envoy.config.core.v3.TypedExtensionConfig",
        ApplyTo::Bootstrap => "envoy.config.bootstrap.v3.Bootstrap",
        // Refused already.
        ApplyTo::Invalid => return None,
    })
}

/// The descriptors of all of Envoy's configuration, read once, when the first EnvoyFilter is seen. A proxy needs few of
/// them and has [its own](crate::json).
fn pool() -> &'static Result<DescriptorPool, String> {
    static POOL: OnceLock<Result<DescriptorPool, String>> = OnceLock::new();
    POOL.get_or_init(|| {
        let bytes: &[u8] = include_bytes!("envoy_filter/descriptors.bin");
        DescriptorPool::decode(bytes).map_err(|e| e.to_string())
    })
}
