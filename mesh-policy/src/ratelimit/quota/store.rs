//! Where counts are kept.

use crate::BoxError;
use std::future::Future;

/// What a request adds to one count, if there is room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The count's name; it holds the window's number, so that each window has its own.
    pub key: String,
    /// The count of the window before and its weight in millionths, for a window that slides.
    pub previous: Option<(String, u32)>,
    /// The most that this count and the weighted one before may be.
    pub limit: u32,
    /// How much to add.
    pub hits: u32,
    /// When the count may be forgotten, in seconds since 1970.
    pub expires: u64,
    /// The seconds from now until then.
    pub lifetime: u32,
}

/// How a count stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// This window's count and the weighted one of the window before, with what was added; if nothing was, without.
    pub used: u64,
    /// There was no room for it.
    pub over: bool,
    /// Other callers count there as well, since the store had no room to keep them apart.
    pub shared: bool,
}

/// Keeps counts.
pub trait Store {
    /// How each count stands, in the order of the charges; or why nobody knows.
    type Future: Future<Output = Result<Vec<Charged>, BoxError>>;

    /// Adds to every count, or to none if one of them has no room; `now` is in seconds since 1970. Two charges may be
    /// of one count, which must have room for both.
    fn charge(&self, charges: Vec<Charge>, now: u64) -> Self::Future;

    /// How these counts stand, whatever their hits. Adds nothing: by default, charges of no hits.
    fn read(&self, charges: Vec<Charge>, now: u64) -> Self::Future {
        self.charge(charges.into_iter().map(|charge| Charge { hits: 0, ..charge }).collect(), now)
    }
}

/// What a weighted count of the window before adds to this one's. Rounded up, so that a window never holds more than
/// its limit for being cut in two.
pub(super) fn weighted(count: u64, millionths: u32) -> u64 {
    let weighted = u128::from(count) * u128::from(millionths);
    u64::try_from(weighted.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
