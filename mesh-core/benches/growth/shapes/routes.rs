//! VirtualServices.

use super::{ROUTES, Shape, list, many, named, one, service, shape};
use std::fmt::Write as _;

pub(super) const ALL: &[Shape] = &[
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
];
