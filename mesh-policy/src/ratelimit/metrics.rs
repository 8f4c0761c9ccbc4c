//! What the local limit counts.

crate::metrics::counters! {
    /// Requests at the local limit.
    LocalRateLimitMetrics / LocalRateLimitCounts {
        /// Envoy's `PREFIX.http_local_rate_limit.ok`: within their limits.
        ok,
        /// Envoy's `rate_limited`: over a limit, whether it was enforced or not.
        rate_limited,
        /// Envoy's `enforced`: refused.
        enforced,
        /// Judged by a bucket that another caller has as well, since there are more than the limit keeps apart.
        shared,
    }
}

impl LocalRateLimitCounts {
    /// Envoy's `enabled`: looked at. The sum of what is counted anyway.
    pub fn enabled(&self) -> u64 {
        self.ok.saturating_add(self.rate_limited)
    }
}
