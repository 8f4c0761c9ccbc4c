//! What retries count.

crate::metrics::counters! {
    /// Retries of one cluster. Envoy's names, each with `cluster.NAME.` in front.
    RetryMetrics / RetryCounts {
        /// `upstream_rq_retry`: retries sent.
        upstream_rq_retry,
        /// `upstream_rq_retry_success`: retries that got an answer which needs no further one.
        upstream_rq_retry_success,
        /// `upstream_rq_retry_overflow`: not sent, since the budget was used up.
        upstream_rq_retry_overflow,
        /// `upstream_rq_retry_limit_exceeded`: not sent, since the policy's attempts were used up.
        upstream_rq_retry_limit_exceeded,
        /// `upstream_rq_retry_backoff_exponential`: waits before a retry.
        upstream_rq_retry_backoff_exponential,
        /// `upstream_rq_retry_backoff_ratelimited`: waits that the answer asked for.
        upstream_rq_retry_backoff_ratelimited,
        /// Attempts sent beside one that was not answered yet. Envoy counts them as retries only.
        hedged,
        /// `retry_or_shadow_abandoned`: not sent, since the body was larger than what is kept.
        retry_or_shadow_abandoned,
        /// Not sent, since the request may have been executed and must not be repeated. Envoy repeats it.
        not_idempotent,
    }
}
