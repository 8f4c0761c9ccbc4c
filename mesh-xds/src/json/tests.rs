//! JSON both ways, and the shape that tools look for.

use super::*;
use crate::convert::{encode, tests::strategies};
use envoy_types::pb::envoy::config::cluster::v3 as cluster;
use mesh_core::model::{Listener, Snapshot};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use std::sync::Arc;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_listener_with_all_that_is_packed_in_it_survives_json(x in strategies::listener()) {
        let message = encode::listener(&x);
        let any = encode::pack(&message);
        let json = any_to_json(&any).unwrap();
        prop_assert_eq!(&json["@type"], &any.type_url);
        let back = any_from_json(&json).unwrap();
        prop_assert_eq!(crate::convert::decode::unpack(&back).and_then(|m| crate::convert::decode::listener(&m)), Ok(x));
    }

    #[test]
    fn a_cluster_survives_json(x in strategies::cluster()) {
        let message = encode::cluster(&x);
        let back: cluster::Cluster = from_json(&to_json(&message).unwrap()).unwrap();
        prop_assert_eq!(crate::convert::decode::cluster(&back), Ok(x));
    }
}

fn sample<T: std::fmt::Debug>(strategy: BoxedStrategy<T>) -> T {
    strategy.new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

#[test]
fn a_config_dump_has_envoys_shape() {
    let listener = Listener { name: "0.0.0.0_80".into(), ..sample(strategies::listener()) };
    let table = sample(strategies::route_table());
    let cluster = sample(strategies::cluster());
    let endpoints = sample(strategies::endpoints());
    let snapshot = Snapshot {
        version: "7".into(),
        listeners: [(listener.name.clone(), Arc::new(listener))].into(),
        routes: [(table.name.clone(), Arc::new(table))].into(),
        clusters: [(cluster.name.clone(), Arc::new(cluster))].into(),
        endpoints: [(endpoints.name.clone(), Arc::new(endpoints))].into(),
    };
    let dump = config_dump(&snapshot);
    let kinds: Vec<_> =
        dump["configs"].as_array().unwrap().iter().map(|c| c["@type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["Listeners", "Clusters", "Routes", "Endpoints"]
            .map(|kind| format!("type.googleapis.com/envoy.admin.v3.{kind}ConfigDump"))
    );
    let listener = &dump["configs"][0]["dynamic_listeners"][0];
    assert_eq!(listener["name"], "0.0.0.0_80");
    assert_eq!(listener["active_state"]["version_info"], "7");
    assert_eq!(listener["active_state"]["listener"]["name"], "0.0.0.0_80");
    let parts = [
        ("cluster", 1, "dynamic_active_clusters"),
        ("route_config", 2, "dynamic_route_configs"),
        ("endpoint_config", 3, "dynamic_endpoint_configs"),
    ];
    for (key, at, list) in parts {
        let part = &dump["configs"][at][list][0];
        assert_eq!(part["version_info"], "7");
        assert!(part[key]["@type"].is_string() && part[key].get("error").is_none(), "{part}");
    }
}

#[test]
fn what_is_not_the_message_is_refused() {
    let url = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    let read = |json: Value| any_from_json(&json).unwrap_err().to_string();
    assert!(read(json!({ "name": "a" })).contains("@type is missing"));
    assert!(read(json!({ "@type": "x/y.Z" })).contains("y.Z: is not a message that we know"));
    assert!(read(json!({ "@type": url, "nmae": "a" })).contains("nmae"));
    assert!(
        read(json!({ "@type": url, "connect_timeout": "soon" }))
            .starts_with("envoy.config.cluster.v3.Cluster")
    );
    let any = any_from_json(&json!({ "@type": url, "connectTimeout": "1.5s", "name": "a" })).unwrap();
    assert_eq!(any_to_json(&any).unwrap(), json!({ "@type": url, "connect_timeout": "1.500s", "name": "a" }));
}
