//! The Gateway API's kinds: what their CRDs refuse, by schema and by CEL.
//!
//! The API server refuses; Istio's own webhook does not look at these kinds. Both channels' rules count, the laxer
//! one where they differ. Each version that was ever served by a release in support is read like the newest.
//!
//! | Rule | Gateway API, Istio | Here | Why |
//! |---|---|---|---|
//! | a `RegularExpression` that RE2 refuses, an empty one, one of more than 1024 bytes | accepted; the proxy refuses the whole configuration | refused | one rule must not block a push |
//! | several `parentRefs` to one parent | standard channel compares `sectionName`, experimental `port` too | accepted if either accepts | which channel is installed is not known here |
//! | `rules` of a TCPRoute, TLSRoute or UDPRoute | `v1` takes one, older versions up to 16 | the same | |
//! | `hostnames` of a TLSRoute | required in `v1` and `v1alpha3` | the same | |
//! | an IP address among `hostnames` | the documentation forbids it; only TLSRoute's CRD refuses it, from `v1alpha3` on | a warning where it is accepted | |
//! | a listener with `HTTPS` and without `tls` | accepted; the listener's status is not ready | a warning | |
//! | a listener's `protocol` that is no known one | accepted; the listener's status is not ready | a warning | |
//! | `from: Selector` without `selector` | accepted; selects nothing | a warning | |
//! | a header that one filter both sets, adds or removes | the documentation forbids it | a warning | |
//! | a CORS origin | older releases take any scheme and host, newer ones `http` and `https`; ports of up to five digits | `http` and `https`, names with `*`, ports from 1 to 65535 | browsers send no other |
//! | `replacePrefixMatch` beside other than one prefix, in several backends of a rule | accepted; in one backend refused | refused | it is open in each which prefix is replaced |
//! | two listeners whose protocols differ in case alone | a Gateway's accepted, a ListenerSet's refused | refused | they are one protocol |
//! | a key of `options` that is no qualified name | accepted: schemas do not look at keys | refused | the documentation forbids it |
//! | an address's `type`, a listener's `protocol` with a known one within | accepted: the pattern has no anchors | refused | nobody knows it |
//! | a selector by an unknown operator, or with values that do not fit it | accepted; selects nothing | refused | a slip that shuts routes out |
//! | a listener of an XListenerSet without a port | accepted | accepted for `HTTP` and `HTTPS`, as 80 and 443 | Istio serves no other |
//! | `retry.attempts` below 0 | accepted | refused | it means nothing |
//! | `controllerName` that changes | refused | accepted | a file has no past |

mod filter;
mod gateway;
mod http_route;
mod l4_route;
mod name;
mod policy;
mod route;
#[cfg(test)]
mod tests;

pub(super) use gateway::{gateway, gateway_class, listener_set};
pub(super) use http_route::{grpc_route, http_route};
pub(super) use l4_route::{tcp_route, tls_route, udp_route};
pub(super) use name::is_domain_prefixed;
pub(super) use policy::{backend_tls_policy, reference_grant};
