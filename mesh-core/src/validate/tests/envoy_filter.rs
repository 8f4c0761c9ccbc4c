//! What an EnvoyFilter may just say; what it may not stands in `tests/broken/validate/envoy-filter`.

use super::is_fine;

fn with(patch: &str) -> String {
    format!("{{configPatches: [{{{patch}}}]}}")
}

#[test]
fn each_part_of_a_listener_is_found_by_the_listener() {
    let manager = "envoy.filters.network.http_connection_manager";
    let filter = format!(
        "listener: {{portNumber: 80, filterChain: {{sni: a, filter: {{name: {manager}, \
         subFilter: {{name: envoy.filters.http.router}}}}}}}}"
    );
    let lua = "'@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua";
    is_fine(
        "EnvoyFilter",
        &with(&format!(
            "applyTo: HTTP_FILTER, match: {{context: SIDECAR_INBOUND, proxy: {{proxyVersion: '^1\\.2[0-9].*'}}, {filter}}}, \
             patch: {{operation: INSERT_BEFORE, filterClass: AUTHZ, \
             value: {{name: envoy.filters.http.lua, typed_config: {{{lua}}}}}}}"
        )),
    );
    for part in ["LISTENER", "LISTENER_FILTER", "FILTER_CHAIN", "NETWORK_FILTER"] {
        is_fine(
            "EnvoyFilter",
            &with(&format!(
                "applyTo: {part}, match: {{listener: {{name: x}}}}, patch: {{operation: REMOVE}}"
            )),
        );
    }
}

#[test]
fn routes_and_clusters_are_found_by_their_own() {
    let vhost =
        "routeConfiguration: {gateway: a/b, vhost: {name: 'a:80', route: {name: default, action: ROUTE}}}";
    for part in ["ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"] {
        is_fine(
            "EnvoyFilter",
            &with(&format!("applyTo: {part}, match: {{{vhost}}}, patch: {{operation: MERGE, value: {{}}}}")),
        );
    }
    is_fine(
        "EnvoyFilter",
        &with(
            "applyTo: CLUSTER, match: {cluster: {service: a, portNumber: 80, subset: v1}}, \
             patch: {operation: MERGE, value: {connect_timeout: 1s}}",
        ),
    );
}

#[test]
fn without_a_match_all_are_patched() {
    for part in ["BOOTSTRAP", "CLUSTER"] {
        is_fine(
            "EnvoyFilter",
            &with(&format!("applyTo: {part}, patch: {{operation: MERGE, value: {{admin: {{}}}}}}")),
        );
    }
    is_fine("EnvoyFilter", "{priority: -10}");
}

#[test]
fn in_a_waypoint_it_is_found_by_what_the_waypoint_has() {
    is_fine(
        "EnvoyFilter",
        "{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}], configPatches: [{applyTo: HTTP_ROUTE, \
         match: {context: WAYPOINT, waypoint: {portNumber: 80, route: {name: default}}}, patch: {operation: REMOVE}}]}",
    );
}
