//! The window of answers, and the verdict that follows from it.

use super::probability::{Curve, rejection};
use super::window::Window;
use crate::body::{End, Hold};
use crate::failure::blames_nobody;
use crate::shed::metrics::AdmissionControlMetrics;
use crate::shed::priority::Criticality;
use crate::{Random, Rejection};
use http::{HeaderMap, StatusCode};
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Settings of admission control; [`Default`] has Envoy's.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// The time whose answers count, rounded to seconds: 30 s. Beyond 32 s it slides in steps of more than one.
    pub sampling_window: Duration,
    /// 1 raises the probability of refusal in line with the failures, more raises it sooner: 1.
    pub aggression: f64,
    /// The share of successes, from 0.01 to 1, from which on nothing is refused: 0.95.
    pub sr_threshold: f64,
    /// With fewer requests a second, nothing is refused: 0.
    pub rps_threshold: u32,
    /// The probability of refusal goes no higher: 0.8.
    pub max_rejection_probability: f64,
    /// Statuses that are successes: all below 500.
    pub http_success: Vec<Range<u16>>,
    /// gRPC statuses that are successes: all that sending less would not mend.
    pub grpc_success: Vec<u32>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            sampling_window: Duration::from_secs(30),
            aggression: 1.0,
            sr_threshold: 0.95,
            rps_threshold: 0,
            max_rejection_probability: 0.8,
            http_success: std::iter::once(0..500).collect(),
            // OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED,
            // FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED, UNAUTHENTICATED.
            grpc_success: vec![0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 16],
        }
    }
}

/// What was answered of late; clones share it.
#[derive(Clone, Debug)]
pub struct AdmissionControl(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    curve: Curve,
    rps_threshold: u64,
    http_success: Vec<Range<u16>>,
    grpc_success: u32,
    window: Window,
    start: Instant,
    random: Random,
    metrics: AdmissionControlMetrics,
}

impl AdmissionControl {
    /// With settings; numbers out of range are brought into it.
    pub fn new(settings: Admission) -> Self {
        Self::with(settings, Random::default(), AdmissionControlMetrics::default())
    }

    /// Drawing from there, and counting there.
    pub fn with(settings: Admission, random: Random, metrics: AdmissionControlMetrics) -> Self {
        let within =
            |value: f64, least: f64, most: f64| if value.is_nan() { most } else { value.clamp(least, most) };
        let codes = settings.grpc_success.iter().filter_map(|code| 1_u32.checked_shl(*code));
        Self(Arc::new(Shared {
            curve: Curve {
                aggression: within(settings.aggression, 1.0, 1e9),
                sr_threshold: within(settings.sr_threshold, 0.01, 1.0),
                max_probability: within(settings.max_rejection_probability, 0.0, 1.0),
            },
            rps_threshold: settings.rps_threshold.into(),
            http_success: settings.http_success,
            grpc_success: codes.fold(0, |set, code| set | code),
            window: Window::new(settings.sampling_window),
            start: Instant::now(),
            random,
            metrics,
        }))
    }

    /// The probability by which a request of a class is refused now.
    pub fn rejection_probability(&self, criticality: Criticality, now: Instant) -> f64 {
        let counts = self.0.window.counts(now.saturating_duration_since(self.0.start));
        if counts.rps < self.0.rps_threshold {
            return 0.0;
        }
        rejection(&self.0.curve, counts.requests, counts.successes, criticality)
    }

    /// Whether to send a request of a class; counts it if not.
    pub(super) fn admits(&self, criticality: Criticality, now: Instant) -> bool {
        let probability = self.rejection_probability(criticality, now);
        // The upper 53 bits are a number from 0 to 1 that a float holds exactly.
        #[expect(clippy::cast_precision_loss)]
        let refuses =
            probability > 0.0 && ((self.0.random.draw() >> 11) as f64) < probability * (1_u64 << 53) as f64;
        if refuses {
            self.0.metrics.rq_rejected();
        }
        !refuses
    }

    pub(super) fn record(&self, success: bool) {
        self.0.window.add(Instant::now().saturating_duration_since(self.0.start), success);
        match success {
            true => self.0.metrics.rq_success(),
            false => self.0.metrics.rq_failure(),
        }
    }

    pub(super) fn is_success(&self, status: StatusCode) -> bool {
        self.0.http_success.iter().any(|range| range.contains(&status.as_u16()))
    }

    /// By a call's headers or trailers; `None` if they have no status.
    pub(super) fn is_grpc_success(&self, headers: &HeaderMap) -> Option<bool> {
        crate::grpc::status(headers).map(|status| self.is_grpc_success_status(status))
    }

    fn is_grpc_success_status(&self, status: u32) -> bool {
        1_u32.checked_shl(status).is_some_and(|code| self.0.grpc_success & code != 0)
    }
}

impl Default for AdmissionControl {
    fn default() -> Self {
        Self::new(Admission::default())
    }
}

/// A request that was sent, and has not been answered yet.
///
/// Dropped so, it counts as a failure if its time ran out, and not at all if its caller went away.
#[derive(Debug)]
pub struct Outcome {
    of: Option<AdmissionControl>,
    /// Whether the caller speaks gRPC.
    grpc: bool,
}

impl Outcome {
    pub(super) fn new(of: AdmissionControl, grpc: bool) -> Self {
        Self { of: Some(of), grpc }
    }

    pub(super) fn of(&self) -> Option<&AdmissionControl> {
        self.of.as_ref()
    }

    pub(super) fn record(mut self, success: bool) {
        if let Some(of) = self.of.take() {
            of.record(success);
        }
    }

    /// Judges an error as the answer that it would become: what is refused for the caller's own fault, with 403 say,
    /// is no failure of the service. What is no answer of this crate's is one.
    pub(super) fn fail(mut self, error: &(dyn Error + 'static)) {
        let Some(of) = self.of.take() else { return };
        // However short a caller makes its own deadline, that says nothing of the service.
        if blames_nobody(error) {
            return;
        }
        let success = Rejection::of(error).is_some_and(|rejection| match self.grpc {
            true => of.is_grpc_success_status(rejection.grpc_status),
            false => of.is_success(rejection.status),
        });
        of.record(success);
    }
}

impl Hold for Outcome {
    /// A call without a status has failed, and so has one that breaks off.
    fn end(self, end: End<'_>) {
        let success = match end {
            End::Complete(Some(trailers)) => self.of().and_then(|of| of.is_grpc_success(trailers)),
            End::Complete(None) | End::Failed => None,
        };
        self.record(success.unwrap_or(false));
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if let Some(of) = self.of.take()
            && crate::elapsing::is_elapsing()
        {
            of.record(false);
        }
    }
}
