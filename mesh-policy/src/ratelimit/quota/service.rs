//! Which quotas a descriptor has, and what the store says of them.

use super::metrics::QuotasMetrics;
use super::store::{Charge, Charged, Store};
use crate::BoxError;
use crate::ratelimit::global::message::{
    Code, DescriptorStatus, RateLimit, RateLimitDescriptor, RateLimitRequest, RateLimitResponse,
    RateLimitService, RateLimitUnit,
};
use pin_project_lite::pin_project;
use std::fmt::{self, Write};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// So many requests in a time, for descriptors of a form.
///
/// ```
/// use mesh_policy::ratelimit::{Quota, RateLimitUnit};
///
/// // Each address 1,000 in any hour, and the free plan 10 a minute in all.
/// let quotas = [
///     Quota::new(1000, RateLimitUnit::Hour).each("remote_address").sliding(),
///     Quota::new(10, RateLimitUnit::Minute).only("x-plan", "free"),
/// ];
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    entries: Vec<(String, Option<String>)>,
    limit: RateLimit,
    sliding: bool,
}

impl Quota {
    /// So many in each window of this length. For no descriptor yet: add the entries it must have.
    pub fn new(requests_per_unit: u32, unit: RateLimitUnit) -> Self {
        let limit = RateLimit { name: String::new(), requests_per_unit, unit };
        Self { entries: Vec::new(), limit, sliding: false }
    }

    /// The next entry has this key; each value is counted apart.
    #[must_use]
    pub fn each(mut self, key: impl Into<String>) -> Self {
        self.entries.push((key.into(), None));
        self
    }

    /// The next entry has this key and this value.
    #[must_use]
    pub fn only(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.entries.push((key.into(), Some(value.into())));
        self
    }

    /// Its name, for `x-ratelimit-limit`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.limit.name = name.into();
        self
    }

    /// In any stretch of time of that length, instead of from each full minute or hour on.
    #[must_use]
    pub fn sliding(self) -> Self {
        Self { sliding: true, ..self }
    }

    /// How closely a descriptor fits: by how many values; `None` if it does not.
    fn fits(&self, descriptor: &RateLimitDescriptor) -> Option<usize> {
        let pairs = || self.entries.iter().zip(&descriptor.entries);
        let fits = self.entries.len() == descriptor.entries.len()
            && pairs()
                .all(|((key, value), (has, with))| key == has && value.as_ref().is_none_or(|v| v == with));
        fits.then(|| self.entries.iter().filter(|(_, value)| value.is_some()).count())
    }

    /// What a request adds at a moment since 1970, and when the window ends.
    pub(super) fn charge(
        &self,
        domain: &str,
        descriptor: &RateLimitDescriptor,
        hits: u32,
        now: Duration,
    ) -> (Charge, Duration) {
        let seconds = self.limit.unit.seconds();
        let unit = Duration::from_secs(seconds.into());
        let number = now.as_secs() / u64::from(seconds);
        let begun = Duration::from_secs(number.saturating_mul(seconds.into()));
        let into = now.saturating_sub(begun);
        let left = unit.saturating_sub(into);
        let name = |number: u64| {
            // Lengths keep a value from looking like the next entry. Writing to a String cannot fail.
            let mut key = format!("mesh:quota:{domain}");
            for (entry, value) in &descriptor.entries {
                let _ = write!(key, "|{entry}={}:{value}", value.len());
            }
            let _ = write!(key, "|{seconds}s{number}");
            key
        };
        let previous = self.sliding.then(|| {
            let millionths = left.as_nanos().saturating_mul(1_000_000).div_ceil(unit.as_nanos());
            (name(number.wrapping_sub(1)), u32::try_from(millionths).unwrap_or(1_000_000))
        });
        let windows = if self.sliding { 2 } else { 1 };
        let expires = (number + windows).saturating_mul(seconds.into());
        let lifetime = expires.saturating_sub(now.as_secs()).max(1);
        let charge = Charge {
            key: name(number),
            previous,
            limit: self.limit.requests_per_unit,
            hits,
            expires,
            lifetime: u32::try_from(lifetime).unwrap_or(u32::MAX),
        };
        (charge, left)
    }
}

/// The wall clock: windows begin at full minutes everywhere.
type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Quotas, as a rate-limit service of this process; clones share it.
#[doc = include_str!("../docs/quotas.md")]
#[derive(Clone)]
pub struct Quotas<S> {
    store: S,
    domain: Arc<str>,
    quotas: Arc<[Quota]>,
    clock: Clock,
    metrics: QuotasMetrics,
}

impl<S: Store> Quotas<S> {
    /// The quotas of a domain, counted in this store. A descriptor has the one that fits it most closely; of those
    /// that none fits, nothing is counted. To be asked about another domain is an error, by which a layer fails open
    /// or closed and counts: the two were to have one name.
    pub fn new(store: S, domain: impl Into<Arc<str>>, quotas: impl Into<Arc<[Quota]>>) -> Self {
        let (domain, quotas, metrics) = (domain.into(), quotas.into(), QuotasMetrics::default());
        Self { store, domain, quotas, clock: Arc::new(SystemTime::now), metrics }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: QuotasMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Reads the time there.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// How a descriptor stands with its quota now, for a page that shows it or an answer that warns; `None` if no
    /// quota fits it. Asks the store, adds nothing and counts as no verdict.
    ///
    /// ```
    /// use mesh_policy::ratelimit::{MemoryStore, Quota, Quotas, RateLimitDescriptor, RateLimitUnit};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
    /// let quotas = Quotas::new(MemoryStore::new(100), "shop", [Quota::new(3, RateLimitUnit::Day).each("user")]);
    /// let ann = RateLimitDescriptor { entries: vec![("user".into(), "ann".into())] };
    /// let usage = quotas.usage(&ann).await?.unwrap();
    /// assert_eq!((usage.used, usage.remaining), (0, 3));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Whatever keeps the store from answering.
    pub fn usage(&self, descriptor: &RateLimitDescriptor) -> QuotaUsageFuture<S::Future> {
        let now = self.now();
        let Some(quota) = self.quota(descriptor) else {
            return QuotaUsageFuture { reading: None, of: None };
        };
        let (charge, left) = quota.charge(&self.domain, descriptor, 0, now);
        let reading = self.store.read(vec![charge], now.as_secs());
        QuotaUsageFuture { reading: Some(reading), of: Some((quota.limit.clone(), left)) }
    }

    /// Since 1970.
    fn now(&self) -> Duration {
        (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn quota(&self, descriptor: &RateLimitDescriptor) -> Option<&Quota> {
        let fitting =
            self.quotas.iter().enumerate().filter_map(|(i, quota)| Some((quota, quota.fits(descriptor)?, i)));
        // The first of those that fit as closely.
        fitting.max_by_key(|(_, closely, i)| (*closely, std::cmp::Reverse(*i))).map(|(quota, ..)| quota)
    }
}

impl<S: Store> RateLimitService for Quotas<S> {
    type Future = QuotasFuture<S::Future>;

    fn should_rate_limit(&self, request: RateLimitRequest) -> Self::Future {
        let now = self.now();
        let hits = request.hits_addend.max(1);
        let metrics = self.metrics.clone();
        if *request.domain != *self.domain {
            let other = OtherDomain { asked: request.domain, ours: self.domain.clone() };
            return QuotasFuture { charging: None, asked: Vec::new(), other: Some(other), metrics };
        }
        let mut charges = Vec::new();
        let asked = request.descriptors.iter().map(|descriptor| {
            let quota = self.quota(descriptor)?;
            let (charge, left) = quota.charge(&self.domain, descriptor, hits, now);
            charges.push(charge);
            Some((quota.limit.clone(), left))
        });
        let asked = asked.collect();
        let charging = (!charges.is_empty()).then(|| self.store.charge(charges, now.as_secs()));
        QuotasFuture { charging, asked, other: None, metrics }
    }
}

impl<S: fmt::Debug> fmt::Debug for Quotas<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Quotas");
        fields.field("store", &self.store).field("domain", &self.domain).field("quotas", &self.quotas);
        fields.finish_non_exhaustive()
    }
}

/// A layer and its quotas do not speak of the same limits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OtherDomain {
    asked: String,
    ours: Arc<str>,
}

impl fmt::Display for OtherDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asked about the domain {:?}; these quotas are of {:?}", self.asked, self.ours)
    }
}

impl std::error::Error for OtherDomain {}

pin_project! {
    /// The verdict of [`Quotas`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct QuotasFuture<F> {
        #[pin]
        charging: Option<F>,
        asked: Vec<Option<(RateLimit, Duration)>>,
        other: Option<OtherDomain>,
        metrics: QuotasMetrics,
    }
}

impl<F: Future<Output = Result<Vec<Charged>, BoxError>>> Future for QuotasFuture<F> {
    type Output = Result<RateLimitResponse, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let charged = match (this.other.take(), this.charging.as_pin_mut()) {
            (Some(other), _) => Err(other.into()),
            (None, Some(charging)) => ready!(charging.poll(cx)),
            (None, None) => Ok(Vec::new()),
        };
        let asked = std::mem::take(this.asked);
        let charged = charged.and_then(|charged| match charged.len() == asked.iter().flatten().count() {
            true => Ok(charged),
            false => Err(NO_ANSWER.into()),
        });
        let charged = match charged {
            Ok(charged) => charged,
            Err(error) => {
                this.metrics.error();
                return Poll::Ready(Err(error));
            }
        };
        count(this.metrics, &asked, &charged);
        let mut charged = charged.into_iter();
        let statuses: Vec<_> = asked.into_iter().map(|asked| status(asked, &mut charged)).collect();
        let over = statuses.iter().any(|status| status.code == Code::OverLimit);
        let overall_code = if over { Code::OverLimit } else { Code::Ok };
        Poll::Ready(Ok(RateLimitResponse { overall_code, statuses, ..RateLimitResponse::default() }))
    }
}

/// How much of a quota a descriptor has used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaUsage {
    /// The quota: how many, in which time, and its name.
    pub limit: RateLimit,
    /// Requests that count now; of a window that slides, with what is left of the one before. More than the quota
    /// where that was greater once.
    pub used: u64,
    /// How many more would pass.
    pub remaining: u32,
    /// When this window ends.
    pub duration_until_reset: Duration,
    /// Other callers count there as well, since the store had no room to keep them apart.
    pub shared: bool,
}

pin_project! {
    /// What [`Quotas::usage`] finds.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct QuotaUsageFuture<F> {
        #[pin]
        reading: Option<F>,
        of: Option<(RateLimit, Duration)>,
    }
}

impl<F: Future<Output = Result<Vec<Charged>, BoxError>>> Future for QuotaUsageFuture<F> {
    type Output = Result<Option<QuotaUsage>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(reading) = this.reading.as_pin_mut() else { return Poll::Ready(Ok(None)) };
        let read = ready!(reading.poll(cx))?;
        let ([one], Some((limit, duration_until_reset))) = (&*read, this.of.take()) else {
            return Poll::Ready(Err(NO_ANSWER.into()));
        };
        let remaining = remaining(&limit, one);
        let (used, shared) = (one.used, one.shared);
        Poll::Ready(Ok(Some(QuotaUsage { limit, used, remaining, duration_until_reset, shared })))
    }
}

const NO_ANSWER: &str = "the store did not answer for every count";

fn remaining(limit: &RateLimit, one: &Charged) -> u32 {
    let remaining = u64::from(limit.requests_per_unit).saturating_sub(one.used);
    u32::try_from(remaining).unwrap_or(u32::MAX)
}

fn count(metrics: &QuotasMetrics, asked: &[Option<(RateLimit, Duration)>], charged: &[Charged]) {
    for _ in asked.iter().filter(|quota| quota.is_none()) {
        metrics.unlimited();
    }
    for one in charged {
        match one.over {
            true => metrics.over_limit(),
            false => metrics.within_limit(),
        }
        if one.shared {
            metrics.shared();
        }
    }
}

fn status(
    asked: Option<(RateLimit, Duration)>,
    charged: &mut impl Iterator<Item = Charged>,
) -> DescriptorStatus {
    let within = DescriptorStatus { code: Code::Ok, ..DescriptorStatus::default() };
    let Some(((limit, left), one)) = asked.and_then(|asked| Some((asked, charged.next()?))) else {
        return within;
    };
    DescriptorStatus {
        code: if one.over { Code::OverLimit } else { Code::Ok },
        limit_remaining: remaining(&limit, &one),
        duration_until_reset: Some(left),
        current_limit: Some(limit),
    }
}
