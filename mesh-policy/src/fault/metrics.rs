//! What faults count.

crate::metrics::counters! {
    /// Injected faults.
    FaultMetrics / FaultCounts {
        /// Envoy's `http.PREFIX.fault.delays_injected`.
        delays_injected,
        /// Envoy's `http.PREFIX.fault.aborts_injected`.
        aborts_injected,
        /// Envoy's `http.PREFIX.fault.response_rl_injected`.
        response_rl_injected,
        /// Envoy's `http.PREFIX.fault.faults_overflow`: not injected, since too many were active.
        faults_overflow,
    }
}
