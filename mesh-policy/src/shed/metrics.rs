//! What admission control counts. Adaptive concurrency's counts are in its [`snapshot`], since most are gauges.
//!
//! [`snapshot`]: super::AdaptiveConcurrency::snapshot

crate::metrics::counters! {
    /// Requests at admission control, under Envoy's names below `http.PREFIX.admission_control`.
    AdmissionControlMetrics / AdmissionControlCounts {
        /// Refused unsent.
        rq_rejected,
        /// Answered by a success.
        rq_success,
        /// Answered by a failure, or not at all.
        rq_failure,
    }
}
