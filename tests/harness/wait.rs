//! Waiting for a condition, with a deadline and a name for what did not come.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; panics with `what` after 20 s.
pub async fn until<T, F>(what: &str, ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    within(Duration::from_secs(20), what, ask).await
}

/// As [`until`], with another deadline.
pub async fn within<T, F>(limit: Duration, what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let from = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(from.elapsed() < limit, "waited {limit:?} for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
