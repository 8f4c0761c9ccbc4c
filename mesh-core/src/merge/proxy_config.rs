//! The settings of a workload's proxy: ProxyConfig and the pod's annotation over the MeshConfig's `defaultConfig`.
//!
//! ```text
//! defaultConfig ◀─ root namespace's ◀─ namespace's ◀─ annotation ◀─ workload's   what is further right stands
//! ```
//!
//! Istio: `EffectiveProxyConfig` in `pilot/pkg/model/proxy_config.go`.

mod over;
#[cfg(test)]
mod tests;

use super::Subject;
use crate::api::Resource;
use crate::api::mesh::ProxyDefaults;
use crate::api::networking::ProxyConfig;
use crate::api::value::labels_match;
use crate::diagnostic::Finding;
use crate::world::World;
use crate::yaml::proxy_defaults;
use std::sync::Arc;

/// The pod's annotation with settings of its proxy, in YAML, as in `defaultConfig`.
pub const ANNOTATION: &str = "proxy.istio.io/config";

/// The settings of one proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective<'w> {
    /// The settings; those that nobody writes are as the proxy has them.
    pub settings: ProxyDefaults,
    /// The ProxyConfigs that took part, the widest first.
    pub by: Vec<&'w Arc<Resource<ProxyConfig>>>,
    /// Why the annotation could not be read; it is then passed over, as in Istio.
    pub refused: Option<Box<Finding>>,
}

/// The settings of the proxy of a workload whose pod has this text in its [`ANNOTATION`].
///
/// What counts, each over what comes before: `defaultConfig` of the mesh; the oldest ProxyConfig of the root
/// namespace without a selector; the oldest such of the workload's namespace; the annotation; the oldest ProxyConfig
/// of its namespace that selects it. A selector without labels selects nothing. A single value replaces, maps are
/// merged by key, lists are appended to, and messages are merged field by field, as protobuf merges.
pub fn effective<'w>(world: &'w World, subject: Subject<'_>, annotation: Option<&str>) -> Effective<'w> {
    let mesh = world.mesh();
    let of = |namespace: &str| {
        let namespace = namespace.to_owned();
        world.of::<ProxyConfig>().filter(move |c| *c.meta.namespace == *namespace)
    };
    let for_all = |c: &&Arc<Resource<ProxyConfig>>| c.spec.selector.is_none();
    let selects = |c: &&Arc<Resource<ProxyConfig>>| {
        let labels = c.spec.selector.as_ref().map(|s| &s.match_labels).filter(|l| !l.is_empty());
        labels.is_some_and(|want| labels_match(want, subject.labels))
    };
    let root = mesh.root_namespace.as_str();
    let own = if subject.namespace == root { None } else { of(subject.namespace).find(for_all) };
    let wide: Vec<_> = of(root).find(for_all).into_iter().chain(own).collect();
    let narrow = of(subject.namespace).find(selects);

    let mut settings = mesh.default_config.clone().unwrap_or_default();
    for config in &wide {
        over::put(&mut settings, of_resource(&config.spec));
    }
    let mut refused = None;
    match annotation.map(proxy_defaults).transpose() {
        Ok(written) => over::put(&mut settings, written.unwrap_or_default()),
        Err(finding) => refused = Some(finding),
    }
    if let Some(config) = narrow {
        over::put(&mut settings, of_resource(&config.spec));
    }
    Effective { settings, by: wide.into_iter().chain(narrow).collect(), refused }
}

fn of_resource(spec: &ProxyConfig) -> ProxyDefaults {
    ProxyDefaults {
        concurrency: spec.concurrency,
        proxy_metadata: spec.environment_variables.clone(),
        image: spec.image.clone(),
        ..ProxyDefaults::default()
    }
}
