//! When a certificate is renewed, and the task that does it.
//!
//! ```text
//! CA ──CreateCertificate──▶ client::fetch ──▶ [rotate] ──▶ Watch<Credential> ──▶ TLS, SDS
//! ```
//!
//! Half of the lifetime is kept in reserve, as Istio's agent does: a control plane may be away for that
//! long before anything fails. Fleets that began together drift apart by the jitter of that ratio and
//! of the back-off. The planning is pure; only the task waits.

use crate::client::Client;
use crate::clock::Clock;
use fastrand::Rng;
use mesh_core::credential::Credential;
use mesh_core::watch::Sender;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Istio's share of the lifetime that is kept in reserve (`SECRET_GRACE_PERIOD_RATIO`).
pub const GRACE_RATIO: f64 = 0.5;
/// Istio's spread of that share (`SECRET_GRACE_PERIOD_RATIO_JITTER`).
pub const GRACE_JITTER: f64 = 0.01;

/// However short a lifetime is, the CA is not asked more often.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// Timers stand still while a machine sleeps, the wall clock does not: look at it this often.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// The share of a lifetime to keep in reserve for one rotation: `unit` in 0..1 picks from
/// [`GRACE_RATIO`] ± [`GRACE_JITTER`].
pub fn grace_ratio(unit: f64) -> f64 {
    GRACE_RATIO + GRACE_JITTER * (2.0 * unit.clamp(0.0, 1.0) - 1.0)
}

/// When to renew a certificate that was received at `now`, keeping `ratio` of its life in reserve.
///
/// Life is counted from `now` or `not_before`, whichever is later: certificates are dated back, and a
/// short-lived one would otherwise be past its middle when it arrives. Never before `now` plus a second.
pub fn plan(not_before: SystemTime, not_after: SystemTime, now: SystemTime, ratio: f64) -> SystemTime {
    let from = not_before.max(now);
    let life = not_after.duration_since(from).unwrap_or_default();
    // A NaN clamps to NaN, which `max` turns into 0.
    let use_for = life.mul_f64((1.0 - ratio).clamp(0.0, 1.0).max(0.0));
    let at = from.checked_add(use_for).unwrap_or(not_after);
    at.max(now.checked_add(MIN_INTERVAL).unwrap_or(now))
}

/// Waits between failed attempts: doubles from 100 ms up to a cap, with the upper half of each step random.
#[derive(Debug, Clone)]
pub struct Backoff {
    failures: u32,
    cap: Duration,
}

impl Backoff {
    /// The first wait.
    pub const BASE: Duration = Duration::from_millis(100);

    /// A back-off that never waits longer than `cap`.
    pub fn new(cap: Duration) -> Self {
        Self { failures: 0, cap }
    }

    /// Begins again, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure.
    pub fn next(&mut self, rng: &mut Rng) -> Duration {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let step = Self::BASE.saturating_mul(factor).min(self.cap);
        step.mul_f64(0.5 + rng.f64() / 2.0)
    }
}

/// A proxy that starts before its control plane should not be long behind it.
const CAP_WITHOUT_CREDENTIAL: Duration = Duration::from_secs(2);
/// With half a lifetime in reserve there is no hurry, and a control plane that comes back wants air.
const CAP_WITH_CREDENTIAL: Duration = Duration::from_secs(30);

/// Keeps a credential fresh until no reader is left.
pub(crate) async fn run(client: Client, sender: Sender<Credential>, mut rng: Rng) {
    tokio::select! {
        () = sender.closed() => tracing::debug!("no reader of the credential is left"),
        () = renew(&client, &sender, &mut rng) => {}
    }
}

/// Never returns; a future of unit type, so that the caller can drop it.
async fn renew(client: &Client, sender: &Sender<Credential>, rng: &mut Rng) {
    let mut backoff = Backoff::new(CAP_WITHOUT_CREDENTIAL);
    let mut held: Option<Arc<Credential>> = None;
    loop {
        match client.fetch().await {
            Ok(credential) => {
                let now = client.clock().now();
                let at = plan(credential.not_before, credential.not_after, now, grace_ratio(rng.f64()));
                tracing::info!(
                    identity = %credential.identity,
                    serial = credential.serial,
                    expires_in_seconds = credential.remaining(now).as_secs(),
                    renewal_in_seconds = at.duration_since(now).unwrap_or_default().as_secs(),
                    "certificate received"
                );
                let credential = Arc::new(credential);
                held = Some(credential.clone());
                sender.send(credential);
                backoff = Backoff::new(CAP_WITH_CREDENTIAL);
                sleep_until(client.clock(), at).await;
            }
            Err(error) => {
                let wait = backoff.next(rng);
                let left = held.as_ref().map(|held| held.remaining(client.clock().now()).as_secs());
                match left {
                    Some(0) => tracing::error!(%error, retry_in = ?wait, "the certificate has expired"),
                    _ => tracing::warn!(
                        %error,
                        retry_in = ?wait,
                        seconds_to_expiry = left,
                        "no certificate from the CA"
                    ),
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn sleep_until(clock: &dyn Clock, at: SystemTime) {
    loop {
        match at.duration_since(clock.now()) {
            Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(MAX_SLEEP)).await,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;
    use proptest::prelude::*;

    const T0: SystemTime = SystemTime::UNIX_EPOCH;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_certificate_is_renewed_at_half_of_its_life() {
        let now = T0 + secs(1000);
        assert_eq!(plan(now, now + secs(86_400), now, 0.5), now + secs(43_200));
        assert_eq!(plan(now, now + secs(1000), now, 0.25), now + secs(750));
    }

    #[test]
    fn the_back_dated_part_of_a_life_does_not_count() {
        let now = T0 + secs(1000);
        assert_eq!(plan(now - secs(120), now + secs(10), now, 0.5), now + secs(5));
    }

    #[test]
    fn an_expired_certificate_is_renewed_soon_but_not_in_a_busy_loop() {
        let now = T0 + secs(1000);
        assert_eq!(plan(T0, T0 + secs(10), now, 0.5), now + MIN_INTERVAL);
        assert_eq!(plan(now, now, now, f64::NAN), now + MIN_INTERVAL);
    }

    #[test]
    fn the_jitter_spreads_the_ratio_as_istio_does() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(grace_ratio(0.0), 0.49) && near(grace_ratio(0.5), 0.5) && near(grace_ratio(1.0), 0.51));
    }

    #[test]
    fn waits_double_up_to_the_cap_and_begin_again_after_a_success() {
        let mut rng = Rng::with_seed(7);
        let mut backoff = Backoff::new(secs(1));
        for step in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next(&mut rng);
            let step = Duration::from_millis(step);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= Backoff::BASE);
        backoff.failures = u32::MAX;
        assert!(backoff.next(&mut rng) <= secs(1));
    }

    proptest! {
        #[test]
        fn a_renewal_is_after_now_and_before_the_end_of_any_life_that_is_long_enough(
            back in 0u64..10_000, life in 10u64..10_000_000, unit in 0.0f64..1.0,
        ) {
            let now = T0 + secs(1_000_000);
            let at = plan(now - secs(back), now + secs(life), now, grace_ratio(unit));
            prop_assert!(at > now && at < now + secs(life));
        }
    }
}
