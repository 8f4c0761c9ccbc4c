#![cfg_attr(feature = "full", doc = include_str!("../README.md"))]
// The README links to every layer and its example uses most.
#![cfg_attr(not(feature = "full"), doc = "Tower layers with Envoy's semantics; see the README.")]

#[cfg(any(feature = "authz", feature = "jwt", feature = "ratelimit"))]
mod ask;
#[cfg(any(feature = "breaker", feature = "shed"))]
pub mod body;
#[cfg(any(feature = "retry", feature = "breaker"))]
pub mod budget;
#[cfg(any(feature = "authz", feature = "headers", feature = "ratelimit"))]
mod connection;
#[cfg(any(
    feature = "timeout",
    feature = "retry",
    feature = "outlier",
    feature = "breaker",
    feature = "shed"
))]
mod elapsing;
pub mod failure;
#[cfg(any(
    feature = "retry",
    feature = "breaker",
    feature = "fault",
    feature = "outlier",
    feature = "shed",
    feature = "mirror"
))]
mod gauge;
pub mod grpc;
#[cfg(any(feature = "authz", feature = "jwt", feature = "ratelimit", feature = "retry"))]
mod head;
#[cfg(any(
    feature = "timeout",
    feature = "retry",
    feature = "fault",
    feature = "breaker",
    feature = "outlier",
    feature = "authz",
    feature = "jwt",
    feature = "ratelimit",
    feature = "limits",
    feature = "shed",
    feature = "cors",
    feature = "headers",
    feature = "mirror",
    feature = "rewrite"
))]
mod metrics;
#[cfg(any(feature = "jwt", feature = "ratelimit"))]
mod query;
pub mod random;
#[cfg(any(
    feature = "breaker",
    feature = "authz",
    feature = "jwt",
    feature = "ratelimit",
    feature = "limits",
    feature = "shed"
))]
mod refused;
pub mod rejection;
pub mod spec;
#[cfg(any(
    feature = "retry",
    feature = "breaker",
    feature = "fault",
    feature = "outlier",
    feature = "ratelimit",
    feature = "limits",
    feature = "shed",
    feature = "mirror"
))]
mod sync;
#[cfg(any(feature = "authz", feature = "jwt"))]
mod token;

#[cfg(feature = "authz")]
pub mod authz;
#[cfg(feature = "breaker")]
pub mod breaker;
#[cfg(feature = "cors")]
pub mod cors;
#[cfg(feature = "fault")]
pub mod fault;
#[cfg(feature = "headers")]
pub mod headers;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(feature = "limits")]
pub mod limits;
#[cfg(feature = "mirror")]
pub mod mirror;
#[cfg(feature = "outlier")]
pub mod outlier;
#[cfg(feature = "ratelimit")]
pub mod ratelimit;
#[cfg(feature = "rescue")]
pub mod rescue;
#[cfg(feature = "retry")]
pub mod retry;
#[cfg(feature = "rewrite")]
pub mod rewrite;
#[cfg(feature = "shed")]
pub mod shed;
#[cfg(feature = "timeout")]
pub mod timeout;

#[cfg(test)]
mod testing;

#[cfg(any(feature = "retry", feature = "breaker"))]
pub use budget::RetryBudget;
#[cfg(any(feature = "authz", feature = "headers", feature = "ratelimit"))]
pub use connection::{Connection, ConnectionLayer, WithConnection};
pub use failure::{Classify, Failure, FailureKind};
pub use random::Random;
pub use rejection::{Reject, Rejection, add_flag, find, flags_of};
pub use spec::SpecError;

/// The error that layers share: whatever went wrong below, or an error of the layer itself.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[cfg(test)]
mod tests;
