//! The wall clock, which certificates and tokens are dated by.
//!
//! Behind a trait because a day is the unit of this crate: tests move it together with tokio's paused
//! time, and no decision reads it by itself.

use std::fmt::Debug;
use std::time::SystemTime;

/// Tells the time of day.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
