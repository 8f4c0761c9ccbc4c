//! What limits count.

crate::metrics::counters! {
    /// Requests that were too large.
    LimitsMetrics / LimitsCounts {
        /// Too many or too long headers: answered with 431.
        headers_too_large,
        /// Too long a body: Envoy's `downstream_rq_too_large`, answered with 413.
        downstream_rq_too_large,
        /// A body that unpacks to too much, answered with 413.
        unpacked_too_large,
    }
}
