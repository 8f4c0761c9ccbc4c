//! Sidecars, policies and telemetry.

use super::{Shape, list, many, named, one, pod, service, shape};
use std::fmt::Write as _;

pub(super) const ALL: &[Shape] = &[
    shape("Sidecar hosts", 10_000, |n| {
        let head = one("networking.istio.io/v1", "Sidecar");
        list(&format!("{head}spec:\n  egress:\n  - hosts:\n"), n, |i| format!("./h{i}.example.com"), "")
    }),
    shape("Sidecar egress listeners", 5_000, |n| {
        let head = one("networking.istio.io/v1", "Sidecar");
        list(
            &format!("{head}spec:\n  egress:\n"),
            n,
            |i| {
                format!(
                    "{{port: {{number: {}, name: p{i}, protocol: HTTP}}, hosts: ['./*']}}",
                    i % 60_000 + 1
                )
            },
            "",
        )
    }),
    shape("Sidecar ingress listeners", 5_000, |n| {
        let head = one("networking.istio.io/v1", "Sidecar");
        list(
            &format!("{head}spec:\n  workloadSelector: {{labels: {{app: a}}}}\n  ingress:\n"),
            n,
            |i| {
                format!(
                    "{{port: {{number: {}, name: p{i}, protocol: HTTP}}, defaultEndpoint: '127.0.0.1:80'}}",
                    i % 60_000 + 1
                )
            },
            "",
        )
    }),
    shape("Sidecars of one workload", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{workloadSelector: {{labels: {{app: a}}}}, egress: [{{hosts: ['./*']}}]}}\n",
                named("networking.istio.io/v1", "Sidecar", i)
            )
        })
    }),
    shape("AuthorizationPolicy rules", 5_000, |n| {
        let head = one("security.istio.io/v1", "AuthorizationPolicy");
        list(
            &format!("{head}spec:\n  rules:\n"),
            n,
            |i| {
                format!(
                    "{{from: [{{source: {{principals: [cluster.local/ns/a/sa/s{i}]}}}}], to: [{{operation: {{paths: [/p{i}]}}}}]}}"
                )
            },
            "",
        )
    }),
    shape("AuthorizationPolicy sources", 10_000, |n| {
        let head = one("security.istio.io/v1", "AuthorizationPolicy");
        list(
            &format!("{head}spec:\n  rules:\n  - from:\n"),
            n,
            |i| format!("{{source: {{principals: [cluster.local/ns/a/sa/s{i}]}}}}"),
            "",
        )
    }),
    shape("AuthorizationPolicy namespaces", 10_000, |n| {
        let head = one("security.istio.io/v1", "AuthorizationPolicy");
        list(
            &format!("{head}spec:\n  rules:\n  - from:\n    - source:\n        namespaces:\n"),
            n,
            |i| format!("n{i}"),
            "",
        )
    }),
    shape("AuthorizationPolicy conditions", 5_000, |n| {
        let head = one("security.istio.io/v1", "AuthorizationPolicy");
        list(
            &format!("{head}spec:\n  rules:\n  - when:\n"),
            n,
            |i| format!("{{key: 'request.headers[x-{i}]', values: [a]}}"),
            "",
        )
    }),
    shape("AuthorizationPolicies of one workload", 2_500, |n| {
        let pods = many(n, pod);
        format!(
            "{pods}---\n{}",
            many(n, |i| format!(
                "{}spec: {{selector: {{matchLabels: {{app: a}}}}, rules: [{{to: [{{operation: {{paths: [/p]}}}}]}}]}}\n",
                named("security.istio.io/v1", "AuthorizationPolicy", i)
            ))
        )
    }),
    shape("AuthorizationPolicies of a namespace", 2_500, |n| {
        let pods = many(n, pod);
        format!(
            "{pods}---\n{}",
            many(n, |i| format!(
                "{}spec: {{rules: [{{to: [{{operation: {{paths: [/p]}}}}]}}]}}\n",
                named("security.istio.io/v1", "AuthorizationPolicy", i)
            ))
        )
    }),
    shape("AuthorizationPolicies with targets", 2_500, |n| {
        let services = many(n, |i| service(&format!("s{i}"), ""));
        format!(
            "{services}---\n{}",
            many(n, |i| format!(
                "{}spec: {{targetRefs: [{{kind: Service, group: '', name: s{i}}}], rules: [{{to: [{{operation: {{paths: [/p]}}}}]}}]}}\n",
                named("security.istio.io/v1", "AuthorizationPolicy", i)
            ))
        )
    }),
    shape("RequestAuthentication rules", 5_000, |n| {
        let head = one("security.istio.io/v1", "RequestAuthentication");
        list(
            &format!("{head}spec:\n  jwtRules:\n"),
            n,
            |i| {
                format!(
                    "{{issuer: i{i}, jwksUri: 'https://h{i}.example.com/keys', outputPayloadToHeader: x-{i}}}"
                )
            },
            "",
        )
    }),
    shape("RequestAuthentication claims to headers", 5_000, |n| {
        let head = one("security.istio.io/v1", "RequestAuthentication");
        list(
            &format!(
                "{head}spec:\n  jwtRules:\n  - issuer: i\n    jwksUri: https://a.example.com/keys\n    outputClaimToHeaders:\n"
            ),
            n,
            |i| format!("{{header: x-{i}, claim: c{i}}}"),
            "",
        )
    }),
    shape("RequestAuthentications of one workload", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{selector: {{matchLabels: {{app: a}}}}, jwtRules: [{{issuer: i{i}, jwksUri: 'https://a.example.com/keys'}}]}}\n",
                named("security.istio.io/v1", "RequestAuthentication", i)
            )
        })
    }),
    shape("PeerAuthentications of one workload", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{selector: {{matchLabels: {{app: a}}}}, mtls: {{mode: STRICT}}}}\n",
                named("security.istio.io/v1", "PeerAuthentication", i)
            )
        })
    }),
    shape("PeerAuthentication ports", 5_000, |n| {
        let head = one("security.istio.io/v1", "PeerAuthentication");
        let head = format!("{head}spec:\n  selector: {{matchLabels: {{app: a}}}}\n  portLevelMtls:\n");
        (0..n).fold(head, |mut out, i| {
            let _ = writeln!(out, "    {}: {{mode: STRICT}}", i % 60_000 + 1);
            out
        })
    }),
    shape("Telemetry rules", 5_000, |n| {
        let head = one("telemetry.istio.io/v1", "Telemetry");
        list(
            &format!("{head}spec:\n  metrics:\n"),
            n,
            |i| {
                format!(
                    "{{providers: [{{name: p{i}}}], overrides: [{{match: {{metric: ALL_METRICS}}, disabled: true}}]}}"
                )
            },
            "",
        )
    }),
    shape("Telemetry overrides", 5_000, |n| {
        let head = one("telemetry.istio.io/v1", "Telemetry");
        list(
            &format!("{head}spec:\n  metrics:\n  - providers: [{{name: p}}]\n    overrides:\n"),
            n,
            |i| format!("{{match: {{customMetric: m{i}}}, tagOverrides: {{t{i}: {{operation: REMOVE}}}}}}"),
            "",
        )
    }),
    shape("Telemetries of one workload", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{selector: {{matchLabels: {{app: a}}}}, metrics: [{{providers: [{{name: p}}]}}]}}\n",
                named("telemetry.istio.io/v1", "Telemetry", i)
            )
        })
    }),
];
