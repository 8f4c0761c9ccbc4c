//! What a resource costs to keep. A process of its own, since the allocator is the process's.

#[path = "../benches/resources/mesh.rs"]
mod mesh;

use cap::Cap;
use mesh_core::{world::World, yaml};
use std::alloc::System;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

#[test]
fn a_small_resource_is_kept_in_four_kibibytes_with_its_text_and_its_place_in_a_world() {
    const COUNT: usize = 4_000;
    let text = mesh::text(COUNT);
    let before = HEAP.allocated();
    let parsed = yaml::resources("mesh.yaml", &text, &yaml::Limits::default());
    assert!(parsed.findings.is_empty());
    let parsing = (HEAP.allocated() - before) / COUNT;
    let world = World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1");
    let kept = (HEAP.allocated() - before) / COUNT;
    println!("{parsing} bytes a resource when parsed, {kept} in a World, {} of text", text.len() / COUNT);
    assert!(world.len() == COUNT && kept <= 4096, "{kept} bytes a resource");
}
