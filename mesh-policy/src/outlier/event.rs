//! What outlier detection tells whoever wants to know: logs, traces, a dashboard.

use super::host::EjectionKind;
use std::sync::Arc;
use std::time::Duration;

/// Something that happened to a cluster's endpoints. Envoy's `OutlierDetectionEvent`, and panics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An endpoint was taken out.
    Ejected {
        /// Which.
        endpoint: Arc<str>,
        /// Why.
        kind: EjectionKind,
        /// For how long, until the check after that.
        stay: Duration,
        /// How often it has been ejected, with this time.
        ejections: u32,
    },
    /// An endpoint was found an outlier and left in, as this kind is enforced in a share of the cases only.
    NotEnforced {
        /// Which.
        endpoint: Arc<str>,
        /// Why it would have been ejected.
        kind: EjectionKind,
    },
    /// An endpoint was found an outlier and left in, as no more may be out.
    Overflow {
        /// Which.
        endpoint: Arc<str>,
        /// Why it would have been ejected.
        kind: EjectionKind,
    },
    /// An endpoint returned: its stay was over.
    Unejected {
        /// Which.
        endpoint: Arc<str>,
    },
    /// So few endpoints are available that the balancer now takes any.
    PanicEntered {
        /// How many are available.
        available: usize,
        /// Of how many.
        hosts: usize,
    },
    /// Enough endpoints are available again.
    PanicLeft {
        /// How many are available.
        available: usize,
        /// Of how many.
        hosts: usize,
    },
}

/// Is told what happens, on the thread on which it happens: an ejection on that of the request which caused
/// it, so that this must not block. To work elsewhere, send a clone through a channel.
pub trait Observer: Send + Sync {
    /// It has just happened.
    fn on_event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}
