//! The JSON Schemas of the kinds, which editors complete and check by.
#![cfg(feature = "schema")]
#![allow(clippy::unwrap_used, reason = "a broken test must fail")]

use mesh_core::api::KINDS;
use mesh_core::api::kind::schema;

#[test]
fn every_kind_has_a_schema_that_names_its_versions_and_describes_its_fields() {
    for info in KINDS {
        let schema = schema(info.group, info.kind).unwrap();
        let versions = schema.pointer("/properties/apiVersion/enum").and_then(|v| v.as_array()).unwrap();
        assert_eq!(versions.len(), info.versions.len(), "{}", info.kind);
        assert_eq!(schema.pointer("/properties/kind/const").unwrap(), info.kind);
    }
    let service = schema("networking.istio.io", "VirtualService").unwrap();
    let timeout = service.pointer("/definitions/HttpRoute/properties/timeout").unwrap();
    assert!(timeout["description"].as_str().unwrap().starts_with("The longest that a response may take"));
}

#[test]
fn the_schemas_of_routing_know_its_enums_and_numbers() {
    let rule = schema("networking.istio.io", "DestinationRule").unwrap();
    let at = |path: &str| rule.pointer(&format!("/definitions/{path}")).unwrap_or_else(|| panic!("{path}"));
    let protocols = at("TunnelProtocol/oneOf").as_array().unwrap();
    assert_eq!(protocols.iter().map(|p| &p["const"]).collect::<Vec<_>>(), ["CONNECT", "POST"]);
    let percent = at("RetryBudget/properties/percent/type");
    assert_eq!(percent[0], "number");
    assert_eq!(at("OutlierDetection/properties/outlierDetectionHttpErrorCodes/type"), "array");
    assert!(at("LoadBalancer/properties/zoneAwareLbSetting").to_string().contains("ZoneAwareLbSetting"));
    let service = schema("networking.istio.io", "VirtualService").unwrap();
    for field in ["mirrorPercent", "mirror_percent"] {
        let path = format!("/definitions/HttpRoute/properties/{field}/description");
        assert_eq!(service.pointer(&path).unwrap(), "Deprecated: use `mirrorPercentage`.");
    }
}

#[test]
fn the_two_kinds_named_gateway_have_schemas_of_their_own() {
    let istio = schema("networking.istio.io", "Gateway").unwrap();
    let kubernetes = schema("gateway.networking.k8s.io", "Gateway").unwrap();
    assert!(istio.pointer("/definitions/Gateway/properties/servers").is_some());
    assert!(kubernetes.pointer("/definitions/Gateway/properties/servers").is_none());
    assert!(kubernetes.pointer("/definitions/Gateway/properties/gatewayClassName").is_some());
    assert_eq!(kubernetes.pointer("/properties/kind/const").unwrap(), "Gateway");
}

#[test]
fn the_values_of_a_secret_are_texts() {
    let secret = schema("", "Secret").unwrap();
    let data = secret.pointer("/definitions/Secret/properties/data/additionalProperties/type").unwrap();
    assert_eq!(data, "string");
}

#[test]
fn the_schemas_of_policies_name_their_values_and_their_ports() {
    let jwt = schema("security.istio.io", "RequestAuthentication").unwrap();
    let presence = jwt.pointer("/definitions/Presence").unwrap().to_string();
    assert!(["OPTIONAL", "REQUIRED", "IGNORED"].iter().all(|v| presence.contains(v)), "{presence}");
    let peer = schema("security.istio.io", "PeerAuthentication").unwrap();
    let ports = peer.pointer("/definitions/PeerAuthentication/properties/portLevelMtls").unwrap();
    assert_eq!(ports["type"], "object", "{ports}");
    let extension = schema("extensions.istio.io", "TrafficExtension").unwrap();
    assert!(extension.pointer("/definitions/LuaConfig/properties/inlineCode").is_some(), "{extension:?}");
}
