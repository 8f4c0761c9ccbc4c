//! What authorization counts.

crate::metrics::counters! {
    /// Verdicts.
    AuthzMetrics / AuthzCounts {
        /// Envoy's `http.PREFIX.rbac.allowed`.
        allowed,
        /// Envoy's `http.PREFIX.rbac.denied`.
        denied,
        /// Envoy's `http.PREFIX.rbac.shadow_allowed`: what the policies on trial would have let pass.
        shadow_allowed,
        /// Envoy's `http.PREFIX.rbac.shadow_denied`.
        shadow_denied,
        /// Envoy's `http.PREFIX.rbac.logged`: what AUDIT policies marked.
        logged,
    }
}
