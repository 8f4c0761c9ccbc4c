//! What must hold of every parser, whatever it is given: it does not panic, what it says can be shown, and
//! what it accepts reads back.
//!
//! Plain functions, so that libFuzzer and the property tests of `cargo test` run the same.

use mesh_core::addr::Address;
use mesh_core::api::value::Span;
use mesh_core::api::{AnyResource, KINDS, Meta};
use mesh_core::diagnostic::{Color, Finding, json as as_json, sarif, text as as_text};
use mesh_core::hostname::Hostname;
use mesh_core::identity::{SpiffeId, TrustDomain};
use mesh_core::model::matcher::Regex;
use mesh_core::node::Node;
use mesh_core::origin::Origin;
use mesh_core::registry::Protocol;
use mesh_core::world::World;
use mesh_core::{validate, yaml};
use std::sync::Arc;

/// A target's name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets by name.
pub const ALL: &[Target] = &[
    ("yaml", yaml),
    ("mesh_config", mesh_config),
    ("hostname", hostname),
    ("identity", identity),
    ("values", values),
    ("regex", regex),
    ("node", node),
    ("json", json),
];

/// Bounds that let a fuzzer try much in a second.
const LIMITS: yaml::Limits = yaml::Limits { bytes: 1 << 16, depth: 100, values: 20_000 };

fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// Text to documents, resources, findings and a World.
pub fn yaml(data: &[u8]) {
    let text = &*text(data);
    let documents = yaml::documents("a.yaml", text, &LIMITS);
    shown(&documents.findings);
    for document in &documents.documents {
        let root = document.source.locate("");
        assert!(root.is_some(), "a document stands somewhere");
        let Ok(json) = serde_json::to_string(&document.value) else { continue };
        let again = yaml::documents("a.json", &json, &LIMITS);
        if again.findings.is_empty() && again.documents.len() == 1 {
            assert_eq!(again.documents[0].value, document.value, "JSON says the same");
        }
    }
    let parsed = yaml::resources("a.yaml", text, &LIMITS);
    shown(&parsed.findings);
    let resources: Vec<AnyResource> = parsed.outcomes.into_iter().filter_map(|o| o.resource).collect();
    for resource in &resources {
        shown(&validate::check(resource));
    }
    let world = World::from_resources(resources, "1");
    let _ = world.registry();
}

/// The text of a MeshConfig.
pub fn mesh_config(data: &[u8]) {
    if let Err(finding) = yaml::mesh_config(&text(data)) {
        shown(&[*finding]);
    }
}

/// Hosts, and addresses with ports.
pub fn hostname(data: &[u8]) {
    let text = &*text(data);
    if let Ok(host) = text.parse::<Hostname>() {
        assert_eq!(host.to_string().parse::<Hostname>().as_ref(), Ok(&host));
        assert!(host.covers(&host) && host.overlaps(&host));
    }
    let _ = Hostname::resolve(text, "default", "cluster.local");
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse::<Address>().as_ref(), Ok(&address));
    }
}

/// SPIFFE ids and trust domains.
pub fn identity(data: &[u8]) {
    let text = &*text(data);
    if let Ok(id) = text.parse::<SpiffeId>() {
        assert_eq!(id.uri().parse::<SpiffeId>().as_ref(), Ok(&id));
        assert!(id.uri().ends_with(id.principal()));
    }
    if let Ok(domain) = text.parse::<TrustDomain>() {
        assert_eq!(domain.as_str(), text);
    }
}

/// Durations, percentages and protocols.
pub fn values(data: &[u8]) {
    let text = &*text(data);
    if let Ok(span) = text.parse::<Span>() {
        assert_eq!(span.to_string().parse::<Span>().as_ref(), Ok(&span), "{text:?}");
    }
    if let Some(share) = text.parse().ok().and_then(mesh_core::model::values::Fraction::percent) {
        assert!(share.as_millionths() <= 1_000_000);
    }
    let _ = mesh_core::api::value::grpc_status(text);
    let _ = Protocol::parse(text);
    let _ = Protocol::of_port(80, text, "TCP", None);
}

/// A pattern, and behind the first line end what it is held against.
pub fn regex(data: &[u8]) {
    let text = text(data);
    let (pattern, against) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(regex) = Regex::new(pattern) {
        let _ = regex.is_match(against);
        assert_eq!(regex.as_str(), pattern);
    }
}

/// Node ids, and the paths that resources have in metadata.
pub fn node(data: &[u8]) {
    let text = &*text(data);
    if let Ok(node) = Node::from_id(text) {
        assert_eq!(Node::from_id(&node.id()).as_ref(), Ok(&node));
        let _ = node.cluster_domain();
    }
    if let Some(origin) = Origin::from_api_path(text) {
        assert!(Origin::from_api_path(&origin.api_path()).is_some());
    }
}

/// A JSON document as a resource of every kind.
pub fn json(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    for kind in KINDS {
        let meta = Meta {
            group: kind.group.into(),
            version: kind.versions[0].into(),
            kind: kind.kind.into(),
            namespace: "default".into(),
            name: "a".into(),
            ..Meta::default()
        };
        if let Ok(resource) = AnyResource::from_value(meta, value.clone(), Arc::default()) {
            shown(&validate::check(&resource));
        }
    }
}

/// Findings can be shown in every form, and mark whole characters of their text.
fn shown(findings: &[Finding]) {
    for finding in findings {
        if let (Some(source), Some(span)) = (&finding.source, finding.span) {
            assert!(source.text.get(span.start..span.end).is_some(), "{finding:?}");
        }
    }
    let plain = as_text(findings, Color::Never);
    assert_eq!(plain.is_empty(), findings.is_empty());
    let _ = as_text(findings, Color::Always);
    assert_eq!(as_json(findings).as_array().map(Vec::len), Some(findings.len()));
    assert_eq!(sarif(findings)["runs"][0]["results"].as_array().map(Vec::len), Some(findings.len()));
}
