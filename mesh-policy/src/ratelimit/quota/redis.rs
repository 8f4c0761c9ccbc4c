//! Counts that many processes share, in Redis.
//!
//! One script a request, which Redis runs without anything in between: it reads all counts, and adds to all of them
//! or to none. So a request costs one round trip whatever the number of its quotas, and no two processes can both
//! take the last place. Counts expire by themselves.

use super::store::{Charge, Charged, Store};
use crate::BoxError;
use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Keys are the counts and those of the windows before, in pairs; arguments are weight, limit, hits and lifetime of
/// each. Answers what is used of each and whether there was no room. What the request adds to a count itself is in it
/// for those after: two descriptors may be equal.
const CHARGE: &str = r"
local before, used, over, added, any = {}, {}, {}, {}, false
local pairs_of_keys = #KEYS / 2
for i = 1, pairs_of_keys do
  local key, last = KEYS[2*i-1], KEYS[2*i]
  local weight, limit, hits = tonumber(ARGV[4*i-3]), tonumber(ARGV[4*i-2]), tonumber(ARGV[4*i-1])
  before[i] = tonumber(redis.call('GET', key) or '0')
  if weight > 0 then
    before[i] = before[i] + math.ceil(tonumber(redis.call('GET', last) or '0') * weight / 1000000)
  end
  used[i] = before[i] + (added[key] or 0) + hits
  over[i] = used[i] > limit
  if over[i] then any = true else added[key] = (added[key] or 0) + hits end
end
local answer = {}
for i = 1, pairs_of_keys do
  local key, hits = KEYS[2*i-1], tonumber(ARGV[4*i-1])
  if hits > 0 and not any then
    redis.call('INCRBY', key, hits)
    redis.call('EXPIRE', key, ARGV[4*i])
  end
  answer[2*i-1] = any and before[i] or used[i]
  answer[2*i] = over[i] and 1 or 0
end
return answer
";

/// Counts in Redis, over any of its crate's connections that can be cloned: a `MultiplexedConnection`, or a
/// `ConnectionManager`, which connects again by itself.
///
/// A single Redis, or the primary of several; not a cluster, whose scripts must keep to one slot. If Redis cannot be
/// reached, requests pass or fail as the layer says ([`failure_mode_deny`]).
///
/// [`failure_mode_deny`]: crate::ratelimit::RateLimitLayer::failure_mode_deny
///
/// ```no_run
/// use mesh_policy::ratelimit::{Entry, Quota, Quotas, RateLimitLayer, RateLimitUnit, RedisStore};
///
/// # async fn connect() -> Result<(), mesh_policy::BoxError> {
/// let connection = redis::Client::open("redis://redis:6379")?.get_multiplexed_async_connection().await?;
/// let hourly = Quota::new(1000, RateLimitUnit::Hour).each("caller");
/// let quotas = Quotas::new(RedisStore::new(connection), "shop", [hourly]);
/// let layer = RateLimitLayer::new(quotas, "shop").descriptor([Entry::caller()]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisStore<C> {
    connection: C,
    script: Arc<Script>,
}

impl<C: ConnectionLike + Clone> RedisStore<C> {
    /// Over a connection.
    pub fn new(connection: C) -> Self {
        Self { connection, script: Arc::new(Script::new(CHARGE)) }
    }

    /// Runs the script by its hash, or with its text where Redis does not know it (yet, or any more).
    async fn run(&self, charges: &[Charge]) -> RedisResult<Vec<u64>> {
        let mut connection = self.connection.clone();
        let known: RedisResult<_> =
            with("EVALSHA", self.script.get_hash(), charges).query_async(&mut connection).await;
        match known {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                with("EVAL", CHARGE, charges).query_async(&mut connection).await
            }
            answer => answer,
        }
    }
}

/// The longest key that is kept as it is.
const LONGEST: usize = 256;
/// How much of a longer one is kept, so that people know whose it is.
const KEPT: usize = 64;

/// A key that takes little of Redis's memory: callers send their values as long as they like. SHA-1 will do: who finds
/// two values with one hash shares a count with himself, and another's value is not found by its hash. None of the
/// shorter keys looks so, since these end with their window.
fn bounded(key: &str) -> Cow<'_, str> {
    if key.len() <= LONGEST {
        return Cow::Borrowed(key);
    }
    let kept = (0..=KEPT).rev().find_map(|at| key.get(..at)).unwrap_or_default();
    Cow::Owned(format!("{kept}#{}", sha1_smol::Sha1::from(key).digest()))
}

/// A command that runs a script on charges.
fn with(command: &str, script: &str, charges: &[Charge]) -> Cmd {
    let mut run = redis::cmd(command);
    run.arg(script).arg(charges.len().saturating_mul(2));
    for charge in charges {
        let before = charge.previous.as_ref().map_or(&charge.key, |(key, _)| key);
        run.arg(&*bounded(&charge.key)).arg(&*bounded(before));
    }
    for charge in charges {
        let weight = charge.previous.as_ref().map_or(0, |(_, weight)| *weight);
        run.arg(weight).arg(charge.limit).arg(charge.hits).arg(charge.lifetime);
    }
    run
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Store for RedisStore<C> {
    type Future = Pin<Box<dyn Future<Output = Result<Vec<Charged>, BoxError>> + Send>>;

    fn charge(&self, charges: Vec<Charge>, _: u64) -> Self::Future {
        let store = self.clone();
        Box::pin(async move {
            let answer = store.run(&charges).await?;
            let (pairs, []) = answer.as_chunks() else {
                return Err("the answer of Redis does not come in pairs".into());
            };
            let of = |[used, over]: &[u64; 2]| Charged { used: *used, over: *over != 0, shared: false };
            Ok(pairs.iter().map(of).collect())
        })
    }
}

impl<C> fmt::Debug for RedisStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore")
    }
}

#[cfg(test)]
mod tests;
