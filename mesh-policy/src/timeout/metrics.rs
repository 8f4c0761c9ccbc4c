//! What timeouts count.

crate::metrics::counters! {
    /// Timeouts that ran out.
    TimeoutMetrics / TimeoutCounts {
        /// Envoy's `cluster.NAME.upstream_rq_timeout`.
        upstream_rq_timeout,
        /// Envoy's `cluster.NAME.upstream_rq_per_try_timeout`.
        upstream_rq_per_try_timeout,
    }
}
