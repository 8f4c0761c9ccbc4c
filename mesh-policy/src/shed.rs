//! Refuses work while there is more of it than can be done, least important first.
//!
//! ```text
//! caller → [admission control] → timeout → retry → [adaptive concurrency] → endpoint
//! ```
//!
//! - [`AdaptiveConcurrencyLayer`], Envoy's `adaptive_concurrency`, guards a service by how long its answers take: as
//!   they take longer than they would on an idle service, fewer may be open at once. It needs no number that
//!   somebody measured once.
//! - [`AdmissionControlLayer`], Envoy's `admission_control`, guards what stands behind by how many of its answers
//!   are successes: as fewer are, a growing share of requests is refused without being sent.
//!
//! Both see an answer that does not come in time, if it is one of this crate's time-outs that gives up: to adaptive
//! concurrency it took that long, to admission control it is a failure. `tower::timeout` and `tokio::time::timeout`
//! look like a caller that went away, of which neither learns anything.
//!
//! Both take the importance of a request from a function of the caller's ([`Prioritize`]), and refuse the sheddable
//! first. Adaptive concurrency can have requests wait for a place in a bounded [`Queue`] that drops what can no
//! longer be answered in time.

mod adaptive;
mod admission;
mod error;
mod metrics;
mod priority;
mod queue;

pub use adaptive::controller::{AdaptiveConcurrency, AdaptiveConcurrencyCounts, Gradient};
pub use adaptive::future::{AdaptiveConcurrencyFuture, ShedBody};
pub use adaptive::layer::{AdaptiveConcurrencyLayer, AdaptiveConcurrencyService};
pub use adaptive::spec::{AdaptiveConcurrencySpec, MinRttSpec, QueueSpec};
pub use admission::controller::{Admission, AdmissionControl};
pub use admission::future::{AdmissionBody, AdmissionControlFuture};
pub use admission::layer::{AdmissionControlLayer, AdmissionControlService};
pub use admission::spec::{AdmissionControlSpec, StatusRangeSpec, SuccessCriteriaSpec};
pub use error::{Reason, Shed};
pub use metrics::{AdmissionControlCounts, AdmissionControlMetrics};
pub use priority::{AllCritical, Criticality, Prioritize, Priority};
pub use queue::Queue;
