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
    assert_eq!(timeout["description"], "From the end of the request to the end of the response.");
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
