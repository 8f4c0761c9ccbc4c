//! What is logged, traced and measured at a workload: Telemetry from the mesh down to the workload.
//!
//! ```text
//! MeshConfig ◀─ root namespace's ◀─ namespace's ◀─ workload's      what is further right stands over the rest
//! ```
//!
//! Istio: `applicableTelemetries`, `mergeLogs`, `Tracing` and `mergeMetrics` in `pilot/pkg/model/telemetry.go`.

mod access_log;
mod metrics;
mod tracing;

pub use access_log::{AccessLog, access_logs};
pub use metrics::{MetricChange, ProviderMetrics, SideMetrics, metrics};
pub use tracing::{SideTracing, Tracing, tracing};

use super::attachment::{Attachment, Target, holds};
use crate::api::Resource;
use crate::api::telemetry::{ProviderRef, Telemetry, WorkloadMode};
use crate::world::World;
use std::sync::Arc;

/// Which side of a call a workload is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// It calls. Gateways are on this side.
    Client,
    /// It is called.
    Server,
}

impl Side {
    fn is_in(self, mode: WorkloadMode) -> bool {
        match mode {
            WorkloadMode::Client => self == Self::Client,
            WorkloadMode::Server => self == Self::Server,
            WorkloadMode::ClientAndServer => true,
        }
    }
}

/// The Telemetries that hold for a proxy, the widest first: the oldest of the root namespace without selector and
/// `targetRefs`, the oldest such of the proxy's namespace, then every one of its namespace that selects or targets
/// it, the oldest first. What is later stands over what is earlier.
pub fn applicable<'w>(world: &'w World, target: &Target<'_>) -> Vec<&'w Arc<Resource<Telemetry>>> {
    let own = target.subject.namespace;
    let in_namespace = |namespace: &str| {
        world.of::<Telemetry>().filter(|t| *t.meta.namespace == *namespace).collect::<Vec<_>>()
    };
    let for_all = |all: Vec<&'w Arc<Resource<Telemetry>>>| all.into_iter().find(|t| is_for_all(t));
    let mut out: Vec<_> = for_all(in_namespace(target.root)).into_iter().collect();
    if own != target.root {
        out.extend(for_all(in_namespace(own)));
    }
    out.extend(in_namespace(own).into_iter().filter(|t| !is_for_all(t) && holds(&attachment(t), target)));
    out
}

fn attachment(telemetry: &Resource<Telemetry>) -> Attachment<'_> {
    let spec = &telemetry.spec;
    Attachment::new(&telemetry.meta, spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs)
}

fn is_for_all(telemetry: &Resource<Telemetry>) -> bool {
    let labels = telemetry.spec.selector.as_ref().map(|s| &s.match_labels);
    labels.is_none_or(std::collections::BTreeMap::is_empty) && attachment(telemetry).target_refs.is_empty()
}

fn names(providers: &[ProviderRef]) -> Vec<&str> {
    providers.iter().map(|p| p.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::{names, with_subject, world};

    const LOG: &str = "accessLogging: [{}]";

    #[test]
    fn the_mesh_comes_before_the_namespace_and_that_before_the_workload() {
        let own = format!("selector: {{matchLabels: {{app: a}}}}, {LOG}");
        let texts = [
            format!("Telemetry shop/own: {{{own}}}"),
            format!("Telemetry shop/also@1: {{{own}}}"),
            format!("Telemetry shop/all@2: {{{LOG}}}"),
            format!("Telemetry shop/younger@3: {{{LOG}}}"),
            format!("Telemetry istio-system/root: {{{LOG}}}"),
            format!("Telemetry istio-system/selecting: {{{own}}}"),
            format!("Telemetry bank/far: {{{LOG}}}"),
        ];
        let world = world(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let of = |namespace, app| {
            with_subject(namespace, app, |s| names(applicable(&world, &Target::new(s, "istio-system"))))
        };
        assert_eq!(of("shop", "a"), ["istio-system/root", "shop/all", "shop/own", "shop/also"]);
        assert_eq!(of("shop", "b"), ["istio-system/root", "shop/all"]);
        assert_eq!(of("istio-system", "a"), ["istio-system/root", "istio-system/selecting"]);
    }
}
