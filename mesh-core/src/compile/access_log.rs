//! Who writes access logs, where to and in which form: Telemetry, else the MeshConfig.

use super::scope::Scope;
use crate::api::mesh::{AccessLogEncoding, EnvoyFileAccessLog, FileLogFormat};
use crate::merge::telemetry;
use crate::model::access_log::{AccessLog, LogFormat};
use serde_json::Value;

pub(super) use crate::merge::telemetry::Side;

/// The access logs of one side.
pub(super) fn logs(scope: &Scope<'_>, side: Side) -> Vec<AccessLog> {
    let telemetries = telemetry::applicable(scope.world, &scope.target());
    telemetries.iter().for_each(|t| scope.uses(t));
    let written =
        scope.mesh.default_providers.as_ref().map(|d| d.access_logging.as_slice()).unwrap_or_default();
    let asked = telemetries.iter().any(|t| !t.spec.access_logging.is_empty());
    // A Telemetry that asks for logs and names nobody means Envoy's, which are there without being written.
    let envoy = ["envoy".to_owned()];
    let defaults = if written.is_empty() && asked { &envoy } else { written };
    match telemetry::access_logs(&telemetries, defaults, side) {
        Some(all) => all.iter().filter_map(|log| provider(scope, log.provider)).collect(),
        None => mesh_wide(scope),
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
