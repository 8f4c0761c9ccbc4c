//! Which rules can concern a request at all.
//!
//! A rule that asks for one of some paths, hosts, ports or callers cannot match what has none of them. Each
//! rule is filed under what it asks for, in the dimension where fewest others share its place; a request takes
//! out what is filed under its own path, host, port and caller, and the rules that ask for none. Which rule is
//! the first in order stays the same, since candidates are compared by their place.

mod texts;

use super::RequestFacts;
use super::evaluate::{Truth, policy_matches};
use crate::model::matcher::{HeaderKey, Pattern, StringMatch, ValueMatch};
use crate::model::rbac::{Permission, Principal, RbacPolicy};
use std::collections::HashMap;
use texts::Texts;

/// Fewer rules than this are looked through faster than looked up.
const WORTH_IT: usize = 8;
/// Longer hosts are not filed.
const LONGEST_HOST: usize = 255;

#[derive(Debug, Default)]
pub(super) struct Index {
    paths: Texts,
    peers: Texts,
    namespaces: HashMap<Box<str>, Vec<u32>, foldhash::fast::RandomState>,
    hosts: HashMap<Box<str>, Vec<u32>, foldhash::fast::RandomState>,
    ports: HashMap<u16, Vec<u32>, foldhash::fast::RandomState>,
    /// Filed under what only a request tells, so that all of them may concern a connection.
    of_requests: Vec<u32>,
    /// Filed under nothing.
    rest: Vec<u32>,
}

/// Something that a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Path { text: String, whole: bool },
    Peer { text: String, whole: bool },
    Namespace(String),
    Host(String),
    Port(u16),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Path,
    Peer,
    Namespace,
    Host,
    Port,
}

const DIMENSIONS: [Dimension; 5] =
    [Dimension::Peer, Dimension::Path, Dimension::Host, Dimension::Namespace, Dimension::Port];

impl Index {
    pub(super) fn new(policies: &[RbacPolicy]) -> Self {
        let mut index = Self::default();
        let everywhere = || (0u32..).zip(policies).map(|(i, _)| i).collect();
        if policies.len() < WORTH_IT {
            index.rest = everywhere();
            return index;
        }
        let choices: Vec<Vec<Vec<Key>>> = policies.iter().map(choices).collect();
        let mut shared: HashMap<&Key, usize> = HashMap::new();
        for key in choices.iter().flatten().flatten() {
            *shared.entry(key).or_default() += 1;
        }
        let crowd = |keys: &Vec<Key>| {
            let most = keys.iter().filter_map(|key| shared.get(key)).max().copied();
            (most.unwrap_or_default(), keys.len())
        };
        for (i, choices) in (0u32..).zip(&choices) {
            match choices.iter().min_by_key(|keys| crowd(keys)) {
                Some(keys) => keys.iter().for_each(|key| index.file(i, key)),
                None => index.rest.push(i),
            }
        }
        index.of_requests.dedup();
        index.paths.finish();
        index.peers.finish();
        index
    }

    fn file(&mut self, rule: u32, key: &Key) {
        let push = |list: &mut Vec<u32>| {
            if list.last() != Some(&rule) {
                list.push(rule);
            }
        };
        match key {
            Key::Path { text, whole } => {
                self.paths.insert(text, *whole, rule);
                self.of_requests.push(rule);
            }
            Key::Host(host) => {
                push(self.hosts.entry(host.as_str().into()).or_default());
                self.of_requests.push(rule);
            }
            Key::Peer { text, whole } => self.peers.insert(text, *whole, rule),
            Key::Namespace(namespace) => {
                push(self.namespaces.entry(namespace.as_str().into()).or_default());
            }
            Key::Port(port) => push(self.ports.entry(*port).or_default()),
        }
    }

    /// The first rule in order that is at least so true.
    pub(super) fn first<'r>(
        &self,
        policies: &'r [RbacPolicy],
        facts: &RequestFacts<'_>,
        least: Truth,
    ) -> Option<(&'r RbacPolicy, Truth)> {
        let mut search = Search { policies, facts, least, best: None };
        search.among(&self.rest);
        match &facts.head {
            None => search.among(&self.of_requests),
            Some(head) => {
                self.paths.lookup(head.path_only(), |list| search.among(list));
                if !self.hosts.is_empty() {
                    // Of letters beyond ASCII, an expression without case takes more for the same than we fold.
                    match host_key(head.authority, |host| self.hosts.get(host)) {
                        _ if !head.authority.is_ascii() => search.among(&self.of_requests),
                        Some(list) => search.among(list),
                        None => {}
                    }
                }
            }
        }
        if let Some(peer) = facts.peer {
            self.peers.lookup(peer.uri(), |list| search.among(list));
            if !self.namespaces.is_empty()
                && let Some(list) = self.namespaces.get(peer.namespace())
            {
                search.among(list);
            }
        }
        if !self.ports.is_empty()
            && let Some(list) = self.ports.get(&facts.destination.port())
        {
            search.among(list);
        }
        search.best.map(|(_, policy, truth)| (policy, truth))
    }
}

struct Search<'r, 'a, 'f> {
    policies: &'r [RbacPolicy],
    facts: &'a RequestFacts<'f>,
    least: Truth,
    best: Option<(u32, &'r RbacPolicy, Truth)>,
}

impl Search<'_, '_, '_> {
    /// Rules in their order.
    fn among(&mut self, list: &[u32]) {
        for &rule in list {
            if self.best.is_some_and(|(best, _, _)| best <= rule) {
                return;
            }
            let Some(policy) = usize::try_from(rule).ok().and_then(|i| self.policies.get(i)) else { return };
            let truth = policy_matches(policy, self.facts);
            if truth >= self.least {
                self.best = Some((rule, policy, truth));
                return;
            }
        }
    }
}

/// What a rule asks for, in each dimension in which it asks for anything.
fn choices(policy: &RbacPolicy) -> Vec<Vec<Key>> {
    let of = |dimension| {
        let permissions = alternatives(&policy.permissions, |p| of_permission(p, dimension));
        permissions.or_else(|| alternatives(&policy.principals, |p| of_principal(p, dimension)))
    };
    DIMENSIONS.into_iter().filter_map(of).collect()
}

/// One of these must hold: each must ask for something.
fn alternatives<T>(of: &[T], keys: impl FnMut(&T) -> Option<Vec<Key>>) -> Option<Vec<Key>> {
    let each: Option<Vec<Vec<Key>>> = of.iter().map(keys).collect();
    each.map(|each| each.into_iter().flatten().collect())
}

fn of_permission(want: &Permission, dimension: Dimension) -> Option<Vec<Key>> {
    let one = |key| Some(vec![key]);
    match (want, dimension) {
        (Permission::And(parts), _) => parts.iter().find_map(|part| of_permission(part, dimension)),
        (Permission::Or(parts), _) => alternatives(parts, |part| of_permission(part, dimension)),
        (Permission::Path(path), Dimension::Path) => of_path(path),
        (Permission::UriTemplate(template), Dimension::Path) => {
            let (text, whole) = template.literal();
            one(Key::Path { text: text.to_owned(), whole })
        }
        (Permission::Header(header), Dimension::Host)
            if header.name == HeaderKey::Authority && !header.invert =>
        {
            match &header.value {
                ValueMatch::String(want) => of_host(want),
                _ => None,
            }
        }
        (Permission::DestinationPort(port), Dimension::Port) => one(Key::Port(*port)),
        _ => None,
    }
}

fn of_principal(want: &Principal, dimension: Dimension) -> Option<Vec<Key>> {
    match (want, dimension) {
        (Principal::And(parts), _) => parts.iter().find_map(|part| of_principal(part, dimension)),
        (Principal::Or(parts), _) => alternatives(parts, |part| of_principal(part, dimension)),
        (Principal::Path(path), Dimension::Path) => of_path(path),
        (Principal::Authenticated(Some(name)), Dimension::Peer) => match &name.pattern {
            _ if name.ignore_case => None,
            Pattern::Exact(text) => Some(vec![Key::Peer { text: text.clone(), whole: true }]),
            Pattern::Prefix(text) => Some(vec![Key::Peer { text: text.clone(), whole: false }]),
            _ => None,
        },
        (Principal::Authenticated(Some(name)), Dimension::Namespace) => match &name.pattern {
            Pattern::Regex(re) => namespace_in(re.as_str()).map(|ns| vec![Key::Namespace(ns)]),
            _ => None,
        },
        _ => None,
    }
}

fn of_path(path: &StringMatch) -> Option<Vec<Key>> {
    match &path.pattern {
        _ if path.ignore_case => None,
        Pattern::Exact(text) => Some(vec![Key::Path { text: text.clone(), whole: true }]),
        Pattern::Prefix(text) => Some(vec![Key::Path { text: text.clone(), whole: false }]),
        _ => None,
    }
}

/// A host, exact or with any port, as `compile::rbac` writes it.
fn of_host(want: &StringMatch) -> Option<Vec<Key>> {
    let host = match &want.pattern {
        Pattern::Exact(host) => host.clone(),
        Pattern::Regex(re) => literal(re.as_str().strip_prefix("(?i)")?.strip_suffix(":[0-9]*")?)?,
        _ => return None,
    };
    host_key(&host, |key| Some(vec![Key::Host(key.to_owned())]))
}

/// A host without its port and in lower case, handed over without an allocation. `None` for what is too long.
fn host_key<T>(authority: &str, found: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let mut buffer = [0u8; LONGEST_HOST];
    let lower = buffer.get_mut(..host.len())?;
    lower.copy_from_slice(host.as_bytes());
    lower.make_ascii_lowercase();
    found(std::str::from_utf8(lower).ok()?)
}

/// The namespace that one of Istio's expressions for identities asks for, if it is a plain text.
fn namespace_in(expression: &str) -> Option<String> {
    let namespace = match expression.strip_prefix(".*/ns/") {
        Some(rest) => rest.strip_suffix("/.*")?,
        None => expression.strip_prefix("spiffe://.+/ns/")?.split_once('/')?.0,
    };
    literal(namespace)
}

/// The text that an expression stands for, if it has no operators.
fn literal(expression: &str) -> Option<String> {
    let mut out = String::with_capacity(expression.len());
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().filter(char::is_ascii_punctuation)?),
            c if regex_syntax(c) => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn regex_syntax(c: char) -> bool {
    matches!(c, '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$')
}
