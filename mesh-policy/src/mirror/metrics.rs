//! What mirroring counts. Every copy that was sent ends as completed, failed, timed out or abandoned.

crate::metrics::counters! {
    /// Copies of requests.
    MirrorMetrics / MirrorCounts {
        /// Copies that were begun.
        sent,
        /// Copies that were answered to the end, with whatever status.
        completed,
        /// Copies that failed, for one because they fell behind.
        failed,
        /// Copies that took too long.
        timed_out,
        /// Copies whose task was dropped, or never driven.
        abandoned,
        /// Copies that were not begun, since too many ran.
        overflow,
        /// Copies that were broken off, since their body fell behind.
        lagged,
    }
}
