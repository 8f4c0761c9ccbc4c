//! Worlds in YAML for the tests of the rules.

use super::Subject;
use crate::api::{Meta, Resource};
use crate::world::World;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// A World of these documents, each `kind namespace/name[@age]: spec`; the age is seconds since 1970.
pub(super) fn world(documents: &[&str]) -> World {
    let texts: Vec<String> = documents.iter().map(|d| document(d)).collect();
    let parsed = crate::yaml::resources("mesh.yaml", &texts.join("---\n"), &Default::default());
    let found: Vec<_> = parsed.findings.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{found:#?}");
    World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1")
}

fn document(text: &str) -> String {
    let (head, spec) = text.split_once(": ").unwrap();
    let (kind, name) = head.trim().split_once(' ').unwrap();
    let (name, age) = name.split_once('@').unwrap_or((name, ""));
    let (namespace, name) = name.split_once('/').unwrap();
    let created = match age {
        "" => String::new(),
        age => format!(", creationTimestamp: \"1970-01-01T00:00:{:02}Z\"", age.parse::<u8>().unwrap()),
    };
    let (version, body) = match kind {
        "Mesh" => {
            let lines: String = spec.lines().map(|l| format!("    {l}\n")).collect();
            return format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n{lines}"
            );
        }
        "PeerAuthentication" | "AuthorizationPolicy" => ("security.istio.io/v1", spec),
        "Telemetry" => ("telemetry.istio.io/v1", spec),
        "EnvoyFilter" => ("networking.istio.io/v1alpha3", spec),
        "ProxyConfig" => ("networking.istio.io/v1beta1", spec),
        _ => ("networking.istio.io/v1", spec),
    };
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}{created}}}\nspec: {body}\n"
    )
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// A workload of `default` labelled `app: a`, for which `f` is asked.
pub(super) fn with_subject<T>(namespace: &str, app: &str, f: impl FnOnce(Subject<'_>) -> T) -> T {
    let labels = labels(&[("app", app)]);
    f(Subject { namespace, labels: &labels })
}

/// `namespace/name` of each.
pub(super) fn names<T>(
    all: impl IntoIterator<Item = impl Borrow<std::sync::Arc<Resource<T>>>>,
) -> Vec<String> {
    let name = |Meta { namespace, name, .. }: &Meta| format!("{namespace}/{name}");
    all.into_iter().map(|r| name(&r.borrow().meta)).collect()
}
