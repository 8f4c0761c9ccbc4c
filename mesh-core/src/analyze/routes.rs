//! Routes that get no request: matches that an earlier one takes whole in another VirtualService of the same gateway
//! and host. Those of the same VirtualService are validation's to say.
//!
//! A match is a set of conditions. It is taken by an earlier one if each condition of that one follows from
//! one of its own: the same condition, or a path below a prefix. What does not follow this way is not said,
//! so that a finding is always true. Regular expressions are compared by their text.

use super::context::{Context, GatewayName, Spot, beside, say};
use crate::api::Resource;
use crate::api::networking::VirtualService;
use crate::api::networking::virtual_service::HttpMatch;
use crate::api::value::StringMatch;
use crate::diagnostic::{Findings, code};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// One condition, such as `path /a` or `header end-user = jason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Condition {
    Path { text: String, prefix: bool, any_case: bool },
    Other(String),
}

impl Condition {
    /// The conditions that a request with this one fulfils as well: itself, and every prefix of its path.
    fn implied(&self) -> Vec<Self> {
        let Self::Path { text, any_case, .. } = self else { return vec![self.clone()] };
        let lower = text.to_lowercase();
        let mut all = vec![self.clone(), Self::Path { text: lower.clone(), prefix: false, any_case: true }];
        // An exact match takes no more than its own path; a prefix must not be taken by an exact match.
        if matches!(self, Self::Path { prefix: true, .. }) {
            all.truncate(1);
        }
        for (text, any_case) in [(text, *any_case), (&lower, true)] {
            let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
            let prefixes = ends.filter_map(|end| text.get(..end).map(str::to_owned));
            all.extend(prefixes.map(|text| Self::Path { text, prefix: true, any_case }));
        }
        all
    }
}

/// The conditions of a match; those that every request fulfils are left out.
fn conditions(wanted: &HttpMatch) -> BTreeSet<Condition> {
    let mut all = BTreeSet::new();
    let any_case = wanted.ignore_uri_case;
    let cased = |text: &String| if any_case { text.to_lowercase() } else { text.clone() };
    match &wanted.uri {
        Some(StringMatch::Exact(text)) => {
            all.insert(Condition::Path { text: cased(text), prefix: false, any_case });
        }
        Some(StringMatch::Prefix(text)) if !text.is_empty() && text != "/" => {
            all.insert(Condition::Path { text: cased(text), prefix: true, any_case });
        }
        Some(StringMatch::Regex(text)) if text != ".*" && text != "/.*" => {
            all.insert(Condition::Other(format!("uri ~ {text} {any_case}")));
        }
        _ => {}
    }
    for (what, value) in
        [("method", &wanted.method), ("authority", &wanted.authority), ("scheme", &wanted.scheme)]
    {
        all.extend(value.as_ref().map(|v| Condition::Other(format!("{what} {v:?}"))));
    }
    for (what, values) in
        [("header", &wanted.headers), ("without", &wanted.without_headers), ("query", &wanted.query_params)]
    {
        for (name, value) in values {
            let name = if what == "query" { name.clone() } else { name.to_lowercase() };
            all.insert(Condition::Other(format!("{what} {name} {value:?}")));
        }
    }
    all.extend(wanted.port.map(|p| Condition::Other(format!("port {p}"))));
    for (name, value) in &wanted.source_labels {
        all.insert(Condition::Other(format!("label {name}={value}")));
    }
    if !wanted.source_namespace.is_empty() {
        all.insert(Condition::Other(format!("namespace {}", wanted.source_namespace)));
    }
    if !wanted.gateways.is_empty() {
        let list: BTreeSet<&String> = wanted.gateways.iter().collect();
        all.insert(Condition::Other(format!("gateways {list:?}")));
    }
    all
}

/// Matches that were seen, each found under its most telling condition.
struct Seen<T> {
    by_condition: HashMap<Condition, Vec<(BTreeSet<Condition>, T)>>,
    everything: Option<T>,
}

impl<T: Clone> Seen<T> {
    fn new() -> Self {
        Self { by_condition: HashMap::new(), everything: None }
    }

    /// Which earlier match takes all requests of these conditions.
    fn taken_by(&self, conditions: &BTreeSet<Condition>) -> Option<&T> {
        if let Some(everything) = &self.everything {
            return Some(everything);
        }
        let implied: BTreeSet<Condition> = conditions.iter().flat_map(Condition::implied).collect();
        let candidates = implied.iter().filter_map(|c| self.by_condition.get(c)).flatten();
        candidates.into_iter().find(|(want, _)| want.is_subset(&implied)).map(|(_, found)| found)
    }

    fn add(&mut self, conditions: BTreeSet<Condition>, what: T) {
        let exact = |c: &&Condition| matches!(c, Condition::Path { prefix: false, .. });
        let other = |c: &&Condition| matches!(c, Condition::Other(text) if !text.starts_with("gateways"));
        let key = conditions.iter().find(exact).or_else(|| conditions.iter().find(other));
        match key.or(conditions.first()).cloned() {
            Some(key) => self.by_condition.entry(key).or_default().push((conditions, what)),
            None => self.everything = self.everything.take().or(Some(what)),
        }
    }
}

/// Matches that another VirtualService of the same gateway takes whole. Routes of one host are joined in the
/// order of precedence; what takes everything comes last, whoever says it.
pub(super) fn across(ctx: &Context<'_>, out: &mut Findings) {
    let mut bound: BTreeMap<(GatewayName<'_>, &str), Vec<usize>> = BTreeMap::new();
    for (at, routing) in ctx.routings.iter().enumerate() {
        for (_, gateway) in &routing.gateways {
            for (_, host) in &routing.hosts {
                let of = bound.entry((*gateway, host.as_str())).or_default();
                if of.last() != Some(&at) {
                    of.push(at);
                }
            }
        }
    }
    let mut said = BTreeSet::new();
    let mut asked = BTreeSet::new();
    for ((gateway, host), routings) in bound.into_iter().filter(|(_, r)| r.len() > 1) {
        // Hosts that the same ones route have the same to say, and it is said once.
        if !asked.insert((gateway, routings.clone())) {
            continue;
        }
        let mut seen: Seen<(usize, String)> = Seen::new();
        let mut catch_all: Option<(usize, String)> = None;
        for at in routings {
            let Some(of) = ctx.routings.get(at).map(|r| r.of) else { continue };
            for (path, conditions) in at_gateway(of, gateway) {
                // What takes everything is asked last, so that it hides its like alone.
                let taker = if conditions.is_empty() {
                    let before = catch_all.clone();
                    catch_all.get_or_insert((at, path.clone()));
                    before
                } else {
                    let before = seen.taken_by(&conditions).cloned();
                    if before.is_none() {
                        seen.add(conditions, (at, path.clone()));
                    }
                    before
                };
                let Some((by, by_path)) = taker.filter(|(by, _)| *by != at) else { continue };
                let Some(winner) = ctx.routings.get(by).map(|r| r.of) else { continue };
                if said.insert((at, path.clone())) {
                    report(of, &path, winner, &by_path, gateway, host, out);
                }
            }
        }
    }
}

fn report(
    of: &Arc<Resource<VirtualService>>,
    path: &str,
    winner: &Arc<Resource<VirtualService>>,
    winner_path: &str,
    gateway: GatewayName<'_>,
    host: &str,
    out: &mut Findings,
) {
    let why = super::hosts::reason(&winner.meta, &of.meta);
    let message = format!(
        "never reached at gateway `{}/{}`: VirtualService {}/{} takes these requests for `{host}` first, {why}",
        gateway.namespace, gateway.name, winner.meta.namespace, winner.meta.name
    );
    let help = "put the rules of a host into one VirtualService, in the order that is meant";
    let finding = say(code::SHADOWED_ROUTE, message).at(of, path).help(help);
    out.push(beside(finding, &Spot::of(winner, winner_path), "this match takes them"));
}

/// The matches that hold at a gateway, with their paths; a rule without one takes everything.
fn at_gateway(of: &Resource<VirtualService>, gateway: GatewayName<'_>) -> Vec<(String, BTreeSet<Condition>)> {
    let mut all = Vec::new();
    // What a delegate does not match goes on to the next rule: it takes nothing for certain.
    for (h, rule) in of.spec.http.iter().enumerate().filter(|(_, rule)| rule.delegate.is_none()) {
        if rule.r#match.is_empty() {
            all.push((format!("spec.http[{h}]"), BTreeSet::new()));
        }
        for (m, wanted) in rule.r#match.iter().enumerate() {
            let named = |g: &String| GatewayName::read(g, &of.meta.namespace) == Some(gateway);
            if wanted.gateways.is_empty() || wanted.gateways.iter().any(named) {
                let mut conditions = conditions(wanted);
                conditions.retain(|c| !matches!(c, Condition::Other(text) if text.starts_with("gateways")));
                all.push((format!("spec.http[{h}].match[{m}]"), conditions));
            }
        }
    }
    all
}
