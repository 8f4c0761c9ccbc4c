//! The admin pages: what a running proxy tells, and what it can be asked to do, in Envoy's shapes.
//!
//! ```text
//! workers ──atomics──▶ Shared ◀─reads─ [Admin] ◀── /stats, /clusters, /config_dump, …   (operators)
//! control ──Status────────────────────────┘  ▲
//!                                            └──── /healthz/ready                       (probes)
//! ```
//!
//! They stand beside the path of a request, never in it: [`serve`] has a thread and a runtime of its own,
//! reads counters that workers write anyway, and takes no lock that a request takes. A page is made whole
//! in memory before its first byte is sent, so a reader who is slow keeps nothing but that page.
//!
//! Each family of pages is a file, each page a function of data, so that its shape is tested without a
//! server. Names, texts and JSON are those that Envoy 1.40 prints, as far as this proxy has the same thing
//! to say; what it does not know is left out rather than shown as zero.

mod certs;
mod clusters;
mod config_dump;
mod info;
mod listeners;
mod logging;
mod pages;
mod prometheus;
mod query;
mod reply;
mod server;
mod source;
mod stats;
mod totals;
mod utc;

pub(crate) use server::serve;

use crate::control::{self, Order, Status};
use crate::proxy::Settings;
use crate::shared::Shared;
use mesh_core::credential::Credential;
use mesh_core::watch::Watch;
use parking_lot::Mutex;
use source::{Running, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::WeakUnboundedSender;

/// The admin pages of one proxy.
pub(crate) struct Admin {
    settings: Settings,
    identity: Watch<Credential>,
    shared: Arc<Shared>,
    source: Box<dyn Source>,
    /// Set by `/healthcheck/fail`.
    failing: AtomicBool,
    levels: Mutex<logging::Levels>,
    totals: Mutex<totals::Totals>,
}

/// How far a proxy has come. Envoy's `ServerInfo.State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Draining,
    PreInitializing,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Draining => "DRAINING",
            Self::PreInitializing => "PRE_INITIALIZING",
        }
    }

    /// Envoy's number of it, for the gauge `server.state`.
    fn number(self) -> u64 {
        match self {
            Self::Live => 0,
            Self::Draining => 1,
            Self::PreInitializing => 2,
        }
    }
}

impl Admin {
    /// The pages of a proxy.
    pub(crate) fn new(
        settings: Settings,
        identity: Watch<Credential>,
        shared: Arc<Shared>,
        status: Arc<Status>,
        order: WeakUnboundedSender<Order>,
    ) -> Self {
        let source = Running { status, order, drain: settings.drain };
        Self::over(settings, identity, shared, Box::new(source))
    }

    fn over(
        settings: Settings,
        identity: Watch<Credential>,
        shared: Arc<Shared>,
        source: Box<dyn Source>,
    ) -> Self {
        Self {
            settings,
            identity,
            shared,
            source,
            failing: AtomicBool::new(false),
            levels: Mutex::default(),
            totals: Mutex::default(),
        }
    }

    fn state(&self) -> State {
        match self.source.state() {
            control::State::Initializing => State::PreInitializing,
            control::State::Live if !self.failing.load(Ordering::Relaxed) => State::Live,
            control::State::Live | control::State::Draining | control::State::Stopped => State::Draining,
        }
    }

    /// How many workers there are.
    fn concurrency(&self) -> usize {
        match self.settings.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("node", &self.settings.node.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
