//! What the pages ask of the rest of the proxy, as a trait, so that they can be tested without one.

use crate::control::{ListenerStatus, Order, State, Status};
use crate::engine::Input;
use mesh_core::model::Name;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::WeakUnboundedSender;

/// A proxy, as its admin pages see it.
pub(super) trait Source: Send + Sync {
    /// What is served; nothing before the first configuration.
    fn input(&self) -> Option<Arc<Input>>;
    /// What became of each listener.
    fn listeners(&self) -> BTreeMap<Name, ListenerStatus>;
    /// Where the proxy is in its life.
    fn state(&self) -> State;
    /// How long it has been running.
    fn uptime(&self) -> Duration;
    /// Ends the proxy after it has drained. False if it has ended already.
    fn quit(&self) -> bool;
    /// Closes listeners and lets connections drain. False if the proxy has ended already.
    fn drain_listeners(&self) -> bool;
}

/// The proxy of this process.
pub(super) struct Running {
    pub(super) status: Arc<Status>,
    pub(super) order: WeakUnboundedSender<Order>,
    /// How long the end may take.
    pub(super) drain: Duration,
}

impl Running {
    fn order(&self, order: Order) -> bool {
        self.order.upgrade().is_some_and(|to| to.send(order).is_ok())
    }
}

impl Source for Running {
    fn input(&self) -> Option<Arc<Input>> {
        self.status.input()
    }

    fn listeners(&self) -> BTreeMap<Name, ListenerStatus> {
        self.status.listeners()
    }

    fn state(&self) -> State {
        self.status.state()
    }

    fn uptime(&self) -> Duration {
        self.status.started.elapsed()
    }

    fn quit(&self) -> bool {
        self.order(Order::Stop { deadline: self.drain, done: None })
    }

    fn drain_listeners(&self) -> bool {
        self.order(Order::DrainListeners)
    }
}
