//! What is long: a list in one resource, or many resources that meet in one place.

use std::fmt::Write as _;

/// A kind of length.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The shorter of two lengths.
    pub(crate) length: usize,
    /// Writes it at a length.
    pub(crate) write: fn(usize) -> String,
}

const fn shape(name: &'static str, length: usize, write: fn(usize) -> String) -> Shape {
    Shape { name, length, write }
}

pub(crate) const ALL: &[Shape] = &[
    shape("ServiceEntry hosts", 10_000, |n| {
        list(
            ENTRY,
            n,
            |i| format!("h{i}.example.com"),
            "  ports: [{number: 80, name: http, protocol: HTTP}]\n  resolution: DNS\n",
        )
    }),
    shape("ServiceEntry ports", 10_000, |n| {
        let head = one("networking.istio.io/v1", "ServiceEntry");
        list(
            &format!("{head}spec:\n  hosts: [a.example.com]\n  resolution: DNS\n  ports:\n"),
            n,
            |i| format!("{{number: {}, name: p{i}, protocol: HTTP}}", i % 60_000 + 1),
            "",
        )
    }),
    shape("ServiceEntry addresses", 10_000, |n| {
        let head = one("networking.istio.io/v1", "ServiceEntry");
        list(
            &format!(
                "{head}spec:\n  hosts: [a.example.com]\n  ports: [{{number: 80, name: tcp, protocol: TCP}}]\n  resolution: STATIC\n  endpoints: [{{address: 1.1.1.1}}]\n  addresses:\n"
            ),
            n,
            address,
            "",
        )
    }),
    shape("ServiceEntry endpoints", 10_000, |n| {
        let head = one("networking.istio.io/v1", "ServiceEntry");
        list(
            &format!(
                "{head}spec:\n  hosts: [a.example.com]\n  ports: [{{number: 80, name: tcp, protocol: TCP}}]\n  resolution: STATIC\n  endpoints:\n"
            ),
            n,
            |i| format!("{{address: {}}}", address(i)),
            "",
        )
    }),
    shape("DestinationRule subsets", 10_000, |n| {
        let service = service("a", "");
        let head = one("networking.istio.io/v1", "DestinationRule");
        list(
            &format!("{service}---\n{head}spec:\n  host: a\n  subsets:\n"),
            n,
            |i| format!("{{name: v{i}, labels: {{version: v{i}}}}}"),
            "",
        )
    }),
    shape("DestinationRule subsets that routes name", 5_000, |n| {
        let service = service("a", "");
        let rule = one("networking.istio.io/v1", "DestinationRule");
        let rule = list(
            &format!("{service}---\n{rule}spec:\n  host: a\n  subsets:\n"),
            n,
            |i| format!("{{name: v{i}, labels: {{version: v{i}}}}}"),
            "",
        );
        list(
            &format!("{rule}---\n{ROUTES}"),
            n,
            |i| {
                format!(
                    "{{match: [{{uri: {{exact: /p{i}}}}}], route: [{{destination: {{host: a, subset: v{i}}}}}]}}"
                )
            },
            "",
        )
    }),
    shape("DestinationRule port settings", 5_000, |n| {
        let head = one("networking.istio.io/v1", "DestinationRule");
        list(
            &format!("{head}spec:\n  host: a\n  trafficPolicy:\n    portLevelSettings:\n"),
            n,
            |i| format!("{{port: {{number: {}}}, loadBalancer: {{simple: RANDOM}}}}", i % 60_000 + 1),
            "",
        )
    }),
    shape("DestinationRules of one host", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{host: a, subsets: [{{name: v{i}, labels: {{version: v1}}}}]}}\n",
                named("networking.istio.io/v1", "DestinationRule", i)
            )
        })
    }),
    shape("Gateway servers", 5_000, |n| {
        let head = one("networking.istio.io/v1", "Gateway");
        list(
            &format!("{head}spec:\n  selector: {{istio: ingressgateway}}\n  servers:\n"),
            n,
            |i| format!("{{port: {{number: 80, name: p{i}, protocol: HTTP}}, hosts: [h{i}.example.com]}}"),
            "",
        )
    }),
    shape("Gateway servers of many ports", 5_000, |n| {
        let head = one("networking.istio.io/v1", "Gateway");
        list(
            &format!("{head}spec:\n  selector: {{istio: ingressgateway}}\n  servers:\n"),
            n,
            |i| {
                format!(
                    "{{port: {{number: {}, name: p{i}, protocol: HTTP}}, hosts: [h{i}.example.com]}}",
                    i % 60_000 + 1
                )
            },
            "",
        )
    }),
    shape("Gateway TLS servers", 5_000, |n| {
        let head = one("networking.istio.io/v1", "Gateway");
        list(
            &format!("{head}spec:\n  selector: {{istio: ingressgateway}}\n  servers:\n"),
            n,
            |i| {
                format!(
                    "{{port: {{number: 443, name: p{i}, protocol: HTTPS}}, hosts: [h{i}.example.com], tls: {{mode: SIMPLE, credentialName: c{i}}}}}"
                )
            },
            "",
        )
    }),
    shape("Gateway hosts", 10_000, |n| {
        let head = one("networking.istio.io/v1", "Gateway");
        list(
            &format!(
                "{head}spec:\n  selector: {{istio: ingressgateway}}\n  servers:\n  - port: {{number: 80, name: http, protocol: HTTP}}\n    hosts:\n"
            ),
            n,
            |i| format!("h{i}.example.com"),
            "",
        )
    }),
    shape("Gateways of one selector", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [h{i}.example.com]}}]}}\n",
                named("networking.istio.io/v1", "Gateway", i)
            )
        })
    }),
    shape("Gateways of one host", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [a.example.com]}}]}}\n",
                named("networking.istio.io/v1", "Gateway", i)
            )
        })
    }),
    shape("Gateways with a VirtualService each", 2_000, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [h{i}.example.com]}}]}}\n---\n{}spec: {{hosts: [h{i}.example.com], gateways: [n{i}], http: [{{route: [{{destination: {{host: a}}}}]}}]}}\n",
                named("networking.istio.io/v1", "Gateway", i),
                named("networking.istio.io/v1", "VirtualService", i)
            )
        })
    }),
    shape("VirtualServices of one gateway", 2_500, |n| {
        let gateway = format!(
            "{}spec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}]}}\n",
            one("networking.istio.io/v1", "Gateway")
        );
        format!(
            "{gateway}---\n{}",
            many(n, |i| format!(
                "{}spec: {{hosts: [a.example.com], gateways: [the], http: [{{match: [{{uri: {{exact: /p{i}}}}}], route: [{{destination: {{host: a}}}}]}}]}}\n",
                named("networking.istio.io/v1", "VirtualService", i)
            ))
        )
    }),
    shape("VirtualServices of one host", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{hosts: [a], http: [{{match: [{{uri: {{exact: /p{i}}}}}], route: [{{destination: {{host: a}}}}]}}]}}\n",
                named("networking.istio.io/v1", "VirtualService", i)
            )
        })
    }),
    shape("VirtualServices that call the next", 2_500, |n| {
        let services = many(n, |i| service(&format!("s{i}"), ""));
        let routes = many(n, |i| {
            format!(
                "{}spec: {{hosts: [s{i}], http: [{{retries: {{attempts: 3}}, route: [{{destination: {{host: s{}}}}}]}}]}}\n",
                named("networking.istio.io/v1", "VirtualService", i),
                i + 1
            )
        });
        format!("{services}---\n{routes}")
    }),
    shape("VirtualServices that delegate", 2_500, |n| {
        let leaves = many(n, |i| {
            format!(
                "{}spec: {{http: [{{route: [{{destination: {{host: a}}}}]}}]}}\n",
                named("networking.istio.io/v1", "VirtualService", i)
            )
        });
        list(
            &format!("{leaves}---\n{ROUTES}"),
            n,
            |i| format!("{{match: [{{uri: {{prefix: /p{i}/}}}}], delegate: {{name: n{i}}}}}"),
            "",
        )
    }),
    shape("VirtualService hosts", 10_000, |n| {
        let head = one("networking.istio.io/v1", "VirtualService");
        list(
            &format!("{head}spec:\n  http: [{{route: [{{destination: {{host: a}}}}]}}]\n  hosts:\n"),
            n,
            |i| format!("h{i}.example.com"),
            "",
        )
    }),
    shape("VirtualService gateways", 10_000, |n| {
        let head = one("networking.istio.io/v1", "VirtualService");
        list(
            &format!(
                "{head}spec:\n  hosts: [a.example.com]\n  http: [{{route: [{{destination: {{host: a}}}}]}}]\n  gateways:\n"
            ),
            n,
            |i| format!("g{i}"),
            "",
        )
    }),
    shape("VirtualService routes", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}", service("a", "")),
            n,
            |i| format!("{{match: [{{uri: {{exact: /p{i}}}}}], route: [{{destination: {{host: a}}}}]}}"),
            "",
        )
    }),
    shape("VirtualService routes of prefixes", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}", service("a", "")),
            n,
            |i| format!("{{match: [{{uri: {{prefix: /p{i}/}}}}], route: [{{destination: {{host: a}}}}]}}"),
            "",
        )
    }),
    shape("VirtualService routes of headers", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}", service("a", "")),
            n,
            |i| {
                format!(
                    "{{match: [{{headers: {{x: {{exact: v{i}}}}}}}], route: [{{destination: {{host: a}}}}]}}"
                )
            },
            "",
        )
    }),
    shape("VirtualService routes of regexes", 2_500, |n| {
        list(
            &format!("{}---\n{ROUTES}", service("a", "")),
            n,
            |i| format!("{{match: [{{uri: {{regex: '/p{i}'}}}}], route: [{{destination: {{host: a}}}}]}}"),
            "",
        )
    }),
    shape("VirtualService routes of named sources", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}", service("a", "")),
            n,
            |i| {
                format!("{{match: [{{sourceLabels: {{app: a{i}}}}}], route: [{{destination: {{host: a}}}}]}}")
            },
            "",
        )
    }),
    shape("VirtualService routes of methods and prefixes", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}", service("a", "")),
            n,
            |i| {
                format!(
                    "{{match: [{{method: {{exact: GET}}, uri: {{prefix: /p{i}/}}, headers: {{x: {{exact: v{i}}}}}}}], route: [{{destination: {{host: a}}}}]}}"
                )
            },
            "",
        )
    }),
    shape("VirtualService routes twice", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}", service("a", "")),
            n,
            |i| {
                format!("{{match: [{{uri: {{exact: /p{}}}}}], route: [{{destination: {{host: a}}}}]}}", i / 2)
            },
            "",
        )
    }),
    shape("VirtualService routes behind a catch-all", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}  - {{route: [{{destination: {{host: a}}}}]}}\n", service("a", "")),
            n,
            |i| format!("{{match: [{{uri: {{exact: /p{i}}}}}], route: [{{destination: {{host: a}}}}]}}"),
            "",
        )
    }),
    shape("VirtualService matches", 5_000, |n| {
        list(
            &format!(
                "{}---\n{ROUTES}  - route: [{{destination: {{host: a}}}}]\n    match:\n",
                service("a", "")
            ),
            n,
            |i| format!("{{uri: {{exact: /p{i}}}}}"),
            "",
        )
    }),
    shape("VirtualService destinations", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}  - route:\n", service("a", "")),
            n,
            |i| format!("{{destination: {{host: a}}, weight: {}}}", i % 100 + 1),
            "",
        )
    }),
    shape("VirtualService destinations of many hosts", 5_000, |n| {
        list(
            &format!("{}---\n{ROUTES}  - route:\n", service("a", "")),
            n,
            |i| format!("{{destination: {{host: h{i}}}, weight: {}}}", i % 100 + 1),
            "",
        )
    }),
    shape("VirtualService headers of a match", 5_000, |n| {
        let head = format!(
            "{}---\n{ROUTES}  - route: [{{destination: {{host: a}}}}]\n    match:\n    - headers:\n",
            service("a", "")
        );
        (0..n).fold(head, |mut out, i| {
            let _ = writeln!(out, "        x-{i}: {{exact: a}}");
            out
        })
    }),
    shape("VirtualService headers that are set", 5_000, |n| {
        let head = format!(
            "{}---\n{ROUTES}  - route: [{{destination: {{host: a}}}}]\n    headers:\n      request:\n        set:\n",
            service("a", "")
        );
        (0..n).fold(head, |mut out, i| {
            let _ = writeln!(out, "          x-{i}: a");
            out
        })
    }),
    shape("VirtualService tls", 5_000, |n| {
        let head = one("networking.istio.io/v1", "VirtualService");
        list(
            &format!("{head}spec:\n  hosts: ['*.example.com']\n  tls:\n"),
            n,
            |i| {
                format!(
                    "{{match: [{{sniHosts: [h{i}.example.com], port: 443}}], route: [{{destination: {{host: a}}}}]}}"
                )
            },
            "",
        )
    }),
    shape("VirtualService tls hosts", 5_000, |n| {
        let head = one("networking.istio.io/v1", "VirtualService");
        list(
            &format!(
                "{head}spec:\n  hosts: ['*.example.com']\n  tls:\n  - route: [{{destination: {{host: a}}}}]\n    match:\n    - port: 443\n      sniHosts:\n"
            ),
            n,
            |i| format!("h{i}.example.com"),
            "",
        )
    }),
    shape("VirtualService tcp", 5_000, |n| {
        let head = one("networking.istio.io/v1", "VirtualService");
        list(
            &format!("{head}spec:\n  hosts: [a]\n  tcp:\n"),
            n,
            |i| format!("{{match: [{{port: {}}}], route: [{{destination: {{host: a}}}}]}}", i % 60_000 + 1),
            "",
        )
    }),
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
    shape("HTTPRoute rules", 5_000, |n| {
        let head = one("gateway.networking.k8s.io/v1", "HTTPRoute");
        list(
            &format!("{head}spec:\n  parentRefs: [{{name: g}}]\n  rules:\n"),
            n,
            |i| format!("{{matches: [{{path: {{value: /p{i}}}}}], backendRefs: [{{name: a, port: 80}}]}}"),
            "",
        )
    }),
    shape("HTTPRoute hosts", 10_000, |n| {
        let head = one("gateway.networking.k8s.io/v1", "HTTPRoute");
        list(
            &format!("{head}spec:\n  parentRefs: [{{name: g}}]\n  hostnames:\n"),
            n,
            |i| format!("h{i}.example.com"),
            "",
        )
    }),
    shape("HTTPRoute parents", 5_000, |n| {
        let head = one("gateway.networking.k8s.io/v1", "HTTPRoute");
        list(&format!("{head}spec:\n  parentRefs:\n"), n, |i| format!("{{name: g{i}}}"), "")
    }),
    shape("HTTPRoutes of one Gateway", 2_500, |n| {
        let gateway = format!(
            "{}spec: {{gatewayClassName: istio, listeners: [{{name: a, port: 80, protocol: HTTP}}]}}\n",
            one("gateway.networking.k8s.io/v1", "Gateway")
        );
        format!(
            "{gateway}---\n{}",
            many(n, |i| format!(
                "{}spec: {{parentRefs: [{{name: the}}], hostnames: [a.example.com], rules: [{{backendRefs: [{{name: a, port: 80}}]}}]}}\n",
                named("gateway.networking.k8s.io/v1", "HTTPRoute", i)
            ))
        )
    }),
    shape("Gateway API listeners", 5_000, |n| {
        let head = one("gateway.networking.k8s.io/v1", "Gateway");
        list(
            &format!("{head}spec:\n  gatewayClassName: istio\n  listeners:\n"),
            n,
            |i| format!("{{name: l{i}, port: 80, protocol: HTTP, hostname: h{i}.example.com}}"),
            "",
        )
    }),
    shape("ReferenceGrants", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{from: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: n{i}}}], to: [{{group: '', kind: Service}}]}}\n",
                named("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", i)
            )
        })
    }),
    shape("Ingress rules", 5_000, |n| {
        let head = one("networking.k8s.io/v1", "Ingress");
        list(
            &format!("{head}spec:\n  rules:\n"),
            n,
            |i| {
                format!(
                    "{{host: h{i}.example.com, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: a, port: {{number: 80}}}}}}}}]}}}}"
                )
            },
            "",
        )
    }),
    shape("Ingresses", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{rules: [{{host: a.example.com, http: {{paths: [{{path: /p{i}, pathType: Prefix, backend: {{service: {{name: a, port: {{number: 80}}}}}}}}]}}}}]}}\n",
                named("networking.k8s.io/v1", "Ingress", i)
            )
        })
    }),
    shape("EnvoyFilter patches", 2_500, |n| {
        let head = one("networking.istio.io/v1alpha3", "EnvoyFilter");
        list(
            &format!("{head}spec:\n  configPatches:\n"),
            n,
            |i| {
                format!(
                    "{{applyTo: CLUSTER, match: {{context: SIDECAR_OUTBOUND, cluster: {{service: a{i}}}}}, patch: {{operation: MERGE, value: {{connect_timeout: 1s}}}}}}"
                )
            },
            "",
        )
    }),
    shape("EnvoyFilters", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{configPatches: [{{applyTo: CLUSTER, match: {{context: SIDECAR_OUTBOUND}}, patch: {{operation: MERGE, value: {{connect_timeout: 1s}}}}}}]}}\n",
                named("networking.istio.io/v1alpha3", "EnvoyFilter", i)
            )
        })
    }),
    shape("WasmPlugins of one workload", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{selector: {{matchLabels: {{app: a}}}}, url: 'oci://a/b:{i}'}}\n",
                named("extensions.istio.io/v1alpha1", "WasmPlugin", i)
            )
        })
    }),
    shape("ProxyConfigs of one workload", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{selector: {{matchLabels: {{app: a}}}}, concurrency: {}}}\n",
                named("networking.istio.io/v1beta1", "ProxyConfig", i),
                i % 8
            )
        })
    }),
    shape("Services", 5_000, |n| many(n, |i| service(&format!("s{i}"), &format!("app: a{i}")))),
    shape("Service ports", 5_000, |n| {
        let head = one("v1", "Service");
        list(
            &format!("{head}spec:\n  selector: {{app: a}}\n  ports:\n"),
            n,
            |i| format!("{{name: http-{i}, port: {}}}", i % 60_000 + 1),
            "",
        )
    }),
    shape("Services of one selector", 1_000, |n| many(n, |i| service(&format!("s{i}"), "app: a"))),
    shape("Services with the pods of each", 2_500, |n| {
        let services = many(n, |i| service(&format!("s{i}"), &format!("app: a{i}")));
        let pods = many(n, |i| pod_of(i, &format!("a{i}")));
        format!("{services}---\n{pods}")
    }),
    shape("Pods of one Service", 5_000, |n| format!("{}---\n{}", service("a", "app: a"), many(n, pod))),
    shape("Pods with equal addresses", 5_000, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{containers: [{{name: a}}]}}\nstatus: {{podIP: 10.0.0.1}}\n",
                named("v1", "Pod", i)
            )
        })
    }),
    shape("Deployments of one app", 2_500, |n| {
        let deployments = many(n, |i| {
            format!(
                "{}spec: {{selector: {{matchLabels: {{app: a}}}}, template: {{metadata: {{labels: {{app: a, version: v{i}}}}}, spec: {{containers: [{{name: a, ports: [{{containerPort: 8080}}]}}]}}}}}}\n",
                named("apps/v1", "Deployment", i)
            )
        });
        format!("{}---\n{deployments}", service("a", "app: a"))
    }),
    shape("Endpoints of one slice", 5_000, |n| {
        let head = one("discovery.k8s.io/v1", "EndpointSlice");
        let head = head.replace("name: the", "name: the, labels: {kubernetes.io/service-name: a}");
        list(
            &format!(
                "{}---\n{head}addressType: IPv4\nports: [{{name: http, port: 8080}}]\nendpoints:\n",
                service("a", "")
            ),
            n,
            |i| format!("{{addresses: [{}]}}", address(i)),
            "",
        )
    }),
    shape("WorkloadEntries of one ServiceEntry", 5_000, |n| {
        let head = one("networking.istio.io/v1", "ServiceEntry");
        let entry = format!(
            "{head}spec: {{hosts: [a.example.com], location: MESH_INTERNAL, resolution: STATIC, ports: [{{number: 80, name: http, protocol: HTTP}}], workloadSelector: {{labels: {{app: a}}}}}}\n"
        );
        format!(
            "{entry}---\n{}",
            many(n, |i| format!(
                "{}spec: {{address: {}, labels: {{app: a}}}}\n",
                named("networking.istio.io/v1", "WorkloadEntry", i),
                address(i)
            ))
        )
    }),
    shape("ServiceEntries of one host", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{hosts: [a.example.com], resolution: DNS, ports: [{{number: 80, name: http, protocol: HTTP}}]}}\n",
                named("networking.istio.io/v1", "ServiceEntry", i)
            )
        })
    }),
    shape("ServiceEntries of one address", 2_500, |n| {
        many(n, |i| {
            format!(
                "{}spec: {{hosts: [h{i}.example.com], addresses: [10.0.0.1], resolution: DNS, ports: [{{number: 80, name: tcp, protocol: TCP}}]}}\n",
                named("networking.istio.io/v1", "ServiceEntry", i)
            )
        })
    }),
    shape("Namespaces", 2_500, |n| {
        many(n, |i| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: n{i}}}\n"))
    }),
    shape("Namespaces with a resource each", 2_500, |n| {
        many(n, |i| {
            format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: n{i}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: n{i}}}\nspec: {{selector: {{app: a}}, ports: [{{name: http, port: 80}}]}}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a, namespace: n{i}}}\nspec: {{rules: [{{from: [{{source: {{namespaces: [n{i}]}}}}]}}]}}\n"
            )
        })
    }),
    shape("labels of one resource", 10_000, |n| {
        let head =
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: d\n  labels:\n".to_owned();
        let mut out = (0..n).fold(head, |mut out, i| {
            let _ = writeln!(out, "    l{i}: a");
            out
        });
        out.push_str("spec: {ports: [{name: http, port: 80}]}\n");
        out
    }),
    shape("annotations of one resource", 10_000, |n| {
        let head = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: d\n  annotations:\n"
            .to_owned();
        let mut out = (0..n).fold(head, |mut out, i| {
            let _ = writeln!(out, "    sidecar.istio.io/l{i}: a");
            out
        });
        out.push_str("spec: {ports: [{name: http, port: 80}]}\n");
        out
    }),
    shape("unknown fields", 5_000, |n| {
        let head = "apiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: d}\nspec: {ports: [{name: http, port: 80}]}\n---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a, namespace: d}\nspec:\n".to_owned();
        (0..n).fold(head, |mut out, i| {
            let _ = writeln!(out, "  l{i}: a");
            out
        })
    }),
    shape("documents that are refused", 5_000, |n| {
        let head = service("a", "");
        format!(
            "{head}---\n{}",
            many(n, |i| format!(
                "{}spec: {{hosts: 1, http: {{}}}}\n",
                named("networking.istio.io/v1", "VirtualService", i)
            ))
        )
    }),
];

const ENTRY: &str = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: the, namespace: d}\nspec:\n  hosts:\n";
const ROUTES: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: the, namespace: d}\nspec:\n  hosts: [a]\n  http:\n";

/// The head of the only resource of a kind.
fn one(version: &str, kind: &str) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: the, namespace: d}}\n")
}

/// The head of one among many of a kind.
fn named(version: &str, kind: &str, i: usize) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: n{i}, namespace: d}}\n")
}

/// A list of items of one line each, and what follows it.
fn list(head: &str, n: usize, item: impl Fn(usize) -> String, tail: &str) -> String {
    let last = head.trim_end_matches('\n').lines().last().unwrap_or_default();
    let text = last.trim_start();
    let mut indent = last.len() - text.len();
    indent += if text.starts_with("- ") && text.ends_with(':') { 2 } else { 0 };
    let mut out = head.to_owned();
    for i in 0..n {
        let _ = writeln!(out, "{:indent$}- {}", "", item(i));
    }
    out + tail
}

fn many(n: usize, resource: impl Fn(usize) -> String) -> String {
    (0..n).map(resource).collect::<Vec<_>>().join("---\n")
}

fn service(name: &str, selector: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: d}}\n\
         spec: {{selector: {{{selector}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n"
    )
}

fn pod(i: usize) -> String {
    pod_of(i, "a")
}

fn pod_of(i: usize, app: &str) -> String {
    let address = address(i);
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: n{i}, namespace: d, labels: {{app: {app}, version: v{i}}}}}\n\
         spec: {{containers: [{{name: istio-proxy}}]}}\nstatus: {{podIP: {address}}}\n"
    )
}

fn address(i: usize) -> String {
    format!("10.{}.{}.{}", i / 65_536, i / 256 % 256, i % 256)
}
