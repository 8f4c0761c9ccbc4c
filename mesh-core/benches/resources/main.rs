//! How many resources a second are read, checked and indexed, on one core.
//!
//! ```text
//! cargo bench -p mesh-core --bench resources
//! ```
//!
//! Ten thousand VirtualServices, DestinationRules, ServiceEntries and AuthorizationPolicies of 10 to 40
//! lines, each with a name of its own: what a large mesh reads when it starts.

#![allow(missing_docs)]

mod mesh;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use mesh_core::api::AnyResource;
use mesh_core::world::World;
use mesh_core::{validate, yaml};

const RESOURCES: usize = 10_000;

fn main() {
    divan::main();
}

fn resources() -> Vec<AnyResource> {
    let parsed = yaml::resources("mesh.yaml", &mesh::text(RESOURCES), &yaml::Limits::default());
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings.first());
    parsed.outcomes.into_iter().filter_map(|o| o.resource).collect()
}

/// Text to documents: what the syntax alone costs.
#[divan::bench]
fn documents(bencher: Bencher<'_, '_>) {
    let text = mesh::text(RESOURCES);
    bencher
        .counter(ItemsCount::new(RESOURCES))
        .counter(BytesCount::of_str(&text))
        .bench_local(|| yaml::documents("mesh.yaml", &text, &yaml::Limits::default()));
}

/// Text to typed resources.
#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let text = mesh::text(RESOURCES);
    bencher
        .counter(ItemsCount::new(RESOURCES))
        .counter(BytesCount::of_str(&text))
        .bench_local(|| yaml::resources("mesh.yaml", &text, &yaml::Limits::default()));
}

/// Typed resources to findings.
#[divan::bench]
fn check(bencher: Bencher<'_, '_>) {
    let all = resources();
    bencher
        .counter(ItemsCount::new(RESOURCES))
        .bench_local(|| all.iter().map(|r| validate::check(r).len()).sum::<usize>());
}

/// Text to a World: read, checked and indexed.
#[divan::bench]
fn parse_validate_and_index(bencher: Bencher<'_, '_>) {
    let text = mesh::text(RESOURCES);
    bencher.counter(ItemsCount::new(RESOURCES)).counter(BytesCount::of_str(&text)).bench_local(|| {
        let parsed = yaml::resources("mesh.yaml", &text, &yaml::Limits::default());
        let resources = parsed.outcomes.into_iter().filter_map(|o| o.resource);
        let valid = resources.filter(|r| validate::check(r).is_empty());
        World::from_resources(valid, "1")
    });
}
