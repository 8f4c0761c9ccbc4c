//! What rewrites count.

crate::metrics::counters! {
    /// Rewrites.
    RewriteMetrics / RewriteCounts {
        /// Requests whose path or authority was changed.
        rewritten,
        /// Requests whose path stayed, since the rewrite did not give one that could be sent.
        no_path,
    }
}
