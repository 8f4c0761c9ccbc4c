//! What fetching keys counts.

crate::metrics::counters! {
    /// Fetches of one issuer's keys.
    JwksMetrics / JwksCounts {
        /// Envoy's `http.PREFIX.jwt_authn.jwks_fetch_success`.
        jwks_fetch_success,
        /// Envoy's `http.PREFIX.jwt_authn.jwks_fetch_failed`.
        jwks_fetch_failed,
    }
}
