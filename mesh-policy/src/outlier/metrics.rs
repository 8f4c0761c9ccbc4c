//! What outlier detection counts.

use super::host::EjectionKind;

crate::metrics::counters! {
    /// Ejections of one cluster. Envoy's names, each with `cluster.NAME.outlier_detection.` in front.
    OutlierMetrics / OutlierCounts {
        /// `ejections_enforced_total`.
        ejections_enforced_total,
        /// `ejections_enforced_consecutive_5xx`.
        ejections_enforced_consecutive_5xx,
        /// `ejections_detected_consecutive_5xx`: enforced or not.
        ejections_detected_consecutive_5xx,
        /// `ejections_enforced_consecutive_gateway_failure`.
        ejections_enforced_consecutive_gateway_failure,
        /// `ejections_detected_consecutive_gateway_failure`.
        ejections_detected_consecutive_gateway_failure,
        /// `ejections_enforced_consecutive_local_origin_failure`.
        ejections_enforced_consecutive_local_origin_failure,
        /// `ejections_detected_consecutive_local_origin_failure`.
        ejections_detected_consecutive_local_origin_failure,
        /// `ejections_enforced_success_rate`.
        ejections_enforced_success_rate,
        /// `ejections_detected_success_rate`.
        ejections_detected_success_rate,
        /// `ejections_enforced_local_origin_success_rate`.
        ejections_enforced_local_origin_success_rate,
        /// `ejections_detected_local_origin_success_rate`.
        ejections_detected_local_origin_success_rate,
        /// `ejections_enforced_failure_percentage`.
        ejections_enforced_failure_percentage,
        /// `ejections_detected_failure_percentage`.
        ejections_detected_failure_percentage,
        /// `ejections_enforced_local_origin_failure_percentage`.
        ejections_enforced_local_origin_failure_percentage,
        /// `ejections_detected_local_origin_failure_percentage`.
        ejections_detected_local_origin_failure_percentage,
        /// `ejections_overflow`: not ejected, since too many are.
        ejections_overflow,
        /// Returns of ejected hosts. Envoy has no counter for these, only events.
        returns_total,
        /// How often so few endpoints were left that a balancer took any. Envoy counts requests instead.
        panics_total,
    }
}

impl OutlierMetrics {
    pub(super) fn detected(&self, kind: EjectionKind) {
        match kind {
            EjectionKind::Consecutive5xx => self.ejections_detected_consecutive_5xx(),
            EjectionKind::ConsecutiveGatewayFailure => self.ejections_detected_consecutive_gateway_failure(),
            EjectionKind::ConsecutiveLocalOriginFailure => {
                self.ejections_detected_consecutive_local_origin_failure();
            }
            EjectionKind::SuccessRate => self.ejections_detected_success_rate(),
            EjectionKind::SuccessRateLocalOrigin => self.ejections_detected_local_origin_success_rate(),
            EjectionKind::FailurePercentage => self.ejections_detected_failure_percentage(),
            EjectionKind::FailurePercentageLocalOrigin => {
                self.ejections_detected_local_origin_failure_percentage();
            }
        }
    }

    pub(super) fn enforced(&self, kind: EjectionKind) {
        self.ejections_enforced_total();
        match kind {
            EjectionKind::Consecutive5xx => self.ejections_enforced_consecutive_5xx(),
            EjectionKind::ConsecutiveGatewayFailure => self.ejections_enforced_consecutive_gateway_failure(),
            EjectionKind::ConsecutiveLocalOriginFailure => {
                self.ejections_enforced_consecutive_local_origin_failure();
            }
            EjectionKind::SuccessRate => self.ejections_enforced_success_rate(),
            EjectionKind::SuccessRateLocalOrigin => self.ejections_enforced_local_origin_success_rate(),
            EjectionKind::FailurePercentage => self.ejections_enforced_failure_percentage(),
            EjectionKind::FailurePercentageLocalOrigin => {
                self.ejections_enforced_local_origin_failure_percentage();
            }
        }
    }
}
