//! Tokens that were verified before.
//!
//! A fixed number of places in sets of four, each an atomic pointer: a token's hash says its set, its bytes whether
//! it is in there, so that nobody waits for anybody and a colliding token only drives another out. What was
//! verified by keys that the issuer has changed since is not found.

use super::issuer::Verified;
use super::keys::KeySet;
use arc_swap::ArcSwapOption;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const WAYS: usize = 4;
/// The most tokens of a cache.
pub(super) const MOST: usize = 1 << 20;
/// Longer tokens are verified each time, as by Envoy's `jwt_max_token_size`.
const LONGEST: usize = 4 << 10;

pub(super) struct TokenCache {
    sets: Box<[[Place; WAYS]]>,
    hasher: foldhash::quality::RandomState,
    /// As many as were asked for.
    tokens: usize,
}

#[derive(Default)]
struct Place {
    /// The hash of what stands here; a hint only.
    tag: AtomicU64,
    entry: ArcSwapOption<Entry>,
}

pub(super) struct Entry {
    token: Box<[u8]>,
    /// The keys by which it was verified.
    keys: Arc<KeySet>,
    pub(super) verified: Arc<Verified>,
}

impl TokenCache {
    /// For at most about so many tokens, up to [`MOST`]; 0 for none.
    pub(super) fn new(tokens: usize) -> Self {
        let sets = match tokens {
            0 => 0,
            some => some.min(MOST).div_ceil(WAYS).next_power_of_two(),
        };
        let sets = (0..sets).map(|_| std::array::from_fn(|_| Place::default())).collect();
        Self { sets, hasher: foldhash::quality::RandomState::default(), tokens }
    }

    /// An empty one for as many.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.tokens)
    }

    /// What a token said, if it is known to be one of these keys'.
    pub(super) fn get(
        &self,
        token: &[u8],
        keys: impl Fn(&Verified) -> Option<Arc<KeySet>>,
    ) -> Option<Arc<Verified>> {
        let hash = self.hasher.hash_one(token);
        for place in self.set(hash)? {
            if place.tag.load(Ordering::Relaxed) != hash {
                continue;
            }
            if let Some(entry) = &*place.entry.load()
                && *entry.token == *token
                && keys(&entry.verified).is_some_and(|keys| Arc::ptr_eq(&keys, &entry.keys))
            {
                return Some(entry.verified.clone());
            }
        }
        None
    }

    /// Remembers a token that was verified by these keys.
    pub(super) fn put(&self, token: &[u8], keys: Arc<KeySet>, verified: Arc<Verified>) {
        let hash = self.hasher.hash_one(token);
        let Some(set) = self.set(hash) else { return };
        if token.len() > LONGEST {
            return;
        }
        let taken = set.iter().position(|place| {
            let tag = place.tag.load(Ordering::Relaxed);
            tag == hash || place.entry.load().is_none()
        });
        let at = taken.unwrap_or_else(|| fastrand::usize(..WAYS));
        if let Some(place) = set.get(at) {
            place.entry.store(Some(Arc::new(Entry { token: token.into(), keys, verified })));
            place.tag.store(hash, Ordering::Relaxed);
        }
    }

    fn set(&self, hash: u64) -> Option<&[Place; WAYS]> {
        // A power of two, and the mask keeps the index below it.
        let mask = self.sets.len().checked_sub(1)?;
        self.sets.get(usize::try_from(hash & u64::try_from(mask).ok()?).ok()?)
    }
}

/// Tokens are credentials: never in a log.
impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("places", &(self.sets.len() * WAYS)).finish()
    }
}
