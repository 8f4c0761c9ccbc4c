//! The Gateway API, Kubernetes' own kinds, and what all kinds have.

use super::{Shape, address, list, many, named, one, pod, pod_of, service, shape};
use std::fmt::Write as _;

pub(super) const ALL: &[Shape] = &[
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
