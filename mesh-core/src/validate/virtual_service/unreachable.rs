//! Rules and matches that no request comes to, since earlier ones take all that they match.
//!
//! A match covers another if each of its conditions holds for everything that the other takes: `prefix: /a` covers
//! `exact: /a/b`, no condition on a header covers any, and a wildcard host covers a narrower one. Istio compares
//! matches as texts, and prefixes where both name the same headers; so it misses that a match without headers
//! covers one with them, and finds some that do not cover. A rule that delegates covers nothing here: where the
//! delegate's rules do not match, the next rule is asked.
//!
//! All are warnings: the configuration works, perhaps not as meant.

use crate::api::networking::VirtualService;
use crate::api::networking::virtual_service::{HttpMatch, L4Match, TlsMatch};
use crate::api::value::{StringMatch, labels_match};
use crate::hostname::Hostname;
use crate::validate::report::Report;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Beyond so many conditions in a list only rules without any condition are looked for: comparing each with each
/// would take too long.
const COMPARED: usize = 4_000;

pub(super) fn check(spec: &VirtualService, report: &mut Report<'_>) {
    let http = spec.http.iter().map(|rule| Rule { matches: &rule.r#match, takes: rule.delegate.is_none() });
    find("spec.http", &http.collect::<Vec<_>>(), report);
    let tls = spec.tls.iter().map(|rule| Rule { matches: &rule.r#match, takes: true });
    find("spec.tls", &tls.collect::<Vec<_>>(), report);
    let tcp = spec.tcp.iter().map(|rule| Rule { matches: &rule.r#match, takes: true });
    find("spec.tcp", &tcp.collect::<Vec<_>>(), report);
}

/// A rule: its matches, and whether what matches goes no further.
struct Rule<'a, M> {
    matches: &'a [M],
    takes: bool,
}

/// What a rule asks of a request or connection.
trait Match: Default {
    /// Whether all that `other` takes is taken by this too.
    fn covers(&self, other: &Self) -> bool;

    /// How many of its conditions are compared with each of another.
    fn size(&self) -> usize;
}

fn find<M: Match>(list: &str, rules: &[Rule<'_, M>], report: &mut Report<'_>) {
    let anything = M::default();
    let sizes = rules.iter().map(|rule| rule.matches.iter().map(M::size).sum::<usize>().max(1));
    let few = sizes.sum::<usize>() <= COMPARED;
    // Those before, with their paths. A rule without matches takes everything.
    let mut before: Vec<(String, &M)> = Vec::new();
    for (r, rule) in rules.iter().enumerate() {
        let path = format!("{list}[{r}]");
        let own: Vec<(String, &M)> = match rule.matches {
            [] => vec![(path.clone(), &anything)],
            matches => matches.iter().enumerate().map(|(m, w)| (format!("{path}.match[{m}]"), w)).collect(),
        };
        let mut covered = Vec::new();
        let mut earlier_in_rule: Vec<&(String, &M)> = Vec::new();
        for here in &own {
            let mut all = before.iter().chain(earlier_in_rule.iter().copied());
            match all.find(|(_, earlier)| earlier.covers(here.1)) {
                Some((by, _)) => covered.push((here.0.clone(), by.clone())),
                None if few => earlier_in_rule.push(here),
                None => {}
            }
        }
        let everything = covered.len() == own.len();
        let by_others = covered.iter().filter(|(_, by)| !by.starts_with(&format!("{path}."))).count();
        if let (true, true, Some((_, by))) = (everything, by_others > 0, covered.first()) {
            let message = format!("never reached: {by} takes all that this rule matches");
            report.unreachable(&path, message, "move it before that one, or leave it out");
        } else {
            for (here, by) in covered {
                let message = format!("never used: {by} takes all that this matches");
                report.ineffective(&here, message, "leave it out, or let the earlier one match less");
            }
        }
        if rule.takes {
            before.extend(own.into_iter().filter(|(_, wanted)| few || wanted.covers(&anything)));
        }
    }
}

impl Match for HttpMatch {
    fn size(&self) -> usize {
        let named = self.headers.len() + self.query_params.len() + self.without_headers.len();
        1 + named + self.source_labels.len() + self.gateways.len()
    }

    fn covers(&self, other: &Self) -> bool {
        let fold = self.ignore_uri_case;
        // A comparison with case covers none without.
        let case = fold || !other.ignore_uri_case;
        let uri = self.uri.as_ref().filter(|uri| !takes_each_path(uri));
        (case || uri.is_none())
            && part(uri, other.uri.as_ref(), fold)
            && part(self.scheme.as_ref(), other.scheme.as_ref(), false)
            && part(self.method.as_ref(), other.method.as_ref(), false)
            && part(self.authority.as_ref(), other.authority.as_ref(), false)
            && named(&self.headers, &other.headers, true)
            && named(&self.query_params, &other.query_params, false)
            && without(&self.without_headers, &other.without_headers)
            && self.port.is_none_or(|port| other.port == Some(port))
            && source(
                (&self.source_labels, &self.source_namespace, &self.gateways),
                (&other.source_labels, &other.source_namespace, &other.gateways),
            )
    }
}

impl Match for TlsMatch {
    fn size(&self) -> usize {
        // Names are read anew for each comparison.
        1 + 2 * self.sni_hosts.len() + self.destination_subnets.len() + self.gateways.len()
    }

    fn covers(&self, other: &Self) -> bool {
        let names =
            |all: &[String]| all.iter().filter_map(|h| h.parse::<Hostname>().ok()).collect::<Vec<_>>();
        let (mine, theirs) = (names(&self.sni_hosts), names(&other.sni_hosts));
        let read = theirs.len() == other.sni_hosts.len() && !theirs.is_empty();
        let by_name = self.sni_hosts.is_empty()
            || (read && theirs.iter().all(|name| mine.iter().any(|host| host.covers(name))));
        by_name
            && networks(&self.destination_subnets, &other.destination_subnets)
            && self.port.is_none_or(|port| other.port == Some(port))
            && source(
                (&self.source_labels, &self.source_namespace, &self.gateways),
                (&other.source_labels, &other.source_namespace, &other.gateways),
            )
    }
}

impl Match for L4Match {
    fn size(&self) -> usize {
        1 + self.destination_subnets.len() + self.gateways.len()
    }

    fn covers(&self, other: &Self) -> bool {
        let list = |one: &String| if one.is_empty() { Vec::new() } else { vec![one.clone()] };
        networks(&self.destination_subnets, &other.destination_subnets)
            && networks(&list(&self.source_subnet), &list(&other.source_subnet))
            && self.port.is_none_or(|port| other.port == Some(port))
            && source(
                (&self.source_labels, &self.source_namespace, &self.gateways),
                (&other.source_labels, &other.source_namespace, &other.gateways),
            )
    }
}

type Source<'a> = (&'a BTreeMap<String, String>, &'a str, &'a [String]);

fn source((labels, namespace, gateways): Source<'_>, other: Source<'_>) -> bool {
    labels_match(labels, other.0)
        && (namespace.is_empty() || namespace == other.1)
        && (gateways.is_empty() || (!other.2.is_empty() && other.2.iter().all(|g| gateways.contains(g))))
}

/// Each of the narrower networks lies in one of the wider; none are all.
fn networks(wider: &[String], narrower: &[String]) -> bool {
    let read = |text: &String| -> Option<IpNet> {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    };
    let wide: Vec<IpNet> = wider.iter().filter_map(read).collect();
    let inside = |text| read(text).is_some_and(|net| wide.iter().any(|w| w.contains(&net)));
    wider.is_empty() || (!narrower.is_empty() && narrower.iter().all(inside))
}

fn part(wanted: Option<&StringMatch>, other: Option<&StringMatch>, fold: bool) -> bool {
    match (wanted, other) {
        (None, _) => true,
        (Some(wanted), None) => takes_all(wanted),
        (Some(wanted), Some(other)) => text(wanted, other, fold),
    }
}

/// Of each name that is asked for, the other asks for no less.
fn named(wanted: &BTreeMap<String, StringMatch>, other: &BTreeMap<String, StringMatch>, fold: bool) -> bool {
    let same = |a: &str, b: &str| if fold { a.eq_ignore_ascii_case(b) } else { a == b };
    wanted.iter().all(|(name, value)| other.iter().any(|(n, v)| same(name, n) && text(value, v, false)))
}

/// Of each header that must not be so, the other excludes no less.
fn without(wanted: &BTreeMap<String, StringMatch>, other: &BTreeMap<String, StringMatch>) -> bool {
    wanted
        .iter()
        .all(|(name, value)| other.iter().any(|(n, v)| name.eq_ignore_ascii_case(n) && text(v, value, false)))
}

/// What matches everything that is there.
fn takes_all(wanted: &StringMatch) -> bool {
    match wanted {
        StringMatch::Present => true,
        StringMatch::Prefix(prefix) => prefix.is_empty(),
        StringMatch::Regex(re) => matches!(re.as_str(), ".*" | "*"),
        StringMatch::Exact(_) => false,
    }
}

/// The same of paths, which begin with a slash.
fn takes_each_path(wanted: &StringMatch) -> bool {
    match wanted {
        StringMatch::Prefix(prefix) => prefix == "/",
        StringMatch::Regex(re) => re == "/.*",
        _ => false,
    }
}

/// Whether a text match takes every text that another takes.
fn text(wanted: &StringMatch, other: &StringMatch, fold: bool) -> bool {
    let same = |a: &str, b: &str| if fold { a.eq_ignore_ascii_case(b) } else { a == b };
    let begins = |text: &str, with: &str| text.get(..with.len()).is_some_and(|head| same(head, with));
    match (wanted, other) {
        (wanted, _) if takes_all(wanted) => true,
        (StringMatch::Exact(a), StringMatch::Exact(b)) => same(a, b),
        (StringMatch::Prefix(a), StringMatch::Exact(b) | StringMatch::Prefix(b)) => begins(b, a),
        // Patterns ignore case on their own account alone.
        (StringMatch::Regex(a), StringMatch::Regex(b)) => a == b,
        _ => false,
    }
}
