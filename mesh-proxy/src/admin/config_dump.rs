//! `/config_dump`: what is served, in the shape that `istioctl proxy-config` reads.
//!
//! Listeners, clusters, routes and endpoints come from the program's hook, which knows the wire; what this
//! proxy knows itself, who it is and which secrets it holds, is added here. Private keys never leave.

use super::info::node_json;
use super::query::Query;
use super::reply::Reply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use mesh_core::credential::Credential;
use mesh_core::model::tls::secret;
use mesh_core::node::Node;
use regex::Regex;
use serde_json::{Map, Value, json};

const TYPE: &str = "@type";
const ADMIN: &str = "type.googleapis.com/envoy.admin.v3.";
const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// Puts the parts together; `snapshot` is what the hook made, with a list `configs`.
pub(super) fn dump(node: &Node, snapshot: Option<Value>, credential: Option<&Credential>) -> Vec<Value> {
    let bootstrap = json!({
        TYPE: format!("{ADMIN}BootstrapConfigDump"),
        "bootstrap": { "node": node_json(node) },
    });
    let of_hook = snapshot.and_then(|mut dump| match dump.get_mut("configs").map(Value::take) {
        Some(Value::Array(configs)) => Some(configs),
        _ => None,
    });
    let mut configs = vec![bootstrap];
    configs.extend(of_hook.into_iter().flatten());
    configs.push(secrets(credential));
    configs
}

/// Envoy's `SecretsConfigDump`.
fn secrets(credential: Option<&Credential>) -> Value {
    let mut active = Vec::new();
    if let Some(credential) = credential {
        let secret = |name: &str, key: &str, value: Value| {
            json!({
                "name": name,
                "version_info": credential.serial,
                "secret": { TYPE: SECRET, "name": name, key: value },
            })
        };
        let certificate = json!({
            "certificate_chain": { "inline_bytes": pem(&credential.chain) },
            "private_key": { "inline_string": "[redacted]" },
        });
        active.push(secret(secret::DEFAULT, "tls_certificate", certificate));
        let roots = json!({ "trusted_ca": { "inline_bytes": pem(&credential.roots) } });
        active.push(secret(secret::ROOT_CA, "validation_context", roots));
    }
    json!({ TYPE: format!("{ADMIN}SecretsConfigDump"), "dynamic_active_secrets": active })
}

/// PEM, in base64 once more, as protobuf's JSON writes bytes.
fn pem(certificates: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for der in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for (i, c) in STANDARD.encode(der).chars().enumerate() {
            if i > 0 && i % 64 == 0 {
                text.push('\n');
            }
            text.push(c);
        }
        text.push_str("\n-----END CERTIFICATE-----\n");
    }
    STANDARD.encode(text)
}

/// The page: all of it, or what `resource`, `mask`, `name_regex` and `include_eds` leave.
pub(super) fn page(mut configs: Vec<Value>, query: &Query) -> Reply {
    let names = match query.regex("name_regex") {
        Ok(names) => names,
        Err(refused) => return refused,
    };
    if !query.has("include_eds") {
        configs.retain(|config| !has_type(config, "EndpointsConfigDump"));
    }
    if let Some(names) = names {
        configs.iter_mut().for_each(|config| keep_named(config, &names));
    }
    let mask: Vec<&str> = query.get("mask").map(|m| m.split(',').collect()).unwrap_or_default();
    let configs = match query.get("resource") {
        Some(resource) => match entries(&configs, resource) {
            Ok(entries) if mask.is_empty() => entries,
            Ok(entries) => entries.iter().map(|entry| masked(entry, &mask)).collect(),
            Err(refused) => return refused,
        },
        None if mask.is_empty() => configs,
        None => {
            let left: Vec<Value> =
                configs.iter().map(|config| masked(config, &mask)).filter(|left| !is_bare(left)).collect();
            if left.is_empty() {
                let mask = mask.join(",");
                return Reply::bad_request(format!(
                    "FieldMask {mask} could not be successfully applied to any configs.\n"
                ));
            }
            left
        }
    };
    Reply::json(&json!({ "configs": configs }))
}

fn has_type(config: &Value, name: &str) -> bool {
    config.get(TYPE).and_then(Value::as_str).is_some_and(|url| url.strip_prefix(ADMIN) == Some(name))
}

/// The entries of one list, such as `dynamic_active_clusters`, each with a type of its own.
fn entries(configs: &[Value], resource: &str) -> Result<Vec<Value>, Reply> {
    let missing = || Reply::error(StatusCode::NOT_FOUND, format!("{resource} not found in config dump\n"));
    let config = configs.iter().find(|config| config.get(resource).is_some()).ok_or_else(missing)?;
    let Some(Value::Array(entries)) = config.get(resource) else {
        let why =
            format!("{resource} is not a repeated field. Use ?mask={resource} to get only this field\n");
        return Err(Reply::bad_request(why));
    };
    let url = config.get(TYPE).and_then(Value::as_str).unwrap_or_default();
    let url = format!("{url}.{}", entry_type(resource));
    let typed = |entry: &Value| {
        let mut entry = entry.clone();
        if let Value::Object(fields) = &mut entry {
            fields.insert(TYPE.to_owned(), url.clone().into());
        }
        entry
    };
    Ok(entries.iter().map(typed).collect())
}

/// Envoy's message for the entries of a list: `dynamic_active_clusters` holds `DynamicCluster`s.
fn entry_type(list: &str) -> String {
    let words = list
        .trim_end_matches('s')
        .split('_')
        .filter(|word| !matches!(*word, "active" | "warming" | "draining"));
    words
        .flat_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars)
        })
        .collect()
}

/// Keeps entries of lists whose name matches; what has no name stays.
fn keep_named(config: &mut Value, names: &Regex) {
    let Value::Object(fields) = config else { return };
    for list in fields.values_mut().filter_map(Value::as_array_mut) {
        list.retain(|entry| name_of(entry).is_none_or(|name| names.is_match(name)));
    }
}

/// The name of an entry, or of the resource in it.
fn name_of(entry: &Value) -> Option<&str> {
    fn own(value: &Value) -> Option<&str> {
        value.get("name").or_else(|| value.get("cluster_name"))?.as_str()
    }
    own(entry).or_else(|| entry.as_object()?.values().find_map(own))
}

/// What a field mask leaves of a value; types stay, or nobody could read the rest.
fn masked(value: &Value, paths: &[&str]) -> Value {
    if let Value::Array(entries) = value {
        return entries.iter().map(|entry| masked(entry, paths)).collect();
    }
    let Value::Object(fields) = value else { return value.clone() };
    let mut left = Map::new();
    for (key, field) in fields {
        let below: Option<Vec<&str>> = if key == TYPE {
            Some(vec![])
        } else {
            let matching: Vec<_> = paths.iter().filter_map(|path| path.strip_prefix(key.as_str())).collect();
            let whole = matching.iter().any(|rest| rest.is_empty());
            let below: Vec<&str> = matching.iter().filter_map(|rest| rest.strip_prefix('.')).collect();
            if whole { Some(vec![]) } else { Some(below).filter(|b| !b.is_empty()) }
        };
        match below {
            Some(below) if below.is_empty() => left.insert(key.clone(), field.clone()),
            Some(below) => left.insert(key.clone(), masked(field, &below)),
            None => None,
        };
    }
    Value::Object(left)
}

/// Whether nothing but its type is left of it.
fn is_bare(value: &Value) -> bool {
    value.as_object().is_none_or(|fields| fields.keys().all(|key| key == TYPE))
}

#[cfg(test)]
mod tests;
