//! How the cost of reading, judging and indexing grows with the length of what is read.
//!
//! `cargo bench -p mesh-core --bench growth [SHAPE…]`
//!
//! Every shape is one list of a kind, or many resources that meet in one place, at two lengths. What costs more
//! than four times as much for four times the length is marked: there, somebody compares each with each.

mod shapes;

use mesh_core::analyze::{ANALYZERS, Context};
use mesh_core::diagnostic::{self, Color, Findings};
use mesh_core::world::World;
use std::time::{Duration, Instant, SystemTime};

/// The factor between the two lengths.
const LONGER: usize = 4;
/// What linear work may cost for four times the length: allocators and caches are not linear either.
const MOST: f64 = 7.0;
/// What is over so soon is not worth a word: clocks and caches say more about it than its growth.
const SOON: Duration = Duration::from_millis(100);
/// Of so many runs the fastest counts: what else runs on the machine is not ours.
const RUNS: usize = 2;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for shape in shapes::all() {
        if wanted.is_empty() || wanted.iter().any(|part| shape.name.contains(part.as_str())) {
            row(shape);
        }
    }
}

fn row(shape: &shapes::Shape) {
    let long = shape.length * LONGER;
    let (before, after) = (fastest(&(shape.write)(shape.length)), fastest(&(shape.write)(long)));
    let total = |phases: &[(&str, Duration)]| phases.iter().map(|(_, took)| *took).sum::<Duration>();
    println!("{:44} {:>7} in {:>9.1?}", shape.name, long, total(&after));
    for ((phase, short), (_, long)) in before.iter().zip(&after) {
        let growth = long.as_secs_f64() / short.as_secs_f64().max(1e-6);
        if *long > SOON && growth > MOST {
            println!("    {phase}: {short:.1?} to {long:.1?}, {growth:.0} times as much");
        }
    }
}

fn fastest(text: &str) -> Vec<(&'static str, Duration)> {
    let mut best = measure(text);
    for _ in 1..RUNS {
        for ((_, best), (_, again)) in best.iter_mut().zip(measure(text)) {
            *best = again.min(*best);
        }
    }
    best
}

/// What each step costs for a text.
fn measure(text: &str) -> Vec<(&'static str, Duration)> {
    let mut phases = Vec::new();
    let mut timed = |phase, from: Instant| phases.push((phase, from.elapsed()));
    let start = Instant::now();
    let parsed = mesh_core::yaml::resources("growth.yaml", text, &Default::default());
    timed("read", start);
    let resources: Vec<_> = parsed.outcomes.into_iter().filter_map(|o| o.resource).collect();
    assert!(!resources.is_empty(), "{:?}", parsed.findings.first());
    let start = Instant::now();
    let mut findings: Findings = resources.iter().flat_map(mesh_core::validate::check).collect();
    timed("validate", start);
    let start = Instant::now();
    let world = World::from_resources(resources, "1");
    timed("world", start);
    let start = Instant::now();
    world.registry();
    timed("registry", start);
    let start = Instant::now();
    let context = Context::new(&world, SystemTime::now());
    timed("index for analysis", start);
    for analyzer in ANALYZERS {
        let start = Instant::now();
        (analyzer.run)(&context, &mut findings);
        timed(analyzer.name, start);
    }
    let start = Instant::now();
    findings.extend(mesh_core::compile::unsupported_all(&world));
    timed("unsupported", start);
    let start = Instant::now();
    let same = mesh_core::analyze::analyze(&world);
    timed("analyze, sorted", start);
    drop(same);
    let start = Instant::now();
    diagnostic::text(&findings, Color::Never);
    timed("print as text", start);
    let start = Instant::now();
    diagnostic::json(&findings);
    timed("print as JSON", start);
    let start = Instant::now();
    diagnostic::sarif(&findings);
    timed("print as SARIF", start);
    phases
}
