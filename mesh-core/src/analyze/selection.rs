//! Sidecars and Telemetries, of which a workload has one: several for it, none for it, and Sidecars where no
//! sidecar is.

use super::context::{Context, Spot, beside, say};
use super::gateway::labels;
use super::workloads::{Workload, is_ambient};
use crate::api::Meta;
use crate::api::networking::Sidecar;
use crate::api::telemetry::Telemetry;
use crate::diagnostic::{Findings, SourceMap, code};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// One resource that selects workloads of its namespace.
#[derive(Clone, Copy)]
struct One<'a> {
    meta: &'a Meta,
    source: &'a Arc<SourceMap>,
    /// The labels that it selects by; `None` for the whole namespace.
    selector: Option<&'a BTreeMap<String, String>>,
    /// Where they stand.
    path: &'static str,
}

impl<'a> One<'a> {
    fn spot(&self, path: &str) -> Spot<'a> {
        Spot { source: self.source, path: path.to_owned() }
    }
}

/// A namespace, and the labels by which some of its workloads are selected.
type Selecting<'a> = (&'a str, &'a BTreeMap<String, String>);

/// What to say of a kind.
struct Codes {
    kind: &'static str,
    same_workload: &'static str,
    whole_namespace: &'static str,
}

/// Sidecars.
pub(super) fn sidecars(ctx: &Context<'_>, out: &mut Findings) {
    let all: Vec<One<'_>> = ctx
        .world
        .of::<Sidecar>()
        .map(|s| One {
            meta: &s.meta,
            source: &s.source,
            selector: s.spec.workload_selector.as_ref().map(|w| &w.labels).filter(|l| !l.is_empty()),
            path: "spec.workloadSelector",
        })
        .collect();
    let codes = Codes {
        kind: "Sidecar",
        same_workload: code::SIDECARS_CONFLICT,
        whole_namespace: code::SIDECARS_FOR_ALL,
    };
    let idle = ineffective(ctx, &all, out);
    let rest: Vec<One<'_>> = all.into_iter().filter(|s| !idle.contains(&key(s))).collect();
    conflicts(ctx, &rest, &codes, out);
    nobody(ctx, &rest, out);
}

/// Telemetries.
pub(super) fn telemetries(ctx: &Context<'_>, out: &mut Findings) {
    let selecting = ctx.world.of::<Telemetry>().filter(|t| t.spec.target_ref.is_none());
    let all: Vec<One<'_>> = selecting
        .filter(|t| t.spec.target_refs.is_empty())
        .map(|t| One {
            meta: &t.meta,
            source: &t.source,
            selector: t.spec.selector.as_ref().map(|s| &s.match_labels).filter(|l| !l.is_empty()),
            path: "spec.selector.matchLabels",
        })
        .collect();
    let codes = Codes {
        kind: "Telemetry",
        same_workload: code::TELEMETRIES_CONFLICT,
        whole_namespace: code::TELEMETRIES_FOR_ALL,
    };
    conflicts(ctx, &all, &codes, out);
    nobody(ctx, &all, out);
}

/// Access logs that name no provider where the mesh has none by default.
pub(super) fn providers(ctx: &Context<'_>, out: &mut Findings) {
    let by_default = ctx.mesh.default_providers.as_ref().is_some_and(|p| !p.access_logging.is_empty());
    if by_default || !ctx.mesh.access_log_file.is_empty() {
        return;
    }
    for telemetry in ctx.world.of::<Telemetry>() {
        for (i, logging) in telemetry.spec.access_logging.iter().enumerate() {
            if logging.providers.is_empty() && logging.disabled != Some(true) {
                let message =
                    "access logs without a provider, and the mesh has none by default: nothing is logged";
                let path = format!("spec.accessLogging[{i}]");
                let help = "write providers: [{name: envoy}], or defaultProviders.accessLogging in the mesh's settings";
                out.push(say(code::TELEMETRY_PROVIDER, message).at(telemetry, path).help(help));
            }
        }
    }
}

fn key<'a>(one: &One<'a>) -> (&'a str, &'a str) {
    (&*one.meta.namespace, &*one.meta.name)
}

fn conflicts(ctx: &Context<'_>, all: &[One<'_>], codes: &Codes, out: &mut Findings) {
    let mut whole: HashMap<&str, One<'_>> = HashMap::new();
    for one in all.iter().filter(|s| s.selector.is_none()) {
        let first = *whole.entry(&one.meta.namespace).or_insert(*one);
        if first.meta.name != one.meta.name {
            let message = format!(
                "{} `{}` is for all of namespace `{}` already and wins, {}",
                codes.kind,
                first.meta.name,
                one.meta.namespace,
                super::hosts::reason(first.meta, one.meta)
            );
            let finding = say(codes.whole_namespace, message).about(one.meta, one.source, "metadata.name");
            let finding = finding.help("keep one of them, or select workloads");
            out.push(beside(finding, &first.spot("metadata.name"), "this one wins"));
        }
    }
    // By the workload's place in memory: names of pods and entries may be the same.
    let mut chosen: HashMap<*const Meta, One<'_>> = HashMap::new();
    // What a selector selects, by the first that is for it: the same for all with that selector.
    let mut selected: HashMap<Selecting<'_>, Vec<(One<'_>, &Workload<'_>)>> = HashMap::new();
    for one in all {
        let Some(selector) = one.selector else { continue };
        let firsts = selected.entry((&*one.meta.namespace, selector)).or_insert_with(|| {
            let mut seen = BTreeSet::new();
            let workloads = ctx.workloads.select(Some(&one.meta.namespace), selector);
            let chosen = workloads.map(|w| (*chosen.entry(std::ptr::from_ref(w.meta)).or_insert(*one), w));
            chosen.filter(|(first, _)| seen.insert(&*first.meta.name)).collect()
        });
        for (first, workload) in firsts.iter().filter(|(first, _)| first.meta.name != one.meta.name) {
            let message = format!(
                "{} `{}` selects {} `{}` as well and wins, {}",
                codes.kind,
                first.meta.name,
                workload.meta.kind,
                workload.meta.name,
                super::hosts::reason(first.meta, one.meta)
            );
            let finding = say(codes.same_workload, message).about(one.meta, one.source, one.path);
            let finding = finding.help("select each workload once");
            out.push(beside(finding, &first.spot(first.path), "this one wins"));
        }
    }
}

/// Selectors that select nobody, where the workloads are known.
fn nobody(ctx: &Context<'_>, all: &[One<'_>], out: &mut Findings) {
    for one in all.iter().filter(|one| ctx.workloads.known(&one.meta.namespace)) {
        let Some(selector) = one.selector else { continue };
        if !ctx.workloads.any(Some(&one.meta.namespace), selector) {
            let message = format!(
                "no workload of namespace `{}` has the labels {}",
                one.meta.namespace,
                labels(selector)
            );
            let finding = say(code::REFERENCE, message).about(one.meta, one.source, one.path);
            out.push(finding.help("name the labels of the workloads that it is for"));
        }
    }
}

/// Sidecars of workloads in ambient mode, which have none.
fn ineffective<'a>(ctx: &Context<'_>, all: &[One<'a>], out: &mut Findings) -> BTreeSet<(&'a str, &'a str)> {
    let mut idle = BTreeSet::new();
    let mut known: HashMap<Selecting<'_>, bool> = HashMap::new();
    for one in all {
        let namespace = ctx.namespace(&one.meta.namespace);
        let in_vain = match one.selector {
            None => namespace.is_some_and(is_ambient),
            Some(selector) => *known.entry((&*one.meta.namespace, selector)).or_insert_with(|| {
                let mut selected = ctx.workloads.select(Some(&one.meta.namespace), selector).peekable();
                selected.peek().is_some() && selected.all(|w| w.is_ambient(namespace))
            }),
        };
        if in_vain {
            let message = "a Sidecar for workloads in ambient mode has no effect: they have no sidecar";
            let finding = say(code::INEFFECTIVE_POLICY, message).about(one.meta, one.source, one.path);
            out.push(finding.help("take it out, or take the workloads out of ambient mode"));
            idle.insert(key(one));
        }
    }
    idle
}
