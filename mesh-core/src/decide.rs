//! Decisions: pure functions from a Snapshot's parts and a request's facts to an answer.
//!
//! The proxy, the tools and the tests call the same ones, so that `explain` cannot disagree with the
//! traffic. None of them reads a clock or rolls a die: randomness comes in as an argument.

pub mod authorize;
pub mod claims;
pub mod cors;
pub mod path;
pub mod rewrite;
pub mod route;

pub use authorize::{Authorizer, Decision, RequestFacts, Verdict, authorize};
pub use claims::{Claims, Token};
pub use path::normalize;
pub use route::{Routed, Router};
