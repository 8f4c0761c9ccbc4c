//! Keys that are fetched: kept, refreshed, and bounded in size, time and address.
//!
//! ```text
//! request ─available─▶ fresh keys                      (one atomic load)
//!         └─ none, or a key that is not among them ─▶ refreshed ─▶ one fetch for all who wait
//! ```
//!
//! Keys are fetched when the first token needs them, again when they grow old (while the old ones still serve),
//! and when a token names a key that is not there, but then no more often than [`RemoteKeys::retry_after`]: nobody
//! can make us fetch by sending tokens. If a fetch fails the last good keys serve for a while, then nothing does.
//! A fetch goes on if the request that asked for it is gone.
//!
//! How bytes are fetched is the caller's: HTTP is not this crate's.

mod bounds;
mod fetching;
mod metrics;

pub use bounds::AddressBounds;
pub use metrics::{JwksCounts, JwksMetrics};

use super::keys::KeySet;
use crate::BoxError;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::Uri;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Who fetches.
pub trait Fetch: Send + Sync + 'static {
    /// The body of a 200 to a GET. Whoever implements it keeps three promises: no more than
    /// [`FetchRequest::limit`] bytes are read; no redirect is followed; and no connection is made to an address that
    /// [`FetchRequest::addresses`] does not allow, whatever name it was found by.
    fn fetch(&self, request: FetchRequest) -> FetchFuture;
}

/// The bytes, or why there are none.
pub type FetchFuture = Pin<Box<dyn Future<Output = Result<Bytes, BoxError>> + Send>>;

/// What to fetch.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// From where: http or https.
    pub uri: Uri,
    /// The most bytes to read.
    pub limit: usize,
    /// Where connections may go.
    pub addresses: AddressBounds,
}

/// An issuer's keys, wherever they are. Clones share them.
#[derive(Clone)]
pub struct RemoteKeys {
    inner: Arc<Inner>,
}

struct Inner {
    fetch: Arc<dyn Fetch>,
    source: Source,
    settings: Settings,
    loaded: ArcSwapOption<Loaded>,
    /// What the last fetch failed of; `None` if it did not.
    failed: ArcSwapOption<BoxError>,
    is_fetching: AtomicBool,
    /// Milliseconds from `born` to the last fetch's begin, and one more; 0 before the first.
    last_try: AtomicU64,
    born: Instant,
    /// Counts fetches that have ended.
    rounds: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
enum Source {
    /// Here.
    At(Uri),
    /// Where the discovery document of this issuer says.
    Discovered { issuer: String, document: Uri },
}

#[derive(Clone, Debug)]
struct Settings {
    keep_for: Duration,
    stale_for: Duration,
    retry_after: Duration,
    timeout: Duration,
    limit: usize,
    addresses: AddressBounds,
    metrics: JwksMetrics,
}

struct Loaded {
    keys: Arc<KeySet>,
    text: Bytes,
    at: Instant,
}

/// What can be verified with.
pub(super) enum Available {
    /// Keys that are young enough.
    Fresh(Arc<KeySet>),
    /// Keys that serve until there are others; a fetch is under way, or has failed.
    Stale(Arc<KeySet>),
    /// Nothing.
    None,
}

impl Available {
    pub(super) fn keys(self) -> Option<Arc<KeySet>> {
        match self {
            Self::Fresh(keys) | Self::Stale(keys) => Some(keys),
            Self::None => None,
        }
    }
}

/// A fetch that is waited for.
pub(super) type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

impl RemoteKeys {
    /// Keys that stand at a URI.
    pub fn new(fetch: Arc<dyn Fetch>, uri: Uri) -> Self {
        Self::of(fetch, Source::At(uri))
    }

    /// Keys that stand where the issuer's OpenID Discovery document says (`/.well-known/openid-configuration`).
    ///
    /// # Errors
    /// If the issuer is not a URL.
    pub fn discovered(fetch: Arc<dyn Fetch>, issuer: &str) -> Result<Self, http::uri::InvalidUri> {
        let document =
            format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')).parse()?;
        Ok(Self::of(fetch, Source::Discovered { issuer: issuer.to_owned(), document }))
    }

    fn of(fetch: Arc<dyn Fetch>, source: Source) -> Self {
        let settings = Settings {
            keep_for: Duration::from_secs(300),
            stale_for: Duration::from_secs(3600),
            retry_after: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            limit: 256 << 10,
            addresses: AddressBounds::default(),
            metrics: JwksMetrics::default(),
        };
        Self::with(fetch, source, settings)
    }

    fn with(fetch: Arc<dyn Fetch>, source: Source, settings: Settings) -> Self {
        let inner = Inner {
            fetch,
            source,
            settings,
            loaded: ArcSwapOption::empty(),
            failed: ArcSwapOption::empty(),
            is_fetching: AtomicBool::new(false),
            last_try: AtomicU64::new(0),
            born: Instant::now(),
            rounds: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.inner.settings.clone();
        change(&mut settings);
        Self::with(self.inner.fetch.clone(), self.inner.source.clone(), settings)
    }

    /// Fetches again after so long: 5 minutes by default, as in Istio.
    #[must_use]
    pub fn keep_for(self, keep_for: Duration) -> Self {
        self.set(|s| s.keep_for = keep_for)
    }

    /// Lets old keys serve for so long while no others are to be had: 1 hour by default.
    #[must_use]
    pub fn stale_for(self, stale_for: Duration) -> Self {
        self.set(|s| s.stale_for = stale_for)
    }

    /// Fetches no more often than this: 5 seconds by default.
    #[must_use]
    pub fn retry_after(self, retry_after: Duration) -> Self {
        self.set(|s| s.retry_after = retry_after)
    }

    /// Gives a fetch up after so long: 5 seconds by default, as in Istio.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|s| s.timeout = timeout)
    }

    /// Reads no more bytes than this: 256 KiB by default.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        self.set(|s| s.limit = limit)
    }

    /// Where keys may be fetched from: public addresses by default.
    #[must_use]
    pub fn addresses(self, addresses: AddressBounds) -> Self {
        self.set(|s| s.addresses = addresses)
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: JwksMetrics) -> Self {
        self.set(|s| s.metrics = metrics)
    }

    /// What can be verified with at once; keys that are old are fetched again meanwhile.
    pub(super) fn available(&self) -> Available {
        let loaded = self.inner.loaded.load();
        let Some(loaded) = &*loaded else { return Available::None };
        let age = loaded.at.elapsed();
        let Settings { keep_for, stale_for, .. } = self.inner.settings;
        if age < keep_for {
            return Available::Fresh(loaded.keys.clone());
        }
        self.inner.start();
        if age < keep_for.saturating_add(stale_for) {
            Available::Stale(loaded.keys.clone())
        } else {
            Available::None
        }
    }

    /// What the last fetch failed of, if it did.
    pub(super) fn last_error(&self) -> Option<Arc<BoxError>> {
        self.inner.failed.load_full()
    }

    /// Waits for a fetch that begins now or is under way. At once, if none may begin yet.
    pub(super) fn refreshed(&self) -> Waiting {
        let mut rounds = self.inner.rounds.subscribe();
        let is_coming = self.inner.start();
        Box::pin(async move {
            if is_coming {
                // Fails if the keys are gone, and then nobody waits for them.
                let _ = rounds.changed().await;
            }
        })
    }
}

impl Inner {
    /// Begins a fetch, unless one is under way or was a moment ago. Says whether one is under way now.
    fn start(self: &Arc<Self>) -> bool {
        if self.is_fetching.load(Ordering::Acquire) {
            return true;
        }
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let last = self.last_try.load(Ordering::Relaxed);
        let wait = u64::try_from(self.settings.retry_after.as_millis()).unwrap_or(u64::MAX);
        if last != 0 && now.saturating_sub(last) < wait {
            return false;
        }
        // Outside of a runtime nothing can be fetched.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
        if self.is_fetching.swap(true, Ordering::AcqRel) {
            return true;
        }
        self.last_try.store(now, Ordering::Relaxed);
        // Made here already: a task that is dropped before it begins, with its runtime, has ended as well.
        let ended = fetching::Ended::new(self.clone());
        runtime.spawn(fetching::run(ended));
        true
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("source", &self.inner.source).finish_non_exhaustive()
    }
}
