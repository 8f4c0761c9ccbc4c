//! Many resources: the analysis must not compare all with all.

use super::world;
use crate::analyze::analyze;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// So many of each of five kinds, wrong in ways that tempt to compare: unknown hosts, shared hosts, one gateway.
fn many(n: usize) -> String {
    let mut text = String::from(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: edge}\n\
         spec: {selector: {istio: x}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}\n---\n",
    );
    for i in 0..n {
        let ns = i % 20;
        write!(
            text,
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s{i}, namespace: n{ns}}}\n\
             spec: {{ports: [{{port: 80, name: http}}], selector: {{app: a{i}}}}}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {{name: p{i}, namespace: n{ns}, labels: {{app: a{i}, all: 'yes'}}}}\n\
             spec: {{serviceAccountName: a{i}}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v{i}, namespace: n{ns}}}\n\
             spec: {{hosts: [shared.example.com], gateways: [mesh, default/edge], http: [{{match: [{{uri: {{prefix: /{i}/}}, \
             headers: {{x: {{exact: '{i}'}}}}}}], route: [{{destination: {{host: t{i}}}}}], retries: {{attempts: 3}}}}]}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: d{i}, namespace: n{ns}}}\n\
             spec: {{host: s{i}, subsets: [{{name: v1, labels: {{version: v1}}}}]}}\n---\n\
             apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: w{i}, namespace: n{ns}}}\n\
             spec: {{selector: {{matchLabels: {{app: a{i}}}}}, rules: [{{from: [{{source: {{serviceAccounts: [a{}]}}}}]}}]}}\n---\n",
            i.saturating_sub(20)
        )
        .unwrap();
    }
    text
}

#[test]
fn ten_thousand_resources_are_analysed_in_seconds() {
    let world = world(&many(2_000));
    assert!(world.len() >= 10_000);
    world.registry();
    let start = Instant::now();
    let found = analyze(&world);
    let took = start.elapsed();
    // Every destination is unknown, and all but one lose the host that they share.
    assert!(found.len() >= 3_999, "{}", found.len());
    // Comparing all with all takes minutes in a debug build.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
