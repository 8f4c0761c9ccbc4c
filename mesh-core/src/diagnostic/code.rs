//! The codes of findings. They are stable: people silence, count and look up findings by them.
//!
//! `IST` codes mean what they mean in `istioctl analyze`, with its names and levels; `MESH` codes are this
//! project's own: up to `MESH0099` about texts and single resources, from `MESH0101` across resources.
//! [`CODES`] is the table of all.

use super::Level;

/// A code and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code, such as `IST0101`.
    pub code: &'static str,
    /// `istioctl`'s name of the message; empty for the project's own.
    pub name: &'static str,
    /// The level that it has where nothing else is said.
    pub level: Level,
    /// What it means.
    pub meaning: &'static str,
}

/// What is known of a code.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|c| c.code == code)
}
/// `Deprecated`: a field that is deprecated is used.
pub const DEPRECATED: &str = "IST0002";
/// `ReferencedResourceNotFound`: a host, subset, gateway, namespace, provider or workload that does not exist is referred to.
pub const REFERENCE: &str = "IST0101";
/// `NamespaceNotInjected`: a namespace says neither that it is in the mesh nor that it is not.
pub const NOT_INJECTED: &str = "IST0102";
/// `PodMissingProxy`: a running pod of an injected namespace has no proxy.
pub const POD_WITHOUT_PROXY: &str = "IST0103";
/// `SchemaValidationError`: a field that the schema or validation refuses.
pub const SCHEMA: &str = "IST0106";
/// `MisplacedAnnotation`: an annotation of the mesh on a kind that it is not for.
pub const MISPLACED_ANNOTATION: &str = "IST0107";
/// `UnknownAnnotation`: an annotation of the mesh that no kind has.
pub const UNKNOWN_ANNOTATION: &str = "IST0108";
/// `ConflictingMeshGatewayVirtualServiceHosts`: two VirtualServices route the same host for the same sidecars.
pub const MESH_HOSTS_CONFLICT: &str = "IST0109";
/// `ConflictingSidecarWorkloadSelectors`: two Sidecars select the same workload.
pub const SIDECARS_CONFLICT: &str = "IST0110";
/// `MultipleSidecarsWithoutWorkloadSelectors`: two Sidecars of a namespace are for all of it.
pub const SIDECARS_FOR_ALL: &str = "IST0111";
/// `VirtualServiceDestinationPortSelectorRequired`: a route to a service of several ports does not say which.
pub const PORT_REQUIRED: &str = "IST0112";
/// `MTLSPolicyConflict`: a DestinationRule speaks other than the PeerAuthentication of the service takes.
pub const MTLS_CONFLICT: &str = "IST0113";
/// `DeploymentAssociatedToMultipleServices`: services of one workload give one port different protocols.
pub const PORT_PROTOCOLS_DIFFER: &str = "IST0116";
/// `PortNameIsNotUnderNamingConvention`: the name of a service's port does not say a protocol.
pub const PORT_NAME: &str = "IST0118";
/// `JwtFailureDueToInvalidServicePortPrefix`: tokens are demanded of a service whose ports show no requests.
pub const JWT_PORT: &str = "IST0119";
/// `NamespaceMultipleInjectionLabels`: a namespace has more than one label of injection.
pub const INJECTION_LABELS: &str = "IST0123";
/// `InvalidAnnotation`: an annotation of the mesh has a value that it cannot have.
pub const INVALID_ANNOTATION: &str = "IST0125";
/// `NoMatchingWorkloadsFound`: a policy selects no workload.
pub const NO_WORKLOADS: &str = "IST0127";
/// `NoServerCertificateVerificationDestinationLevel`: a server's certificate is not verified.
pub const UNVERIFIED_SERVER: &str = "IST0128";
/// `NoServerCertificateVerificationPortLevel`: the same, at one port.
pub const UNVERIFIED_SERVER_PORT: &str = "IST0129";
/// `VirtualServiceUnreachableRule`: a rule that never gets a request, since rules before it take them all.
pub const UNREACHABLE_RULE: &str = "IST0130";
/// `VirtualServiceIneffectiveMatch`: a match that never gets a request, while others of its rule do.
pub const INEFFECTIVE_MATCH: &str = "IST0131";
/// `VirtualServiceHostNotFoundInGateway`: no host of a VirtualService is one of its gateway's.
pub const HOST_NOT_IN_GATEWAY: &str = "IST0132";
/// `SchemaWarning`: a field that validation accepts, and that may not work as meant.
pub const SCHEMA_WARNING: &str = "IST0133";
/// `ServiceEntryAddressesRequired`: a TCP port of a ServiceEntry without addresses.
pub const ADDRESSES_REQUIRED: &str = "IST0134";
/// `DeprecatedAnnotation`: an annotation that is deprecated.
pub const DEPRECATED_ANNOTATION: &str = "IST0135";
/// `DeploymentConflictingPorts`: services of one workload give one target port different numbers.
pub const TARGET_PORTS_CONFLICT: &str = "IST0137";
/// `GatewayDuplicateCertificate`: two gateways of the same workloads show the same certificate.
pub const CERTIFICATE_TWICE: &str = "IST0138";
/// `IngressRouteRulesNotAffected`: a gateway routes to a host whose subsets another VirtualService chooses for sidecars.
pub const RULES_NOT_AT_INGRESS: &str = "IST0140";
/// `InvalidApplicationUID`: an application runs as the user that is the proxy's.
pub const PROXY_USER: &str = "IST0144";
/// `ConflictingGateways`: two gateways listen for the same hosts on the same port of the same workloads.
pub const GATEWAYS_CONFLICT: &str = "IST0145";
/// `JwtClaimBasedRoutingWithoutRequestAuthN`: a route by a token's claims at a gateway that verifies no tokens.
pub const CLAIMS_WITHOUT_JWT: &str = "IST0149";
/// `ExternalNameServiceTypeInvalidPortName`: the name of a port of an ExternalName service does not say a protocol.
pub const EXTERNAL_NAME_PORT: &str = "IST0150";
/// `EnvoyFilterUsesRelativeOperation`: a patch relative to others without a priority.
pub const FILTER_RELATIVE: &str = "IST0151";
/// `EnvoyFilterUsesReplaceOperationIncorrectly`: REPLACE of what cannot be replaced.
pub const FILTER_REPLACE: &str = "IST0152";
/// `EnvoyFilterUsesAddOperationIncorrectly`: ADD of what cannot be added.
pub const FILTER_ADD: &str = "IST0153";
/// `EnvoyFilterUsesRemoveOperationIncorrectly`: REMOVE of what cannot be removed.
pub const FILTER_REMOVE: &str = "IST0154";
/// `EnvoyFilterUsesRelativeOperationWithProxyVersion`: a relative patch without a priority of a filter that another patch adds by version.
pub const FILTER_RELATIVE_VERSION: &str = "IST0155";
/// `InvalidTelemetryProvider`: access logs without a provider.
pub const TELEMETRY_PROVIDER: &str = "IST0157";
/// `ConflictingTelemetryWorkloadSelectors`: two Telemetries select the same workload.
pub const TELEMETRIES_CONFLICT: &str = "IST0159";
/// `MultipleTelemetriesWithoutWorkloadSelectors`: two Telemetries of a namespace are for all of it.
pub const TELEMETRIES_FOR_ALL: &str = "IST0160";
/// `InvalidGatewayCredential`: a Secret that a gateway names holds no certificate that is valid now.
pub const INVALID_CREDENTIAL: &str = "IST0161";
/// `GatewayPortNotDefinedOnService`: a gateway listens on a port that the service before it does not have.
pub const PORT_NOT_ON_SERVICE: &str = "IST0162";
/// `ReferencedInternalGateway`: a gateway that was generated from the Gateway API is referred to.
pub const INTERNAL_GATEWAY: &str = "IST0165";
/// `IneffectiveSelector`: a policy selects a proxy of the Gateway API by labels.
pub const INEFFECTIVE_SELECTOR: &str = "IST0166";
/// `IneffectivePolicy`: a policy that has no effect where it is.
pub const INEFFECTIVE_POLICY: &str = "IST0167";
/// `DestinationRuleSubsetNotSelectPods`: a subset that is routed to has no workload.
pub const EMPTY_SUBSET: &str = "IST0173";
/// `UnknownDestinationRuleHost`: a DestinationRule for a host that no service has.
pub const UNKNOWN_RULE_HOST: &str = "IST0174";
/// `ConflictingServiceEntryProtocol`: ServiceEntries give one port of a host different protocols.
pub const ENTRIES_CONFLICT: &str = "IST0177";
/// `UnsupportedDestinationRuleWorkloadSelector`: a DestinationRule for some callers of a service behind a waypoint.
pub const WAYPOINT_IGNORES_RULE: &str = "IST0179";
/// A text that is not YAML, or exceeds a bound.
pub const SYNTAX: &str = "MESH0001";
/// A document that is not a resource: `apiVersion`, `kind` or `metadata.name` is missing.
pub const NOT_A_RESOURCE: &str = "MESH0002";
/// A kind that does not exist in a group that the mesh reads.
pub const UNKNOWN_KIND: &str = "MESH0003";
/// A kind that no mesh reads.
pub const UNREAD_KIND: &str = "MESH0004";
/// A resource that is declared twice.
pub const DUPLICATE: &str = "MESH0005";
/// A file that cannot be read.
pub const UNREADABLE: &str = "MESH0006";
/// A field that the mesh does not honour yet.
pub const NOT_HONOURED: &str = "MESH0007";
/// Resources that contradict each other, one of which wins.
pub const CONFLICT: &str = "MESH0008";
/// A field that has no meaning in this mesh.
pub const NO_MEANING: &str = "MESH0009";
/// VirtualServices for different sidecars overlap in some of them, and one wins.
pub const OVERLAP: &str = "MESH0101";
/// A match that never gets a request, since another VirtualService of the same gateway takes it.
pub const SHADOWED_ROUTE: &str = "MESH0102";
/// One request may become many at the end of a chain of calls.
pub const RETRY_AMPLIFICATION: &str = "MESH0103";
/// A timeout ends before what it waits for can.
pub const TIMEOUT_BUDGET: &str = "MESH0104";
/// A host of another namespace is claimed for the callers of others.
pub const HOST_CLAIM: &str = "MESH0105";
/// A policy on requests where only connections are seen.
pub const BEYOND_L4: &str = "MESH0106";

/// Every code, in order.
pub const CODES: &[Code] = &[
    of(DEPRECATED, "Deprecated", Level::Warning, "a field that is deprecated is used"),
    of(
        REFERENCE,
        "ReferencedResourceNotFound",
        Level::Error,
        "a host, subset, gateway, namespace, provider or workload that does not exist is referred to",
    ),
    of(
        NOT_INJECTED,
        "NamespaceNotInjected",
        Level::Info,
        "a namespace says neither that it is in the mesh nor that it is not",
    ),
    of(
        POD_WITHOUT_PROXY,
        "PodMissingProxy",
        Level::Warning,
        "a running pod of an injected namespace has no proxy",
    ),
    of(SCHEMA, "SchemaValidationError", Level::Error, "a field that the schema or validation refuses"),
    of(
        MISPLACED_ANNOTATION,
        "MisplacedAnnotation",
        Level::Warning,
        "an annotation of the mesh on a kind that it is not for",
    ),
    of(UNKNOWN_ANNOTATION, "UnknownAnnotation", Level::Warning, "an annotation of the mesh that no kind has"),
    of(
        MESH_HOSTS_CONFLICT,
        "ConflictingMeshGatewayVirtualServiceHosts",
        Level::Error,
        "two VirtualServices route the same host for the same sidecars",
    ),
    of(
        SIDECARS_CONFLICT,
        "ConflictingSidecarWorkloadSelectors",
        Level::Error,
        "two Sidecars select the same workload",
    ),
    of(
        SIDECARS_FOR_ALL,
        "MultipleSidecarsWithoutWorkloadSelectors",
        Level::Error,
        "two Sidecars of a namespace are for all of it",
    ),
    of(
        PORT_REQUIRED,
        "VirtualServiceDestinationPortSelectorRequired",
        Level::Error,
        "a route to a service of several ports does not say which",
    ),
    of(
        MTLS_CONFLICT,
        "MTLSPolicyConflict",
        Level::Error,
        "a DestinationRule speaks other than the PeerAuthentication of the service takes",
    ),
    of(
        PORT_PROTOCOLS_DIFFER,
        "DeploymentAssociatedToMultipleServices",
        Level::Warning,
        "services of one workload give one port different protocols",
    ),
    of(
        PORT_NAME,
        "PortNameIsNotUnderNamingConvention",
        Level::Info,
        "the name of a service's port does not say a protocol",
    ),
    of(
        JWT_PORT,
        "JwtFailureDueToInvalidServicePortPrefix",
        Level::Warning,
        "tokens are demanded of a service whose ports show no requests",
    ),
    of(
        INJECTION_LABELS,
        "NamespaceMultipleInjectionLabels",
        Level::Warning,
        "a namespace has more than one label of injection",
    ),
    of(
        INVALID_ANNOTATION,
        "InvalidAnnotation",
        Level::Warning,
        "an annotation of the mesh has a value that it cannot have",
    ),
    of(NO_WORKLOADS, "NoMatchingWorkloadsFound", Level::Warning, "a policy selects no workload"),
    of(
        UNVERIFIED_SERVER,
        "NoServerCertificateVerificationDestinationLevel",
        Level::Warning,
        "a server's certificate is not verified",
    ),
    of(
        UNVERIFIED_SERVER_PORT,
        "NoServerCertificateVerificationPortLevel",
        Level::Warning,
        "the same, at one port",
    ),
    of(
        UNREACHABLE_RULE,
        "VirtualServiceUnreachableRule",
        Level::Warning,
        "a rule that never gets a request, since rules before it take them all",
    ),
    of(
        INEFFECTIVE_MATCH,
        "VirtualServiceIneffectiveMatch",
        Level::Info,
        "a match that never gets a request, while others of its rule do",
    ),
    of(
        HOST_NOT_IN_GATEWAY,
        "VirtualServiceHostNotFoundInGateway",
        Level::Warning,
        "no host of a VirtualService is one of its gateway's",
    ),
    of(
        SCHEMA_WARNING,
        "SchemaWarning",
        Level::Warning,
        "a field that validation accepts, and that may not work as meant",
    ),
    of(
        ADDRESSES_REQUIRED,
        "ServiceEntryAddressesRequired",
        Level::Warning,
        "a TCP port of a ServiceEntry without addresses",
    ),
    of(DEPRECATED_ANNOTATION, "DeprecatedAnnotation", Level::Info, "an annotation that is deprecated"),
    of(
        TARGET_PORTS_CONFLICT,
        "DeploymentConflictingPorts",
        Level::Warning,
        "services of one workload give one target port different numbers",
    ),
    of(
        CERTIFICATE_TWICE,
        "GatewayDuplicateCertificate",
        Level::Warning,
        "two gateways of the same workloads show the same certificate",
    ),
    of(
        RULES_NOT_AT_INGRESS,
        "IngressRouteRulesNotAffected",
        Level::Warning,
        "a gateway routes to a host whose subsets another VirtualService chooses for sidecars",
    ),
    of(
        PROXY_USER,
        "InvalidApplicationUID",
        Level::Warning,
        "an application runs as the user that is the proxy's",
    ),
    of(
        GATEWAYS_CONFLICT,
        "ConflictingGateways",
        Level::Error,
        "two gateways listen for the same hosts on the same port of the same workloads",
    ),
    of(
        CLAIMS_WITHOUT_JWT,
        "JwtClaimBasedRoutingWithoutRequestAuthN",
        Level::Error,
        "a route by a token's claims at a gateway that verifies no tokens",
    ),
    of(
        EXTERNAL_NAME_PORT,
        "ExternalNameServiceTypeInvalidPortName",
        Level::Warning,
        "the name of a port of an ExternalName service does not say a protocol",
    ),
    of(
        FILTER_RELATIVE,
        "EnvoyFilterUsesRelativeOperation",
        Level::Warning,
        "a patch relative to others without a priority",
    ),
    of(
        FILTER_REPLACE,
        "EnvoyFilterUsesReplaceOperationIncorrectly",
        Level::Error,
        "REPLACE of what cannot be replaced",
    ),
    of(FILTER_ADD, "EnvoyFilterUsesAddOperationIncorrectly", Level::Error, "ADD of what cannot be added"),
    of(
        FILTER_REMOVE,
        "EnvoyFilterUsesRemoveOperationIncorrectly",
        Level::Error,
        "REMOVE of what cannot be removed",
    ),
    of(
        FILTER_RELATIVE_VERSION,
        "EnvoyFilterUsesRelativeOperationWithProxyVersion",
        Level::Warning,
        "a relative patch without a priority of a filter that another patch adds by version",
    ),
    of(TELEMETRY_PROVIDER, "InvalidTelemetryProvider", Level::Warning, "access logs without a provider"),
    of(
        TELEMETRIES_CONFLICT,
        "ConflictingTelemetryWorkloadSelectors",
        Level::Error,
        "two Telemetries select the same workload",
    ),
    of(
        TELEMETRIES_FOR_ALL,
        "MultipleTelemetriesWithoutWorkloadSelectors",
        Level::Error,
        "two Telemetries of a namespace are for all of it",
    ),
    of(
        INVALID_CREDENTIAL,
        "InvalidGatewayCredential",
        Level::Error,
        "a Secret that a gateway names holds no certificate that is valid now",
    ),
    of(
        PORT_NOT_ON_SERVICE,
        "GatewayPortNotDefinedOnService",
        Level::Warning,
        "a gateway listens on a port that the service before it does not have",
    ),
    of(
        INTERNAL_GATEWAY,
        "ReferencedInternalGateway",
        Level::Warning,
        "a gateway that was generated from the Gateway API is referred to",
    ),
    of(
        INEFFECTIVE_SELECTOR,
        "IneffectiveSelector",
        Level::Warning,
        "a policy selects a proxy of the Gateway API by labels",
    ),
    of(INEFFECTIVE_POLICY, "IneffectivePolicy", Level::Warning, "a policy that has no effect where it is"),
    of(
        EMPTY_SUBSET,
        "DestinationRuleSubsetNotSelectPods",
        Level::Error,
        "a subset that is routed to has no workload",
    ),
    of(
        UNKNOWN_RULE_HOST,
        "UnknownDestinationRuleHost",
        Level::Warning,
        "a DestinationRule for a host that no service has",
    ),
    of(
        ENTRIES_CONFLICT,
        "ConflictingServiceEntryProtocol",
        Level::Warning,
        "ServiceEntries give one port of a host different protocols",
    ),
    of(
        WAYPOINT_IGNORES_RULE,
        "UnsupportedDestinationRuleWorkloadSelector",
        Level::Warning,
        "a DestinationRule for some callers of a service behind a waypoint",
    ),
    of(SYNTAX, "", Level::Error, "a text that is not YAML, or exceeds a bound"),
    of(
        NOT_A_RESOURCE,
        "",
        Level::Error,
        "a document that is not a resource: `apiVersion`, `kind` or `metadata.name` is missing",
    ),
    of(UNKNOWN_KIND, "", Level::Error, "a kind that does not exist in a group that the mesh reads"),
    of(UNREAD_KIND, "", Level::Info, "a kind that no mesh reads"),
    of(DUPLICATE, "", Level::Warning, "a resource that is declared twice"),
    of(UNREADABLE, "", Level::Error, "a file that cannot be read"),
    of(NOT_HONOURED, "", Level::Warning, "a field that the mesh does not honour yet"),
    of(CONFLICT, "", Level::Warning, "resources that contradict each other, one of which wins"),
    of(NO_MEANING, "", Level::Info, "a field that has no meaning in this mesh"),
    of(
        OVERLAP,
        "",
        Level::Warning,
        "VirtualServices for different sidecars overlap in some of them, and one wins",
    ),
    of(
        SHADOWED_ROUTE,
        "",
        Level::Warning,
        "a match that never gets a request, since another VirtualService of the same gateway takes it",
    ),
    of(RETRY_AMPLIFICATION, "", Level::Warning, "one request may become many at the end of a chain of calls"),
    of(TIMEOUT_BUDGET, "", Level::Warning, "a timeout ends before what it waits for can"),
    of(HOST_CLAIM, "", Level::Warning, "a host of another namespace is claimed for the callers of others"),
    of(BEYOND_L4, "", Level::Warning, "a policy on requests where only connections are seen"),
];

const fn of(code: &'static str, name: &'static str, level: Level, meaning: &'static str) -> Code {
    Code { code, name, level, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_and_in_order() {
        assert!(CODES.is_sorted_by(|a, b| a.code < b.code), "{CODES:?}");
        assert_eq!(find("IST0109").map(|c| c.level), Some(Level::Error));
        assert_eq!(find("IST9999"), None);
    }
}
