//! What retries and timeouts come to over a chain of calls: requests that multiply, and timeouts that end before
//! what they wait for.
//!
//! Upper bounds both: that every attempt fails, and that each takes its whole time. The calls are those of
//! [`calls`](super::calls), so that a finding says what it rests on.

use super::calls::{self, Call, Caller, Calls};
use super::context::{Context, Spot, beside, say};
use crate::diagnostic::{Findings, code};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So many requests for one are a plain retry or two; what is more is a chain of them.
const ORDINARY: u64 = 10;

/// Chains along which one request may become many, and timeouts shorter than what they wait for.
pub(super) fn chains(ctx: &Context<'_>, out: &mut Findings) {
    let calls = calls::all(ctx);
    amplification(&calls, out);
    timeouts(&calls, out);
}

/// The worst that a caller may send, and by which of its calls.
type Worst = BTreeMap<Caller, (u64, Option<usize>)>;

fn amplification(calls: &Calls<'_>, out: &mut Findings) {
    let called: BTreeSet<&Caller> = calls.values().flatten().map(|c| &c.to).collect();
    let first = calls.keys().filter(|c| !called.contains(c));
    let roots: Vec<&Caller> = first.chain(calls.keys()).collect();
    let worst = worst(calls, &roots);
    let mut said = BTreeSet::new();
    let is_first: BTreeSet<&Caller> = calls.keys().filter(|c| !called.contains(c)).collect();
    for root in roots.into_iter().filter(|r| is_first.contains(r) || is_first.is_empty()) {
        let chain = chain(calls, &worst, root);
        let total = chain.iter().fold(1_u64, |n, call| n.saturating_mul(call.times));
        let repeated = chain.iter().filter(|c| c.times > 1).count();
        // Defaults alone repeat what no application saw; it takes somebody's word to make it many.
        let at = chain.iter().filter(|c| c.written && c.times > 1).max_by_key(|c| c.times);
        let Some(at @ (of, path)) = at.and_then(|call| call.route.as_ref()) else { continue };
        if total <= ORDINARY || repeated < 2 || !said.insert((&of.meta.namespace, &of.meta.name, path)) {
            continue;
        }
        let names: Vec<String> =
            std::iter::once(root).chain(chain.iter().map(|c| &c.to)).map(Caller::to_string).collect();
        let factors: Vec<String> = chain.iter().map(|c| c.times.to_string()).collect();
        let message = format!(
            "{} can send up to {total} requests for one: {} attempts",
            names.join(" → "),
            factors.join(" × ")
        );
        let help = "retry at one hop of the chain, and write retries: {attempts: 0} at the others";
        let path = format!("{path}.retries.attempts");
        let mut finding = say(code::RETRY_AMPLIFICATION, message).at(of, path).help(help);
        let mut caller = root;
        for call in &chain {
            finding = beside(finding, &call.because, &format!("{caller} calls {}", call.to));
            let retries = call.route.as_ref().filter(|other| call.written && *other != at);
            if let Some((route, path)) = retries {
                let spot = Spot::of(route, format!("{path}.retries.attempts"));
                finding = beside(finding, &spot, &format!("sent up to {} times", call.times));
            }
            caller = &call.to;
        }
        out.push(finding);
    }
}

/// For each caller the worst product of attempts over the chains that it begins. A call back to a caller that
/// is being looked at closes a circle and is left out.
fn worst(calls: &Calls<'_>, roots: &[&Caller]) -> Worst {
    let mut done = Worst::new();
    let mut open: BTreeSet<Caller> = BTreeSet::new();
    let mut stack: Vec<(Caller, usize)> = Vec::new();
    for root in roots {
        if done.contains_key(*root) {
            continue;
        }
        open.insert((*root).clone());
        stack.push(((*root).clone(), 0));
        while let Some((caller, next)) = stack.pop() {
            let own = calls.get(&caller).map(Vec::as_slice).unwrap_or_default();
            if let Some(call) = own.get(next) {
                stack.push((caller, next + 1));
                if !done.contains_key(&call.to) && open.insert(call.to.clone()) {
                    stack.push((call.to.clone(), 0));
                }
                continue;
            }
            let below = |call: &Call<'_>| done.get(&call.to).map(|(n, _)| call.times.saturating_mul(*n));
            let choices = own.iter().enumerate().filter_map(|(i, call)| Some((below(call)?, i)));
            // Of equals the first, so that the answer is always the same.
            let best = choices.max_by_key(|(n, i)| (*n, std::cmp::Reverse(*i)));
            open.remove(&caller);
            done.insert(caller, best.map_or((1, None), |(n, i)| (n, Some(i))));
        }
    }
    done
}

fn chain<'a, 'w>(calls: &'a Calls<'w>, worst: &Worst, root: &Caller) -> Vec<&'a Call<'w>> {
    let mut chain: Vec<&Call<'_>> = Vec::new();
    let mut seen = BTreeSet::from([root]);
    let mut at = root;
    while let Some((_, Some(next))) = worst.get(at) {
        let Some(call) = calls.get(at).and_then(|own| own.get(*next)) else { break };
        chain.push(call);
        at = &call.to;
        if !seen.insert(&call.to) {
            break;
        }
    }
    chain
}

/// Calls whose caller gives up before the callee can.
fn timeouts(calls: &Calls<'_>, out: &mut Findings) {
    // What each caller may itself wait for at most.
    let longest: BTreeMap<&Caller, (Duration, &Call<'_>)> = calls
        .iter()
        .filter_map(|(caller, own)| {
            let bounded = own.iter().filter_map(|call| Some((call.longest()?, call)));
            Some((caller, bounded.max_by_key(|(time, _)| *time)?))
        })
        .collect();
    let mut said = BTreeSet::new();
    for (caller, own) in calls {
        for call in own {
            let Some((patience, field)) = call.patience() else { continue };
            let inner = longest.get(&call.to).filter(|(needed, _)| *needed > patience);
            let Some((needed, inner)) = inner.copied() else { continue };
            let Some((of, path)) = &call.route else { continue };
            if !said.insert((&of.meta.namespace, &of.meta.name, path)) {
                continue;
            }
            let how = match inner.per_try {
                Some(each) if inner.bound_by() != "timeout" => {
                    format!("{} attempts of {}", inner.times, text(each))
                }
                _ => format!("a timeout of {}", text(needed)),
            };
            let message = format!(
                "{caller} waits {} for {}, which may itself wait {} for {}: {how}",
                text(patience),
                call.to,
                text(needed),
                inner.to
            );
            let finding = say(code::TIMEOUT_BUDGET, message).at(of, format!("{path}.{field}"));
            let mut finding = finding.help("make the outer bound longer than the inner one");
            if let Some((route, path)) = &inner.route {
                let field = inner.bound_by();
                finding = beside(finding, &Spot::of(route, format!("{path}.{field}")), "the inner bound");
            }
            finding = beside(finding, &call.because, &format!("{caller} calls {}", call.to));
            out.push(beside(finding, &inner.because, &format!("{} calls {}", call.to, inner.to)));
        }
    }
}

/// Routes whose last attempt can never begin, since the timeout of all ends before.
pub(super) fn attempts(ctx: &Context<'_>, out: &mut Findings) {
    for routing in &ctx.routings {
        for (h, rule) in routing.of.spec.http.iter().enumerate() {
            let (Some(timeout), Some(retries)) = (rule.timeout, &rule.retries) else { continue };
            let Some(each) = retries.per_try_timeout else { continue };
            let before_last = each.0.saturating_mul(retries.attempts);
            if timeout.0.is_zero() || each.0.is_zero() || timeout.0 > before_last || retries.attempts == 0 {
                continue;
            }
            let message = format!(
                "the timeout of {} ends before the last of {} attempts of {} can begin",
                text(timeout.0),
                u64::from(retries.attempts) + 1,
                text(each.0)
            );
            let finding =
                say(code::TIMEOUT_BUDGET, message).at(routing.of, format!("spec.http[{h}].timeout"));
            let enough = text(each.0.saturating_mul(retries.attempts.saturating_add(1)));
            out.push(finding.help(format!("write {enough} or more, or fewer attempts")));
        }
    }
}

fn text(time: Duration) -> String {
    crate::api::value::Span(time).to_string()
}
