//! What a circuit counts.

crate::metrics::counters! {
    /// The changes of one circuit.
    CircuitMetrics / CircuitCounts {
        /// It opened, for the first time or again.
        opened_total,
        /// It let the first of its probes pass.
        half_opened_total,
        /// Its probes succeeded.
        closed_total,
        /// Requests refused.
        refused_total,
    }
}
