//! What CORS counts.

crate::metrics::counters! {
    /// Requests of pages of other origins.
    CorsMetrics / CorsCounts {
        /// Envoy's `http.PREFIX.cors.origin_valid`: of an origin that is allowed.
        origin_valid,
        /// Envoy's `http.PREFIX.cors.origin_invalid`: of one that is not.
        origin_invalid,
        /// Preflights that were answered here.
        preflights_answered,
    }
}
