//! The connections of the admin server: how many there may be, and who makes room for the next.
//!
//! A connection is idle while nothing is owed to it: before a request's head is complete, and after a page
//! was taken. The one that has been so the longest goes first; one that is being served never does.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Those that are being served.
pub(super) struct Crowd {
    limit: usize,
    inside: Vec<(Member, AbortHandle)>,
    news: Arc<Notify>,
}

/// What a connection tells of itself.
#[derive(Clone)]
pub(super) struct Member {
    idle_since: Arc<Mutex<Option<Instant>>>,
    news: Arc<Notify>,
}

impl Member {
    /// A request is being answered.
    pub(super) fn is_busy(&self) {
        *self.idle_since.lock() = None;
    }

    /// Everything was sent.
    pub(super) fn is_idle(&self) {
        let mut since = self.idle_since.lock();
        if since.is_none() {
            *since = Some(Instant::now());
            self.news.notify_one();
        }
    }

    fn idle_since(&self) -> Option<Instant> {
        *self.idle_since.lock()
    }
}

impl Crowd {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, inside: Vec::new(), news: Arc::default() }
    }

    /// A connection that has just come.
    pub(super) fn member(&self) -> Member {
        Member { idle_since: Arc::new(Mutex::new(Some(Instant::now()))), news: self.news.clone() }
    }

    pub(super) fn enter(&mut self, member: Member, task: AbortHandle) {
        self.inside.push((member, task));
    }

    /// Whether one more can be taken in, if only for one that is idle.
    pub(super) fn has_room(&self) -> bool {
        self.inside.len() < self.limit || self.inside.iter().any(|(m, _)| m.idle_since().is_some())
    }

    /// Closes the connection that has been idle the longest, if there are as many as may be.
    pub(super) fn make_room(&mut self) {
        if self.inside.len() < self.limit {
            return;
        }
        let idle = self.inside.iter().enumerate().filter_map(|(i, (m, _))| Some((m.idle_since()?, i)));
        if let Some((_, oldest)) = idle.min() {
            let (_, task) = self.inside.remove(oldest);
            task.abort();
        }
    }

    /// Forgets connections that have ended.
    pub(super) fn forget_ended(&mut self) {
        self.inside.retain(|(_, task)| !task.is_finished());
    }

    /// A connection has become idle.
    pub(super) fn fell_idle(&self) -> impl Future<Output = ()> + 'static + use<> {
        let news = self.news.clone();
        async move { news.notified().await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_that_is_idle_the_longest_goes_and_a_busy_one_never() {
        let mut crowd = Crowd::new(3);
        let enter = |crowd: &mut Crowd| {
            let (member, task) = (crowd.member(), tokio::spawn(std::future::pending::<()>()));
            crowd.enter(member.clone(), task.abort_handle());
            (member, task)
        };
        let (first, a) = enter(&mut crowd);
        let (_, b) = enter(&mut crowd);
        crowd.make_room();
        let (third, c) = enter(&mut crowd);
        first.is_busy();
        crowd.make_room();
        assert!(b.await.unwrap_err().is_cancelled());
        let (fourth, d) = enter(&mut crowd);
        third.is_busy();
        fourth.is_busy();
        assert!(!crowd.has_room());
        crowd.make_room();
        let news = crowd.fell_idle();
        third.is_idle();
        news.await;
        assert!(crowd.has_room());
        crowd.make_room();
        assert!(c.await.unwrap_err().is_cancelled());
        assert!(!a.is_finished() && !d.is_finished());
        a.abort();
        assert!(a.await.unwrap_err().is_cancelled());
        crowd.forget_ended();
        assert_eq!(crowd.inside.len(), 1);
    }
}
