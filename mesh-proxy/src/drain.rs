//! How what is open learns that it should end.
//!
//! A chain that goes, or the whole proxy, first *drains*: no new work, HTTP/2 connections are told by
//! GOAWAY, HTTP/1.1 ones with their next response. Later it *closes*: what is idle ends at once. Whoever
//! still works then finishes, until the process ends. A connection that left HTTP never comes to an end of
//! its work, so it is told when the time of its chain is *over*; at the end of the process, by that end.

use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Not at all.
    #[default]
    Open,
    /// Take no more work than you must.
    Draining,
    /// End as soon as nothing is under way.
    Closing,
    /// End, if you would never do so by yourself.
    Over,
}

/// The end that announces it.
#[derive(Debug)]
pub(crate) struct Drain(watch::Sender<Phase>);

/// The end that hears it.
#[derive(Clone, Debug)]
pub(crate) struct Draining(watch::Receiver<Phase>);

impl Drain {
    pub(crate) fn new() -> Self {
        Self(watch::channel(Phase::Open).0)
    }

    pub(crate) fn subscribe(&self) -> Draining {
        Draining(self.0.subscribe())
    }

    /// Goes on to a phase; never back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
            }
            later
        });
    }
}

impl Draining {
    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// The next phase; never, once nobody can announce one any more.
    pub(crate) async fn changed(&mut self) -> Phase {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.0.borrow_and_update()
    }
}
