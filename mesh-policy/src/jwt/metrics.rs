//! What verification counts.

crate::metrics::counters! {
    /// Verdicts on requests, and what the cache of tokens was good for.
    JwtMetrics / JwtCounts {
        /// Envoy's `http.PREFIX.jwt_authn.allowed`.
        allowed,
        /// Envoy's `http.PREFIX.jwt_authn.denied`.
        denied,
        /// Envoy's `http.PREFIX.jwt_authn.cors_preflight_bypassed`.
        cors_preflight_bypassed,
        /// Envoy's `http.PREFIX.jwt_authn.jwt_cache_hit`: tokens that had been verified before.
        jwt_cache_hit,
        /// Envoy's `http.PREFIX.jwt_authn.jwt_cache_miss`.
        jwt_cache_miss,
    }
}
