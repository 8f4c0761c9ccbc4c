//! What the admin page and the handle may know of the control thread.

use crate::engine::Input;
use arc_swap::ArcSwapOption;
use mesh_core::model::{Name, Snapshot};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Where the proxy is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No configuration yet.
    Initializing,
    /// Serving.
    Live,
    /// Accepting no more.
    Draining,
    /// Ended.
    Stopped,
}

/// What became of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenerStatus {
    /// It listens here.
    Bound(SocketAddr),
    /// It does not, and is tried again.
    Failed {
        /// Where it should.
        address: String,
        /// Why not.
        error: String,
    },
}

/// What can be known.
pub(crate) struct Status {
    pub(crate) started: Instant,
    input: ArcSwapOption<Input>,
    listeners: Mutex<BTreeMap<Name, ListenerStatus>>,
    state: watch::Sender<State>,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            input: ArcSwapOption::empty(),
            listeners: Mutex::default(),
            state: watch::channel(State::Initializing).0,
        }
    }

    pub(super) fn serve(&self, input: Arc<Input>) {
        self.input.store(Some(input));
    }

    /// What is served.
    pub(crate) fn input(&self) -> Option<Arc<Input>> {
        self.input.load_full()
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.input().map(|i| i.snapshot.clone())
    }

    pub(super) fn set_ready(&self) {
        self.state.send_if_modified(|state| {
            let first = *state == State::Initializing;
            if first {
                *state = State::Live;
            }
            first
        });
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.send_replace(state);
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state() == State::Live
    }

    pub(crate) async fn ready(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|s| *s != State::Initializing).await;
    }

    /// Notes what became of a listener; whether that is news.
    pub(super) fn listener(&self, name: &Name, status: ListenerStatus) -> bool {
        let before = self.listeners.lock().insert(name.clone(), status.clone());
        before.as_ref() != Some(&status)
    }

    pub(super) fn forget_listener(&self, name: &Name) {
        self.listeners.lock().remove(name);
    }

    pub(super) fn retain_listeners(&self, keep: impl Fn(&Name) -> bool) {
        self.listeners.lock().retain(|name, _| keep(name));
    }

    pub(crate) fn listeners(&self) -> BTreeMap<Name, ListenerStatus> {
        self.listeners.lock().clone()
    }

    pub(crate) fn listener_addrs(&self) -> BTreeMap<String, SocketAddr> {
        let bound = |(name, status): (&Name, &ListenerStatus)| match status {
            ListenerStatus::Bound(address) => Some((name.to_string(), *address)),
            ListenerStatus::Failed { .. } => None,
        };
        self.listeners.lock().iter().filter_map(bound).collect()
    }
}
