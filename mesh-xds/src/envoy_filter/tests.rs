//! What a patch may hold; what it may not stands in `tests/broken/envoy-filter`.

use super::*;
use crate::convert::{encode, tests::strategies};
use crate::json;
use mesh_core::api::Meta;
use mesh_core::api::networking::envoy_filter::Patch;
use mesh_core::diagnostic::{Level, SourceMap};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn filter(apply_to: ApplyTo, operation: PatchOperation, value: Value) -> Resource<EnvoyFilter> {
    let Value::Object(value) = value else { panic!("a value is a map: {value}") };
    let patch = Some(Patch { operation, value: Some(value), filter_class: None });
    let spec = EnvoyFilter {
        config_patches: vec![ConfigPatch { apply_to, r#match: None, patch }],
        ..EnvoyFilter::default()
    };
    Resource { meta: Meta::default(), source: Arc::new(SourceMap::default()), spec }
}

/// What is said of a value, notes left out.
fn said(apply_to: ApplyTo, operation: PatchOperation, value: Value) -> Vec<String> {
    let findings = check(&filter(apply_to, operation, value));
    findings.iter().filter(|f| f.level > Level::Info).map(ToString::to_string).collect()
}

#[track_caller]
fn is_fine(apply_to: ApplyTo, value: Value) {
    let said = said(apply_to, PatchOperation::Add, value);
    assert!(said.is_empty(), "{said:#?}");
}

#[test]
fn envoys_schema_has_all_that_can_be_patched() {
    let pool = pool().as_ref().unwrap();
    for apply_to in [
        ApplyTo::Listener,
        ApplyTo::ListenerFilter,
        ApplyTo::FilterChain,
        ApplyTo::NetworkFilter,
        ApplyTo::HttpFilter,
        ApplyTo::RouteConfiguration,
        ApplyTo::VirtualHost,
        ApplyTo::HttpRoute,
        ApplyTo::Cluster,
        ApplyTo::ExtensionConfig,
        ApplyTo::Bootstrap,
    ] {
        let name = message_of(apply_to).unwrap();
        assert!(pool.get_message_by_name(name).is_some(), "{name}");
    }
}

#[test]
fn fields_are_written_in_either_spelling_and_null_is_as_if_they_were_not() {
    is_fine(
        ApplyTo::Cluster,
        json!({ "name": "a", "connect_timeout": "5s", "lbPolicy": "RANDOM", "metadata": null,
                "outlierDetection": { "consecutive_5xx": null }, "filters": [] }),
    );
}

#[test]
fn durations_are_written_as_go_and_as_protobuf_write_them() {
    for duration in ["5s", "0.5s", "250ms", "1h30m", "1.500s", "0", "-1s"] {
        is_fine(ApplyTo::Cluster, json!({ "connect_timeout": duration }));
    }
}

#[test]
fn numbers_may_be_texts_and_values_numbers() {
    is_fine(
        ApplyTo::Cluster,
        json!({ "per_connection_buffer_limit_bytes": "1024", "lb_policy": 3,
                "outlier_detection": { "consecutive_5xx": 5.0, "max_ejection_percent": 1e1 },
                "preconnect_policy": { "per_upstream_preconnect_ratio": "1.5" } }),
    );
    is_fine(
        ApplyTo::HttpRoute,
        json!({ "direct_response": { "status": 200, "body": { "inline_bytes": "aGVsbG8=" } } }),
    );
}

#[test]
fn an_any_holds_the_message_of_its_type_or_the_value_of_one_that_json_has_a_form_for() {
    is_fine(
        ApplyTo::HttpFilter,
        json!({ "name": "wasm", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": { "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue", "value": "{}" } } } }),
    );
    is_fine(
        ApplyTo::HttpFilter,
        json!({ "name": "ours", "typed_config": {
            "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
            "type_url": "type.googleapis.com/example.shop.v1.Audit", "value": { "any": ["thing"] } } }),
    );
    let metadata = json!({ "filter_metadata": { "example.shop": { "weight": 1, "tags": ["a", null] } } });
    is_fine(ApplyTo::Cluster, json!({ "metadata": metadata }));
}

#[test]
fn a_type_of_somebody_elses_second_version_is_unknown_and_not_envoys_old_one() {
    let with = |name: &str| {
        let typed_config = json!({ "@type": format!("type.googleapis.com/{name}") });
        let value = json!({ "name": "a", "typed_config": typed_config });
        check(&filter(ApplyTo::HttpFilter, PatchOperation::Add, value))[0].level
    };
    assert_eq!(with("example.shop.v2.Audit"), Level::Warning);
    for old in ["envoy.api.v2.Cluster", "envoy.config.filter.http.jwt_authn.v2alpha.JwtAuthentication"] {
        assert_eq!(with(old), Level::Error, "{old}");
    }
}

#[test]
fn a_filter_that_comes_by_ecds_needs_no_configuration() {
    let source = json!({ "config_source": { "ads": {} }, "type_urls": ["type.googleapis.com/a.B"] });
    is_fine(ApplyTo::HttpFilter, json!({ "name": "a", "config_discovery": source }));
    let names_it = filter(ApplyTo::HttpFilter, PatchOperation::Merge, json!({ "name": "a" }));
    assert_eq!(check(&names_it), [], "what it is merged into has the type");
}

#[test]
fn a_value_that_envoy_will_take_out_is_a_note() {
    let old = filter(
        ApplyTo::Bootstrap,
        PatchOperation::Merge,
        json!({ "admin": { "access_log_path": "/dev/null" } }),
    );
    let found = check(&old);
    assert_eq!((found.len(), found[0].level, found[0].code), (1, Level::Info, code::DEPRECATED), "{found:?}");
}

#[test]
fn a_map_with_numbers_for_names_has_no_others() {
    let with = |name: &str| {
        json!({ "name": "a", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_field_extraction.v3.GrpcFieldExtractionConfig",
            "extractions_by_method": { name: {} } } })
    };
    is_fine(ApplyTo::HttpFilter, with("a.B.C"));
    let number = prost_reflect::Kind::Uint32;
    assert_eq!(scalar::problem_of_key(&number, "12"), None);
    assert!(scalar::problem_of_key(&number, "twelve").is_some_and(|p| p.message.contains("`twelve`")));
    assert!(scalar::problem_of_key(&prost_reflect::Kind::Bool, "yes").is_some());
}

#[test]
fn few_of_many_unknown_types_are_guessed_at() {
    let one =
        json!({ "name": "a", "typed_config": { "@type": "a/envoy.extensions.filters.http.lua.v3.Luna" } });
    let all: Vec<Value> = std::iter::repeat_n(one, 100).collect();
    let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let value = json!({ "name": "a", "typed_config": { "@type": manager, "http_filters": all } });
    let findings = check(&filter(ApplyTo::NetworkFilter, PatchOperation::Add, value));
    let guessed =
        findings.iter().filter(|f| f.help.as_deref().is_some_and(|h| h.starts_with("did you mean")));
    assert_eq!((findings.len(), guessed.count()), (100, 8));
}

/// All places in a value, the value itself among them.
fn places(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                places(inner, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                places(inner, format!("{at}/{i}"), out);
            }
        }
        _ => {}
    }
    out.push(at);
}

fn anything() -> impl Strategy<Value = Value> {
    proptest::sample::select(vec![
        json!(true),
        json!(3),
        json!(-1),
        json!(2.5),
        json!(1e20),
        json!("x"),
        json!("7"),
        json!("1.5s"),
        json!([]),
        json!([1]),
        json!({}),
        json!({ "a": 1 }),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_we_send_to_envoy_is_what_envoy_has_there(c in strategies::cluster(), l in strategies::listener()) {
        let cluster = json::to_json(&encode::cluster(&c)).unwrap();
        prop_assert_eq!(said(ApplyTo::Cluster, PatchOperation::Add, cluster), [""; 0]);
        let listener = json::to_json(&encode::listener(&l)).unwrap();
        // Filters that the proxy alone knows go by their name.
        prop_assert_eq!(said(ApplyTo::Listener, PatchOperation::Merge, listener), [""; 0]);
    }

    #[test]
    fn what_is_accepted_can_be_read_and_what_is_refused_cannot(
        l in strategies::listener(),
        place in any::<proptest::sample::Index>(),
        other in anything(),
    ) {
        use envoy_types::pb::envoy::config::listener::v3::Listener;
        let mut value = json::to_json(&encode::listener(&l)).unwrap();
        let mut all = Vec::new();
        places(&value, String::new(), &mut all);
        all.pop();
        *value.pointer_mut(place.get(&all).as_str()).unwrap() = other;
        let findings = check(&filter(ApplyTo::Listener, PatchOperation::Merge, value.clone()));
        let is_refused = findings.iter().any(|f| f.level == Level::Error);
        let is_doubted = findings.iter().any(|f| f.level == Level::Warning);
        match json::from_json::<Listener>(&value) {
            Ok(_) => prop_assert!(!is_refused, "{findings:#?}"),
            Err(error) => prop_assert!(is_refused || is_doubted, "{error}: {value:#}"),
        }
    }
}
