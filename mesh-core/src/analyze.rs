//! What resources say together: references, contradictions, and what none of them says alone.
//!
//! ```text
//! World ─[analyze]─▶ findings      (each resource alone is validate's; one proxy's view is compile's)
//! ```
//!
//! `istioctl analyze` for files, with its codes, meanings and levels, and codes of this project for what it
//! does not look at. Each analyzer is a function over a [`Context`], which indexes a World once; [`ANALYZERS`]
//! lists them. A resource silences codes by the annotation `galley.istio.io/analyze-suppress`, as it does there.
//!
//! Files seldom hold all workloads of a mesh. Where some are missing, nothing is said that would need them: an
//! analyzer would rather be silent than wrong.
//!
//! Of `istioctl`'s messages these have no meaning for files, or none here:
//!
//! | Code | Why not |
//! |---|---|
//! | `IST0001` | there is no error inside an analyzer: it is a pure function |
//! | `IST0104`, `IST0105`, `IST0114`, `IST0115`, `IST0117`, `IST0120`, `IST0121`, `IST0124` | retired or never given |
//! | `IST0122` | a regular expression that cannot be read is an error of the field: `IST0106` |
//! | `IST0126` | which clusters there are is known to a running control plane alone |
//! | `IST0002`, `IST0130`, `IST0131`, `IST0133` | validation says it, of one resource alone |
//! | `IST0136` | `istioctl` gives it no more |
//! | `IST0139`, `IST0141`, `IST0142`, `IST0148`, `IST0163`, `IST0164`, `IST0168`, `IST0169`, `IST0175` | about an installation of Istio in a cluster |
//! | `IST0143` | needs the sockets of running pods |
//! | `IST0146`, `IST0147`, `IST0158` | about images of pods, which the mesh does not read |
//! | `IST0156`, `IST0172`, `IST0176` | about the definitions of kinds in a cluster |
//! | `IST0170` | compares clusters |
//! | `IST0171` | about the status that a controller wrote |
//! | `IST0178` | a policy that refers to an HTTPRoute is refused |
//!
//! Where files say less than a cluster, or where `istioctl` speaks of what does no harm, the trigger differs:
//!
//! | Code | `istioctl` | Here | Why |
//! |---|---|---|---|
//! | all | says it of each of two that contradict each other | says it of the one that loses, and points at the other | one cause, one finding |
//! | all about workloads | pods alone | what makes pods, and WorkloadEntries and WorkloadGroups too | files seldom hold pods |
//! | `IST0101` | a host of the root namespace | not where no service of that namespace is here | istiod and the gateways are installed by other means |
//! | `IST0101` | a Gateway that selects no pod, but for one that is made up; a Secret that is not there | where the proxies of gateways are here; where Secrets of that namespace are | the same |
//! | `IST0101`, `IST0127` | a selector without a pod; a policy for a namespace without one | where the namespace's workloads are known, and of selectors alone | workloads may be deployed by other means |
//! | `IST0103` | any pod without a proxy | a pod that runs | one in a file is yet to be injected |
//! | `IST0107`, `IST0108`, `IST0125`, `IST0135` | Namespaces, Services, Pods and Deployments | templates of pods, and all that have them, too | an annotation of pods is written there |
//! | `IST0116`, `IST0137` | Deployments that are known to be in the mesh; one service that contradicts itself | workloads that are not known to be out of it; several services | files seldom hold the namespace's labels; one service may well give two ports one target |
//! | `IST0128`, `IST0129` | no roots are named | none are, and the system's are not believed either; or `insecureSkipVerify` | since 1.24 the system's roots verify a server |
//! | `IST0140` | any subset that a VirtualService for sidecars chooses | one that leaves workloads out | a subset of all workloads changes nothing |
//! | `IST0145` | hosts that overlap, such as `*` and `a.com` | the same host | the more specific one wins, as is meant |
//! | `IST0157` | no provider, and no default one | and no `accessLogFile` | that is where they are written then |
//! | `IST0161` | a certificate that is none, or not valid now | and a private key that is none, and a Secret that holds neither | no server can show it |
//! | `IST0162` | listens on a port that is no target port | or on neither port nor target port | a gateway's port is the service's, and is translated |
//! | `IST0173` | any subset without a pod | one that is routed to | others harm nobody |

mod annotation;
mod budget;
mod calls;
mod context;
mod credential;
mod destination_rule;
mod envoy_filter;
mod gateway;
mod hosts;
mod ingress;
mod l4;
mod namespace;
mod policy;
mod reference;
mod routes;
mod selecting;
mod selection;
mod selectors;
mod service;
mod service_entry;
mod waypoint;
mod workloads;

#[cfg(test)]
mod tests;

pub use context::Context;

use crate::diagnostic::{Findings, code};
use crate::world::World;
use std::time::SystemTime;

/// One question that is asked of a World.
#[derive(Clone, Copy, Debug)]
pub struct Analyzer {
    /// Its name, such as `virtualservice.gateways`.
    pub name: &'static str,
    /// The codes that it gives.
    pub codes: &'static [&'static str],
    /// The kinds that its answer depends on: while none of them changes, neither does the answer.
    pub kinds: &'static [&'static str],
    /// Asks it.
    pub run: fn(&Context<'_>, &mut Findings),
}

const VS: &str = "VirtualService";
const RULE: &str = "DestinationRule";
const GATEWAY: &str = "Gateway";
const ENTRY: &str = "ServiceEntry";
const SERVICE: &str = "Service";
/// Stands for what makes pods as well.
const POD: &str = "Pod";
const WORKLOAD: &str = "WorkloadEntry";
const GROUP: &str = "WorkloadGroup";
const NAMESPACE: &str = "Namespace";
const MESH: &str = "ConfigMap";
const SIDECAR: &str = "Sidecar";
const TELEMETRY: &str = "Telemetry";
const AUTHORIZATION: &str = "AuthorizationPolicy";
const TOKENS: &str = "RequestAuthentication";

/// Every analyzer, by name.
pub const ANALYZERS: &[Analyzer] = &[
    Analyzer {
        name: "annotations",
        codes: &[
            code::MISPLACED_ANNOTATION,
            code::UNKNOWN_ANNOTATION,
            code::INVALID_ANNOTATION,
            code::DEPRECATED_ANNOTATION,
        ],
        kinds: &[NAMESPACE, SERVICE, POD],
        run: annotation::annotations,
    },
    Analyzer {
        name: "authorizationpolicy.l4",
        codes: &[code::BEYOND_L4],
        kinds: &[AUTHORIZATION, SERVICE, ENTRY, POD, WORKLOAD, GROUP, NAMESPACE],
        run: l4::policies,
    },
    Analyzer {
        name: "authorizationpolicy.selector",
        codes: &[code::NO_WORKLOADS],
        kinds: &[AUTHORIZATION, SERVICE, POD, WORKLOAD, GROUP, MESH],
        run: policy::nobody,
    },
    Analyzer {
        name: "calls.budget",
        codes: &[code::RETRY_AMPLIFICATION, code::TIMEOUT_BUDGET],
        kinds: &[VS, GATEWAY, AUTHORIZATION, SIDECAR, SERVICE, ENTRY, POD, WORKLOAD, GROUP, MESH],
        run: budget::chains,
    },
    Analyzer {
        name: "destinationrule.host",
        codes: &[code::UNKNOWN_RULE_HOST],
        kinds: &[RULE, SERVICE, ENTRY, MESH],
        run: destination_rule::hosts,
    },
    Analyzer {
        name: "destinationrule.mtls",
        codes: &[code::MTLS_CONFLICT],
        kinds: &[RULE, "PeerAuthentication", SERVICE, ENTRY, MESH],
        run: destination_rule::mutual_tls,
    },
    Analyzer {
        name: "destinationrule.subset",
        codes: &[code::EMPTY_SUBSET],
        kinds: &[RULE, VS, SERVICE, ENTRY, POD, WORKLOAD, GROUP, "EndpointSlice", "Endpoints", MESH],
        run: destination_rule::subsets,
    },
    Analyzer {
        name: "destinationrule.verification",
        codes: &[code::UNVERIFIED_SERVER, code::UNVERIFIED_SERVER_PORT],
        kinds: &[RULE, MESH],
        run: destination_rule::unverified,
    },
    Analyzer {
        name: "destinationrule.waypoint",
        codes: &[code::WAYPOINT_IGNORES_RULE],
        kinds: &[RULE, SERVICE, ENTRY, NAMESPACE],
        run: waypoint::rules,
    },
    Analyzer {
        name: "envoyfilter.patch",
        codes: &[
            code::FILTER_RELATIVE,
            code::FILTER_REPLACE,
            code::FILTER_ADD,
            code::FILTER_REMOVE,
            code::FILTER_RELATIVE_VERSION,
        ],
        kinds: &["EnvoyFilter"],
        run: envoy_filter::patches,
    },
    Analyzer {
        name: "gateway.certificate",
        codes: &[code::CERTIFICATE_TWICE],
        kinds: &[GATEWAY],
        run: gateway::certificates,
    },
    Analyzer {
        name: "gateway.conflict",
        codes: &[code::GATEWAYS_CONFLICT],
        kinds: &[GATEWAY],
        run: gateway::conflicts,
    },
    Analyzer {
        name: "gateway.credential",
        codes: &[code::REFERENCE, code::INVALID_CREDENTIAL],
        kinds: &[GATEWAY, "Secret", POD, WORKLOAD, GROUP, MESH],
        run: credential::secrets,
    },
    Analyzer {
        name: "gateway.port",
        codes: &[code::PORT_NOT_ON_SERVICE],
        kinds: &[GATEWAY, SERVICE, POD],
        run: gateway::ports,
    },
    Analyzer {
        name: "gateway.selector",
        codes: &[code::REFERENCE],
        kinds: &[GATEWAY, SERVICE, POD, WORKLOAD, GROUP, MESH],
        run: gateway::selectors,
    },
    Analyzer {
        name: "hosts.claim",
        codes: &[code::HOST_CLAIM],
        kinds: &[VS, ENTRY, SERVICE, MESH],
        run: hosts::claims,
    },
    Analyzer {
        name: "namespace.injection",
        codes: &[code::NOT_INJECTED, code::INJECTION_LABELS],
        kinds: &[NAMESPACE, MESH],
        run: namespace::injection,
    },
    Analyzer {
        name: "pod.proxy",
        codes: &[code::POD_WITHOUT_PROXY],
        kinds: &[NAMESPACE, POD],
        run: namespace::pods,
    },
    Analyzer {
        name: "pod.user",
        codes: &[code::PROXY_USER],
        kinds: &[NAMESPACE, POD],
        run: namespace::users,
    },
    Analyzer {
        name: "policy.reference",
        codes: &[code::REFERENCE],
        // Whatever has a namespace makes that namespace known, which only a declared one asks for.
        kinds: &[AUTHORIZATION, TELEMETRY, NAMESPACE, MESH],
        run: reference::policies,
    },
    Analyzer {
        name: "policy.selected-gateway",
        codes: &[code::INEFFECTIVE_SELECTOR],
        kinds: &[AUTHORIZATION, TOKENS, TELEMETRY, "WasmPlugin", POD],
        run: policy::selected_gateways,
    },
    Analyzer {
        name: "requestauthentication.port",
        codes: &[code::JWT_PORT],
        kinds: &[TOKENS, SERVICE, ENTRY],
        run: policy::tokens_on_tcp,
    },
    Analyzer {
        name: "service.port-name",
        codes: &[code::PORT_NAME, code::EXTERNAL_NAME_PORT],
        kinds: &[SERVICE, MESH],
        run: service::port_names,
    },
    Analyzer {
        name: "service.shared-workload",
        codes: &[code::PORT_PROTOCOLS_DIFFER, code::TARGET_PORTS_CONFLICT],
        kinds: &[SERVICE, POD, WORKLOAD, GROUP, NAMESPACE],
        run: service::shared_workloads,
    },
    Analyzer {
        name: "serviceentry.addresses",
        codes: &[code::ADDRESSES_REQUIRED],
        kinds: &[ENTRY, MESH],
        run: service_entry::addresses,
    },
    Analyzer {
        name: "serviceentry.conflict",
        codes: &[code::ENTRIES_CONFLICT],
        kinds: &[ENTRY, MESH],
        run: service_entry::conflicts,
    },
    Analyzer {
        name: "sidecar.selection",
        codes: &[code::REFERENCE, code::SIDECARS_CONFLICT, code::SIDECARS_FOR_ALL, code::INEFFECTIVE_POLICY],
        kinds: &[SIDECAR, SERVICE, POD, WORKLOAD, GROUP, NAMESPACE],
        run: selection::sidecars,
    },
    Analyzer {
        name: "telemetry.provider",
        codes: &[code::TELEMETRY_PROVIDER],
        kinds: &[TELEMETRY, MESH],
        run: selection::providers,
    },
    Analyzer {
        name: "telemetry.selection",
        codes: &[code::REFERENCE, code::TELEMETRIES_CONFLICT, code::TELEMETRIES_FOR_ALL],
        kinds: &[TELEMETRY, SERVICE, POD, WORKLOAD, GROUP],
        run: selection::telemetries,
    },
    Analyzer {
        name: "virtualservice.attempts",
        codes: &[code::TIMEOUT_BUDGET],
        kinds: &[VS],
        run: budget::attempts,
    },
    Analyzer {
        name: "virtualservice.claims",
        codes: &[code::CLAIMS_WITHOUT_JWT],
        kinds: &[VS, GATEWAY, TOKENS, POD, WORKLOAD, GROUP, MESH],
        run: policy::claims,
    },
    Analyzer {
        name: "virtualservice.destinations",
        codes: &[code::REFERENCE, code::PORT_REQUIRED],
        kinds: &[VS, RULE, SERVICE, ENTRY, MESH],
        run: reference::destinations,
    },
    Analyzer {
        name: "virtualservice.gateway-hosts",
        codes: &[code::HOST_NOT_IN_GATEWAY],
        kinds: &[VS, GATEWAY],
        run: gateway::hosts,
    },
    Analyzer {
        name: "virtualservice.gateways",
        codes: &[code::REFERENCE, code::INTERNAL_GATEWAY],
        kinds: &[VS, GATEWAY],
        run: reference::gateways,
    },
    Analyzer {
        name: "virtualservice.ingress",
        codes: &[code::RULES_NOT_AT_INGRESS],
        kinds: &[VS, RULE, SERVICE, ENTRY, POD, WORKLOAD, GROUP, MESH],
        run: ingress::subsets,
    },
    Analyzer {
        name: "virtualservice.overlap",
        codes: &[code::MESH_HOSTS_CONFLICT, code::OVERLAP],
        kinds: &[VS, MESH],
        run: hosts::overlaps,
    },
    Analyzer {
        name: "virtualservice.shadowed",
        codes: &[code::SHADOWED_ROUTE],
        kinds: &[VS],
        run: routes::across,
    },
];

/// All that there is to say about a World, whatever the proxy: [`analyze`], and what its resources say in
/// vain or leave to a redirection that does not happen ([`unsupported_all`](crate::compile::unsupported_all)).
///
/// ```
/// use mesh_core::{analyze, world::World, yaml};
/// let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {sessionAffinity: ClientIP}\n";
/// let parsed = yaml::resources("a.yaml", text, &Default::default());
/// let world = World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1");
/// let findings = analyze::findings(&world);
/// assert_eq!(findings[0].path, "spec.sessionAffinity");
/// assert_eq!(findings[0].span.map(|s| s.line), Some(4));
/// ```
pub fn findings(world: &World) -> Findings {
    let mut all = analyze(world);
    all.extend(crate::compile::unsupported_all(world));
    all
}

/// Asks every analyzer; the findings stand in the order of the text that they are about.
pub fn analyze(world: &World) -> Findings {
    analyze_at(world, SystemTime::now())
}

/// Asks every analyzer what it will say at this time: certificates expire.
pub fn analyze_at(world: &World, now: SystemTime) -> Findings {
    ask(world, ANALYZERS, now)
}

/// Asks those analyzers alone whose answer may differ after a change of these kinds. What the others said of
/// the World before still holds.
pub fn analyze_changed(world: &World, changed: &[&str]) -> Findings {
    let changed: Vec<&str> = changed.iter().map(|k| if MAKE_PODS.contains(k) { POD } else { *k }).collect();
    let concerned = ANALYZERS.iter().filter(|a| a.kinds.iter().any(|k| changed.contains(k)));
    ask(world, concerned, SystemTime::now())
}

/// Kinds whose templates are read as the pods that they make.
const MAKE_PODS: [&str; 6] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];

fn ask<'a>(world: &World, analyzers: impl IntoIterator<Item = &'a Analyzer>, now: SystemTime) -> Findings {
    let context = Context::new(world, now);
    let mut all = Findings::new();
    for analyzer in analyzers {
        (analyzer.run)(&context, &mut all);
    }
    let silenced = context::Silenced::new(world);
    all.retain(|finding| !silenced.covers(finding));
    all.sort_by_cached_key(|f| {
        let place = (f.file().map(str::to_owned), f.span.map(|s| s.start));
        (place, f.resource.clone(), f.path.clone(), f.code)
    });
    all
}
