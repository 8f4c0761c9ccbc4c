//! Services, rules and gateways of Istio.

use super::{ENTRY, ROUTES, Shape, address, list, many, named, one, service, shape};

pub(super) const ALL: &[Shape] = &[
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
];
