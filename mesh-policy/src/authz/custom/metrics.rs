//! What asking an authorizer counts.

crate::metrics::counters! {
    /// Answers of an external authorizer.
    CustomAuthzMetrics / CustomAuthzCounts {
        /// Envoy's `http.PREFIX.ext_authz.ok`: it let them pass.
        ok,
        /// Envoy's `ext_authz.denied`: it refused them.
        denied,
        /// Envoy's `ext_authz.error`: it gave no answer, in time or at all.
        error,
        /// Envoy's `ext_authz.failure_mode_allowed`: passed all the same.
        failure_mode_allowed,
        /// Of the errors, those that the timeout ended.
        timeout,
        /// Denied without asking, since nobody could say whether a rule matches.
        not_asked,
    }
}
