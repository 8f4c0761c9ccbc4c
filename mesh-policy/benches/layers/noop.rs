//! What every other row contains.

use crate::harness::{Noop, cost, cost_of, request_with_headers};
use divan::Bencher;

#[divan::bench]
fn noop(bencher: Bencher<'_, '_>) {
    cost(bencher, Noop);
}

#[divan::bench]
fn noop_with_headers(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request_with_headers(), Noop);
}
