//! A real Envoy reads what we write: `MESH_ENVOY=/path/to/envoy cargo test -p mesh-xds -F peer-envoy`.
//!
//! `--mode validate` builds everything that a bootstrap file declares as if it would serve, and ends. So
//! resources are put there, each kind where it may stand: route tables inside of connection managers,
//! endpoints inside of static clusters. Without the feature
//! these tests do not exist; `tests/all.sh` turns it on.

use super::strategies;
use crate::convert::encode;
use crate::json::to_json;
use mesh_core::model::cluster::{Balance, Discovery};
use mesh_core::model::listener::Bind;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;

/// What Envoy says against it; nothing if it would serve so.
fn validate(envoy: &OsStr, listeners: &[Value], clusters: &[Value]) -> Result<(), String> {
    let grpc = |name: &str| {
        json!({
            "name": name,
            "connect_timeout": "1s",
            "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [{ "endpoint": {
                "address": { "socket_address": { "address": "127.0.0.1", "port_value": 1 } }
            } }] }] },
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": { "http2_protocol_options": {} },
                },
            },
        })
    };
    let clusters: Vec<Value> = clusters.iter().cloned().chain([grpc("sds-grpc"), grpc("xds-grpc")]).collect();
    let bootstrap = json!({
        "node": { "id": "sidecar~127.0.0.1~a.default~default.svc.cluster.local", "cluster": "a.default" },
        "dynamic_resources": { "ads_config": {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds-grpc" } }],
        } },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    });
    let name = format!("mesh-validate-{}-{:?}.json", std::process::id(), std::thread::current().id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, bootstrap.to_string()).unwrap();
    let output = Command::new(envoy)
        .args(["--mode", "validate", "--log-level", "warn", "--config-path"])
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn samples<T: std::fmt::Debug>(n: usize, strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..n).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn clusters(n: usize) -> Vec<Value> {
    let named = samples(n, strategies::cluster()).into_iter().enumerate();
    named
        .map(|(i, mut cluster)| {
            cluster.name = format!("{}-{i}", cluster.name).into();
            // Envoy refuses one without the other, which the compiler never makes.
            if cluster.discovery == Discovery::OriginalDestination {
                cluster.balance = Balance::ClusterProvided;
            } else if cluster.balance == Balance::ClusterProvided {
                cluster.discovery = Discovery::OriginalDestination;
            }
            to_json(&encode::cluster(&cluster)).unwrap()
        })
        .collect()
}

/// Those of gRPC clients stand in no bootstrap file, and Envoy refuses two chains that want the same.
fn listeners(n: usize) -> Vec<Value> {
    let all = samples(n, strategies::listener()).into_iter();
    all.filter(|l| l.bind != Bind::Api && !l.filter_chains.is_empty())
        .enumerate()
        .map(|(i, mut listener)| {
            listener.name = format!("{}-{i}", listener.name).into();
            for (port, chain) in (1..).zip(&mut listener.filter_chains) {
                let matches = &mut Arc::make_mut(chain).matches;
                matches.destination_port = Some(port);
                // A chain that wants the same twice overlaps with itself.
                for texts in [&mut matches.server_names, &mut matches.application_protocols] {
                    texts.sort();
                    texts.dedup();
                }
                for nets in [&mut matches.destination, &mut matches.source] {
                    nets.sort_by_key(ipnet::IpNet::trunc);
                    nets.dedup_by_key(|net| net.trunc());
                }
            }
            to_json(&encode::listener(&listener)).unwrap()
        })
        .collect()
}

#[test]
fn envoy_accepts_whatever_we_write() {
    let envoy =
        std::env::var_os("MESH_ENVOY").expect("MESH_ENVOY names Envoy's binary; tests/all.sh sets it");
    validate(&envoy, &listeners(200), &clusters(200)).unwrap();
}

#[test]
fn envoy_refuses_what_is_broken() {
    let envoy =
        std::env::var_os("MESH_ENVOY").expect("MESH_ENVOY names Envoy's binary; tests/all.sh sets it");
    let mut clusters = clusters(3);
    clusters[1]["connect_timeout"] = json!("0s");
    let error = validate(&envoy, &[], &clusters).unwrap_err();
    assert!(error.contains("ConnectTimeout"), "{error}");
}
