//! What outlier detection counts.

crate::metrics::counters! {
    /// Ejections of one cluster. Envoy's names, each with `cluster.NAME.outlier_detection.` in front.
    OutlierMetrics / OutlierCounts {
        /// `ejections_enforced_total`.
        ejections_enforced_total,
        /// `ejections_enforced_consecutive_5xx`.
        ejections_enforced_consecutive_5xx,
        /// `ejections_enforced_consecutive_gateway_failure`.
        ejections_enforced_consecutive_gateway_failure,
        /// `ejections_enforced_consecutive_local_origin_failure`.
        ejections_enforced_consecutive_local_origin_failure,
        /// `ejections_overflow`: not ejected, since too many are.
        ejections_overflow,
        /// Returns of ejected hosts. Envoy has no counter for these, only events.
        returns_total,
    }
}
