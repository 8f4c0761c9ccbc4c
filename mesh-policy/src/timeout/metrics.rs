//! What timeouts count.

crate::metrics::counters! {
    /// Timeouts that ran out.
    TimeoutMetrics / TimeoutCounts {
        /// Envoy's `cluster.NAME.upstream_rq_timeout`.
        upstream_rq_timeout,
        /// Envoy's `cluster.NAME.upstream_rq_per_try_timeout`.
        upstream_rq_per_try_timeout,
        /// Envoy's `cluster.NAME.upstream_rq_per_try_idle_timeout`.
        upstream_rq_per_try_idle_timeout,
        /// Envoy's `cluster.NAME.upstream_rq_max_duration_reached`.
        upstream_rq_max_duration_reached,
        /// Envoy's `cluster.NAME.upstream_cx_connect_timeout`.
        upstream_cx_connect_timeout,
        /// Envoy's `http.NAME.downstream_rq_idle_timeout`.
        downstream_rq_idle_timeout,
        /// Envoy's `http.NAME.downstream_rq_max_duration_reached`: the caller's deadline.
        downstream_rq_max_duration_reached,
    }
}
