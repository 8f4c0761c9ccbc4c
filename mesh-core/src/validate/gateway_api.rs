//! The Gateway API's kinds: what their CRDs refuse, by schema and by CEL.
//!
//! The API server refuses; Istio's own webhook does not look at these kinds. Both channels' rules count, the laxer
//! one where they differ. Each version that was ever served by a release in support is read like the newest.
//!
//! | Rule | Gateway API, Istio | Here | Why |
//! |---|---|---|---|
//! | a `RegularExpression` that RE2 refuses | accepted; the proxy refuses the whole configuration | refused | one rule must not block a push |
//! | several `parentRefs` to one parent that differ in `port` alone | standard channel refuses, experimental accepts | accepted | which channel is installed is not known here |
//! | `rules` of a TCPRoute, TLSRoute or UDPRoute | `v1` takes one, older versions up to 16 | the same | |
//! | `hostnames` of a TLSRoute | required in `v1` and `v1alpha3` | the same | |
//! | an IP address among `hostnames` | the documentation forbids it, only TLSRoute's CRD refuses it | a warning, for TLSRoute refused | |
//! | a listener with `HTTPS` and without `tls` | accepted; the listener's status is not ready | a warning | |
//! | a listener's `protocol` that is no known one | accepted; the listener's status is not ready | a warning | |
//! | `from: Selector` without `selector` | accepted; selects nothing | a warning | |
//! | a header that one filter both sets, adds or removes | the documentation forbids it | a warning | |
//! | the scheme of a CORS origin | older releases take any, newer ones `http` and `https` | `http` and `https` | browsers send no other |
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
pub(super) use policy::{backend_tls_policy, reference_grant};
