//! Which buckets a request takes from, and what they say together.

use crate::ratelimit::bucket::{At, Epoch, FullAt, Level, Rate, give_back, take};
use crate::ratelimit::entry::{Entry, View};
use crate::ratelimit::table::Table;
use std::hash::Hasher;
use tokio::time::Instant;

/// One limit: the requests that it holds for, and their buckets.
#[derive(Debug)]
struct Limit {
    entries: Box<[Entry]>,
    rate: Rate,
    buckets: Buckets,
}

#[derive(Debug)]
enum Buckets {
    /// The entries have one value each.
    One(FullAt),
    /// One for each combination of values.
    Each(Table, usize),
}

/// What the bucket of a request said.
struct Asked<'l> {
    full_at: &'l FullAt,
    shared: bool,
    level: Result<Level<'l>, Level<'l>>,
}

impl Limit {
    fn new(entries: Box<[Entry]>, rate: Rate, keys: usize) -> Self {
        let buckets = match entries.iter().all(Entry::wants_one_value) {
            true => Buckets::One(FullAt::new(0)),
            false => Buckets::Each(Table::new(keys), keys),
        };
        Self { entries, rate, buckets }
    }

    /// With full buckets.
    fn refilled(&self) -> Self {
        let keys = if let Buckets::Each(_, keys) = self.buckets { keys } else { 1 };
        Self::new(self.entries.clone(), self.rate, keys)
    }

    /// Takes a token for a request; `None` if the limit does not hold for it.
    fn take(&self, view: &View<'_>, now: u64) -> Option<Asked<'_>> {
        let token = |full_at| take(full_at, &self.rate, now);
        match &self.buckets {
            Buckets::One(full_at) => {
                let holds = self.entries.iter().all(|entry| entry.hash(view, &mut Unhashed));
                holds.then(|| Asked { full_at, shared: false, level: token(full_at) })
            }
            Buckets::Each(table, _) => {
                let mut hasher = table.hasher();
                if !self.entries.iter().all(|entry| entry.hash(view, &mut hasher)) {
                    return None;
                }
                let undo = |full_at: &FullAt| give_back(full_at, &self.rate);
                let (slot, level) = table.charge(hasher.finish(), &At(now), token, undo)?;
                Some(Asked { full_at: slot.word, shared: slot.shared, level })
            }
        }
    }
}

/// Takes what would be hashed, where only the comparison counts.
struct Unhashed;

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _: &[u8]) {}
}

/// The limits of one layer, which its clones share.
#[derive(Debug)]
pub(super) struct Limiter {
    epoch: Epoch,
    /// For every request; `None` limits only what the others hold for.
    all: Option<(Rate, FullAt)>,
    /// Strictest first, so that the first that refuses has mostly been asked first.
    limits: Vec<Limit>,
    /// Whether a request that one of the limits holds for takes from the bucket of all, too.
    pub(super) always_all: bool,
    /// How many callers a limit keeps apart, of those that are added next.
    pub(super) keys: usize,
}

/// What the buckets say.
pub(super) struct Verdict<'l> {
    /// Of the bucket that refused, or else of the strictest that was asked; `None` if none was.
    pub(super) level: Result<Option<Level<'l>>, Level<'l>>,
    pub(super) shared: bool,
}

impl Limiter {
    pub(super) fn new(all: Option<Rate>) -> Self {
        Self {
            epoch: Epoch::new(Instant::now()),
            all: all.map(|rate| (rate, FullAt::new(0))),
            limits: Vec::new(),
            always_all: true,
            keys: 16_384,
        }
    }

    pub(super) fn limit(&mut self, entries: Box<[Entry]>, rate: Rate) {
        let at = self.limits.partition_point(|limit| limit.rate.interval() >= rate.interval());
        self.limits.insert(at, Limit::new(entries, rate, self.keys));
    }

    /// Takes a token from every bucket that holds for a request, or from none.
    #[inline]
    pub(super) fn charge(&self, view: &View<'_>, now: Instant) -> Verdict<'_> {
        let now = self.epoch.ticks(now);
        match (&self.all, &*self.limits) {
            // Nothing could have to be given back.
            (Some((rate, full_at)), []) => {
                Verdict { level: take(full_at, rate, now).map(Some), shared: false }
            }
            _ => self.charge_each(view, now),
        }
    }

    #[inline(never)]
    fn charge_each(&self, view: &View<'_>, now: u64) -> Verdict<'_> {
        let (mut taken, mut strictest, mut shared) = (Taken::default(), None, false);
        for limit in &self.limits {
            let Some(asked) = limit.take(view, now) else { continue };
            shared |= asked.shared;
            match asked.level {
                Ok(level) => strictest = strictest.or(Some(level)),
                Err(level) => {
                    taken.give_back();
                    return Verdict { level: Err(level), shared };
                }
            }
            taken.push(asked.full_at, &limit.rate);
        }
        let level = match &self.all {
            Some((rate, full_at)) if strictest.is_none() || self.always_all => match take(full_at, rate, now)
            {
                Ok(level) => Ok(strictest.or(Some(level))),
                Err(level) => {
                    taken.give_back();
                    Err(level)
                }
            },
            _ => Ok(strictest),
        };
        Verdict { level, shared }
    }
}

/// The buckets that a request has taken from. To look them up again could find others: who shares a slot may have
/// one of its own by then.
#[derive(Default)]
struct Taken<'l> {
    /// Enough for nearly all, without an allocation.
    first: [Option<(&'l FullAt, &'l Rate)>; 4],
    count: usize,
    more: Vec<(&'l FullAt, &'l Rate)>,
}

impl<'l> Taken<'l> {
    fn push(&mut self, full_at: &'l FullAt, rate: &'l Rate) {
        match self.first.get_mut(self.count) {
            Some(place) => *place = Some((full_at, rate)),
            None => self.more.push((full_at, rate)),
        }
        self.count += 1;
    }

    #[cold]
    fn give_back(&self) {
        for (full_at, rate) in self.first.iter().flatten().chain(&self.more) {
            give_back(full_at, rate);
        }
    }
}

impl Clone for Limiter {
    /// With full buckets of its own.
    fn clone(&self) -> Self {
        Self {
            epoch: self.epoch,
            all: self.all.as_ref().map(|(rate, _)| (*rate, FullAt::new(0))),
            limits: self.limits.iter().map(Limit::refilled).collect(),
            ..*self
        }
    }
}
