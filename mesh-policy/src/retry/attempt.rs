//! What a balancer below needs to know of the attempts so far.

use mesh_core::addr::Address;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// In the extensions of every second attempt, and of the first if its policy avoids previous hosts.
#[derive(Clone, Debug)]
pub struct Attempt {
    number: u32,
    avoid: u32,
    tried: Tried,
}

impl Attempt {
    pub(super) fn first(avoid: u32) -> Self {
        let tried = if avoid > 0 { Tried::default() } else { Tried(None) };
        Self { number: 1, avoid, tried }
    }

    pub(super) fn next(&self) -> Self {
        Self { number: self.number.saturating_add(1), ..self.clone() }
    }

    /// Which attempt it is, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How often a balancer should choose anew when it chose an endpoint that was tried; 0 is never.
    /// Envoy's `host_selection_retry_max_attempts`.
    pub fn avoid_previous_hosts(&self) -> u32 {
        self.avoid
    }

    /// The endpoints that this request was sent to. A balancer adds its choice.
    pub fn tried(&self) -> &Tried {
        &self.tried
    }
}

/// The endpoints that a request was sent to; the attempts of one request share it.
///
/// Where nobody avoids them, none are remembered.
#[derive(Clone)]
pub struct Tried(Option<Arc<[OnceLock<Address>; Tried::MOST]>>);

impl Default for Tried {
    fn default() -> Self {
        Self(Some(Arc::default()))
    }
}

impl Tried {
    /// So many are remembered; an endpoint beyond that is not avoided.
    pub const MOST: usize = 8;

    /// Notes an endpoint.
    pub fn add(&self, endpoint: Address) {
        let mut endpoint = Some(endpoint);
        for slot in self.slots() {
            match endpoint.take().map(|e| slot.set(e)) {
                Some(Err(taken)) => endpoint = Some(taken),
                _ => return,
            }
        }
    }

    fn slots(&self) -> &[OnceLock<Address>] {
        self.0.as_deref().map_or(&[], |slots| slots)
    }

    /// Whether the request was sent there.
    pub fn contains(&self, endpoint: &Address) -> bool {
        self.iter().any(|tried| tried == endpoint)
    }

    /// The endpoints, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.slots().iter().map_while(OnceLock::get)
    }
}

impl fmt::Debug for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
