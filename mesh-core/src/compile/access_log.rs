//! Who writes access logs, where to and in which form: Telemetry, else the MeshConfig.

use super::scope::Scope;
use crate::api::Resource;
use crate::api::mesh::{AccessLogEncoding, EnvoyFileAccessLog, FileLogFormat};
use crate::api::telemetry::{AccessLogging, Telemetry, WorkloadMode};
use crate::model::access_log::{AccessLog, LogFormat};
use serde_json::Value;
use std::sync::Arc;

/// Which side of a call a log is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Outbound, and gateways.
    Client,
    /// Inbound.
    Server,
}

/// The access logs of one side.
pub(super) fn logs(scope: &Scope<'_>, side: Side) -> Vec<AccessLog> {
    let Some(telemetry) = telemetry(scope) else {
        let defaults = scope.mesh.default_providers.as_ref().map(|d| d.access_logging.as_slice());
        return match defaults {
            Some(providers) if !providers.is_empty() => {
                providers.iter().filter_map(|p| provider(scope, p)).collect()
            }
            _ => mesh_wide(scope),
        };
    };
    scope.uses(telemetry);
    let mut out: Vec<AccessLog> = Vec::new();
    for entry in telemetry.spec.access_logging.iter().filter(|e| covers(e, side)) {
        let named: Vec<AccessLog> = match entry.providers.as_slice() {
            [] => default_providers(scope),
            providers => providers.iter().filter_map(|p| provider(scope, &p.name)).collect(),
        };
        for log in named {
            out.retain(|l| *l != log);
            if entry.disabled != Some(true) {
                out.push(log);
            }
        }
    }
    out
}

/// The Telemetry that says something of access logs: the workload's, the namespace's, the mesh's.
fn telemetry<'w>(scope: &Scope<'w>) -> Option<&'w Arc<Resource<Telemetry>>> {
    let says = |t: &&Arc<Resource<Telemetry>>| {
        !t.spec.access_logging.is_empty()
            && t.spec.target_ref.is_none()
            && t.spec.target_refs.is_empty()
            && scope.selects(&t.meta.namespace, t.spec.selector.as_ref())
    };
    let own = |t: &&Arc<Resource<Telemetry>>| *t.meta.namespace == *scope.node.namespace;
    let selecting =
        |t: &&Arc<Resource<Telemetry>>| t.spec.selector.as_ref().is_some_and(|s| !s.match_labels.is_empty());
    let all = || scope.world.of::<Telemetry>().filter(says);
    all().filter(own).find(selecting).or_else(|| all().find(own)).or_else(|| all().find(|t| !selecting(t)))
}

fn covers(entry: &AccessLogging, side: Side) -> bool {
    match entry.r#match.unwrap_or_default().mode {
        WorkloadMode::Client => side == Side::Client,
        WorkloadMode::Server => side == Side::Server,
        WorkloadMode::ClientAndServer => true,
    }
}

fn default_providers(scope: &Scope<'_>) -> Vec<AccessLog> {
    match scope.mesh.default_providers.as_ref().map(|d| d.access_logging.as_slice()) {
        Some(providers) if !providers.is_empty() => {
            providers.iter().filter_map(|p| provider(scope, p)).collect()
        }
        _ => provider(scope, "envoy").into_iter().collect(),
    }
}

/// A provider by its name in the MeshConfig; `envoy` is there without being written.
fn provider(scope: &Scope<'_>, name: &str) -> Option<AccessLog> {
    let written = scope.mesh.extension_providers.iter().find(|p| p.name == name);
    match written {
        Some(provider) => provider.envoy_file_access_log.as_ref().map(|file| of_file(scope, file)),
        None if name == "envoy" => {
            let path = "/dev/stdout".into();
            Some(AccessLog { path, format: mesh_format(scope) })
        }
        None => None,
    }
}

fn of_file(scope: &Scope<'_>, file: &EnvoyFileAccessLog) -> AccessLog {
    let format = match &file.log_format {
        None => mesh_format(scope),
        Some(FileLogFormat::Text(text)) => LogFormat::Text(with_newline(text)),
        Some(FileLogFormat::Labels(labels)) if labels.is_empty() => LogFormat::default_json(),
        Some(FileLogFormat::Labels(labels)) => LogFormat::Json(pairs(labels)),
    };
    let path = if file.path.is_empty() { "/dev/stdout" } else { file.path.as_str() };
    AccessLog { path: path.into(), format }
}

fn mesh_wide(scope: &Scope<'_>) -> Vec<AccessLog> {
    match scope.mesh.access_log_file.as_str() {
        "" => vec![],
        path => vec![AccessLog { path: path.into(), format: mesh_format(scope) }],
    }
}

fn mesh_format(scope: &Scope<'_>) -> LogFormat {
    let written = scope.mesh.access_log_format.as_str();
    match (scope.mesh.access_log_encoding, written) {
        (AccessLogEncoding::Text, "") => LogFormat::default_text(),
        (AccessLogEncoding::Text, text) => LogFormat::Text(with_newline(text)),
        (AccessLogEncoding::Json, "") => LogFormat::default_json(),
        // What is no JSON object is Istio's own, as istiod does.
        (AccessLogEncoding::Json, json) => match serde_json::from_str::<Value>(json) {
            Ok(Value::Object(labels)) => LogFormat::Json(pairs(&labels)),
            _ => LogFormat::default_json(),
        },
    }
}

fn pairs(labels: &serde_json::Map<String, Value>) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    labels.iter().map(|(k, v)| (k.clone(), text(v))).collect()
}

fn with_newline(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}
