//! Traces of both sides.

use super::Side;
use crate::api::telemetry::{CustomTag, Telemetry};
use crate::api::{MeshConfig, Resource};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a workload traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing<'w> {
    /// Calls that it makes.
    pub client: SideTracing<'w>,
    /// Calls that it takes.
    pub server: SideTracing<'w>,
}

/// How one side traces.
#[derive(Clone, Debug, PartialEq)]
pub struct SideTracing<'w> {
    /// Where spans are sent to; `None` where nobody says, or who is named is not in the MeshConfig.
    pub provider: Option<&'w str>,
    /// Whether no spans are reported: so without a provider.
    pub disabled: bool,
    /// The share of requests that are sampled, in percent; `None` leaves it to the mesh.
    pub sampling: Option<f64>,
    /// Tags to add.
    pub custom_tags: Option<&'w BTreeMap<String, CustomTag>>,
    /// Whether Istio's own tags are added.
    pub istio_tags: bool,
    /// Whether the request's id decides about sampling.
    pub by_request_id: bool,
    /// Whether contexts are not passed on.
    pub no_propagation: bool,
    /// Who took part, the widest first.
    pub by: Vec<&'w Arc<Resource<Telemetry>>>,
}

/// How a workload traces; `None` where neither a Telemetry nor a default provider says anything.
///
/// Entries count from the widest to the narrowest, each for its side: what one says stands over what was said
/// before, field by field, tags as a whole. Of several providers the first counts.
pub fn tracing<'w>(
    telemetries: &[&'w Arc<Resource<Telemetry>>],
    mesh: &'w MeshConfig,
) -> Option<Tracing<'w>> {
    let default = mesh.default_providers.as_ref().and_then(|d| d.tracing.first());
    let known = |name: &String| {
        let provider = mesh.extension_providers.iter().find(|p| p.name.eq_ignore_ascii_case(name));
        provider.map(|p| p.name.as_str())
    };
    let entries = || telemetries.iter().flat_map(|t| t.spec.tracing.iter().map(move |e| (*t, e)));
    if default.is_none() && entries().next().is_none() {
        return None;
    }
    let of = |side: Side| {
        let mut out = SideTracing {
            provider: default.and_then(known),
            disabled: false,
            sampling: None,
            custom_tags: None,
            istio_tags: true,
            by_request_id: true,
            no_propagation: false,
            by: Vec::new(),
        };
        for (telemetry, entry) in entries().filter(|(_, e)| side.is_in(e.r#match.unwrap_or_default().mode)) {
            if let Some(named) = entry.providers.first() {
                out.provider = known(&named.name);
            }
            out.disabled = entry.disable_span_reporting.unwrap_or(out.disabled);
            out.sampling = entry.random_sampling_percentage.or(out.sampling);
            if !entry.custom_tags.is_empty() {
                out.custom_tags = Some(&entry.custom_tags);
            }
            out.istio_tags = entry.enable_istio_tags.unwrap_or(out.istio_tags);
            out.by_request_id = entry.use_request_id_for_trace_sampling.unwrap_or(out.by_request_id);
            out.no_propagation = entry.disable_context_propagation.unwrap_or(out.no_propagation);
            if !out.by.last().is_some_and(|l| Arc::ptr_eq(l, telemetry)) {
                out.by.push(telemetry);
            }
        }
        out.disabled |= out.provider.is_none();
        out
    };
    Some(Tracing { client: of(Side::Client), server: of(Side::Server) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::{names, world};

    const MESH: &str = "Mesh a/b: {extensionProviders: [{name: z, zipkin: {}}, {name: d, datadog: {}}], defaultProviders: {tracing: [z]}}";

    fn traced<T>(mesh: &str, entries: &[&str], f: impl FnOnce(Option<Tracing<'_>>) -> T) -> T {
        let mut texts = vec![mesh.to_owned()];
        let telemetry = |(i, e): (usize, &&str)| format!("Telemetry shop/t{i}@{i}: {{tracing: [{e}]}}");
        texts.extend(entries.iter().enumerate().map(telemetry));
        let world = world(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        f(tracing(&world.of::<Telemetry>().collect::<Vec<_>>(), world.mesh()))
    }

    #[test]
    fn nothing_is_said_without_telemetry_and_default_provider() {
        assert!(traced("Mesh a/b: {}", &[], |t| t.is_none()));
        traced(MESH, &[], |t| {
            let t = t.unwrap();
            assert_eq!((t.client.provider, t.client.disabled, &t.client), (Some("z"), false, &t.server));
        });
    }

    #[test]
    fn a_narrower_entry_stands_over_a_wider_one_field_by_field() {
        let wide =
            "{randomSamplingPercentage: 10, customTags: {a: {literal: {value: x}}}, enableIstioTags: false}";
        traced(MESH, &[wide, "{providers: [{name: d}], randomSamplingPercentage: 50}"], |t| {
            let client = t.unwrap().client;
            assert_eq!((client.provider, client.sampling, client.istio_tags), (Some("d"), Some(50.0), false));
            assert!(client.custom_tags.is_some_and(|t| t.contains_key("a")));
            assert_eq!(names(client.by), ["shop/t0", "shop/t1"]);
        });
    }

    #[test]
    fn an_entry_for_one_side_leaves_the_other_alone() {
        traced(MESH, &["{match: {mode: SERVER}, disableSpanReporting: true}"], |t| {
            let t = t.unwrap();
            assert!(t.server.disabled && !t.client.disabled);
        });
    }

    #[test]
    fn without_a_provider_that_the_mesh_knows_nothing_is_reported() {
        traced(MESH, &["{providers: [{name: nobody}]}"], |t| assert!(t.unwrap().client.disabled));
    }
}
