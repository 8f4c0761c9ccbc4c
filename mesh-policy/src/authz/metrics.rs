//! What authorization counts.

crate::metrics::counters! {
    /// Verdicts.
    AuthzMetrics / AuthzCounts {
        /// Envoy's `http.PREFIX.rbac.allowed`.
        allowed,
        /// Envoy's `http.PREFIX.rbac.denied`.
        denied,
    }
}
