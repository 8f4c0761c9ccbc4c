//! What quotas count.

crate::metrics::counters! {
    /// Verdicts of [`Quotas`](super::super::Quotas), by descriptor.
    QuotasMetrics / QuotasCounts {
        /// The reference service's `ratelimit.service.rate_limit.DOMAIN.KEY.within_limit`.
        within_limit,
        /// Its `over_limit`.
        over_limit,
        /// Of these two, those judged by a count that other callers have as well, since there are more than a
        /// [`MemoryStore`](super::super::MemoryStore) keeps apart.
        shared,
        /// Descriptors that no quota fits, and nothing counts.
        unlimited,
        /// Requests that nobody could judge: the store failed, or they were about another domain. The reference
        /// service's `call.should_rate_limit.redis_error` and `service_error`.
        error,
    }
}
