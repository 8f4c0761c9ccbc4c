//! What changes of headers count.

crate::metrics::counters! {
    /// Changes of headers.
    HeadersMetrics / HeadersCounts {
        /// Values that could not stand in a header, and were not written.
        invalid_value,
    }
}
