//! What the global limit counts.

crate::metrics::counters! {
    /// Verdicts of a rate-limit service.
    RateLimitMetrics / RateLimitCounts {
        /// Envoy's `cluster.NAME.ratelimit.ok`: within their limits.
        ok,
        /// Envoy's `over_limit`: refused.
        over_limit,
        /// Envoy's `error`: the service gave no verdict.
        error,
        /// Envoy's `failure_mode_allowed`: passed all the same.
        failure_mode_allowed,
    }
}
