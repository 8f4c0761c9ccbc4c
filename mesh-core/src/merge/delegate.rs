//! Delegates: a VirtualService that takes rules of others.
//!
//! A rule with `delegate` stands for the rules of that VirtualService, each narrowed to what the rule itself
//! matches. Istio: `mergeVirtualServicesIfNeeded` and `mergeHTTPRoutes` in `pilot/pkg/model/virtualservice.go`.

mod matching;
#[cfg(test)]
mod tests;

use super::virtual_service::gateway_name;
use super::visibility;
use crate::api::Resource;
use crate::api::networking::VirtualService;
use crate::api::networking::virtual_service::{Destination, HttpRoute};
use crate::hostname::Hostname;
use crate::registry::CLUSTER_DOMAIN;
use crate::world::World;
use std::borrow::Cow;
use std::sync::Arc;

type Vs = Arc<Resource<VirtualService>>;

/// The rules for HTTP of a VirtualService as they count.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged<'w> {
    /// In order.
    pub rules: Vec<Rule<'w>>,
    /// The delegates that took part, each once.
    pub delegates: Vec<&'w Vs>,
    /// What was left out.
    pub dropped: Vec<Dropped<'w>>,
}

/// One rule, with the place where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule<'w> {
    /// The rule. Where it is merged, hosts and gateways are full names.
    pub http: Cow<'w, HttpRoute>,
    /// The VirtualService that writes it: the delegate where it is merged.
    pub source: &'w Vs,
    /// Its path there, such as `spec.http[0]`.
    pub path: String,
    /// The place of each match in the source; `None` where matches are the source's own.
    matches: Option<Vec<usize>>,
}

impl Rule<'_> {
    /// The place of a match in the source, for paths such as `spec.http[0].match[2]`.
    pub fn match_at(&self, index: usize) -> usize {
        self.matches.as_ref().map_or(index, |m| m.get(index).copied().unwrap_or(index))
    }
}

/// A rule that was left out; the others stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped<'w> {
    /// The path of the rule that delegates, such as `spec.http[0]`.
    pub path: String,
    /// Why.
    pub why: Why<'w>,
}

/// Why a rule is left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Why<'w> {
    /// There is no VirtualService of this name.
    NotFound {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It has hosts of its own, and so is no delegate.
    HasHosts(&'w Vs),
    /// It is not exported to the namespace of the one that delegates.
    NotExported(&'w Vs),
    /// A rule of the delegate delegates in its turn.
    Nested {
        /// The delegate.
        delegate: &'w Vs,
        /// The path of its rule.
        path: String,
    },
    /// A rule of the delegate has a match that no match of the rule that delegates includes.
    Conflict {
        /// The delegate.
        delegate: &'w Vs,
        /// The path of its rule.
        path: String,
    },
}

/// Puts the rules of delegates in the places of the rules that delegate.
///
/// A delegate is a VirtualService without hosts, in the namespace of `root` unless that writes another, and
/// exported to it. What a rule of the delegate does not say is what the rule says that delegates: rewrite, direct
/// response, timeout, retries, fault, mirrors, CORS and headers, each as a whole. Names are joined by `-`, matches
/// are merged. Short names of hosts are of the namespace of who writes them.
pub fn merge<'w>(world: &'w World, root: &'w Vs) -> Merged<'w> {
    let mut out = Merged { rules: Vec::new(), delegates: Vec::new(), dropped: Vec::new() };
    for (i, http) in root.spec.http.iter().enumerate() {
        let path = format!("spec.http[{i}]");
        if http.delegate.is_none() {
            out.rules.push(Rule { http: Cow::Borrowed(http), source: root, path, matches: None });
            continue;
        }
        match find(world, root, http) {
            Err(why) => out.dropped.push(Dropped { path, why }),
            Ok(delegate) => out.take(root, http, &path, delegate),
        }
    }
    out
}

fn find<'w>(world: &'w World, root: &Vs, http: &HttpRoute) -> Result<&'w Vs, Why<'w>> {
    let named = http.delegate.clone().unwrap_or_default();
    let namespace =
        if named.namespace.is_empty() { root.meta.namespace.to_string() } else { named.namespace };
    match world.get::<VirtualService>(&namespace, &named.name) {
        None => Err(Why::NotFound { namespace, name: named.name }),
        Some(delegate) if !delegate.spec.hosts.is_empty() => Err(Why::HasHosts(delegate)),
        Some(delegate) => {
            let seen_by = visibility::of_virtual_service(delegate, world.mesh());
            if seen_by.covers(&root.meta.namespace) { Ok(delegate) } else { Err(Why::NotExported(delegate)) }
        }
    }
}

impl<'w> Merged<'w> {
    fn take(&mut self, root: &Vs, over: &HttpRoute, at: &str, delegate: &'w Vs) {
        if !self.delegates.iter().any(|d| Arc::ptr_eq(d, delegate)) {
            self.delegates.push(delegate);
        }
        let over = with_full_names(over, &root.meta.namespace);
        for (i, http) in delegate.spec.http.iter().enumerate() {
            let path = format!("spec.http[{i}]");
            if http.delegate.is_some() {
                let why = Why::Nested { delegate, path };
                self.dropped.push(Dropped { path: at.to_owned(), why });
                continue;
            }
            let own = with_full_names(http, &delegate.meta.namespace);
            match matching::merge(&over.r#match, &own.r#match) {
                Some((places, matches)) => {
                    let http = Cow::Owned(HttpRoute { r#match: matches, ..inherit(&over, own) });
                    self.rules.push(Rule { http, source: delegate, path, matches: Some(places) });
                }
                None => {
                    let why = Why::Conflict { delegate, path };
                    self.dropped.push(Dropped { path: at.to_owned(), why });
                }
            }
        }
    }
}

fn inherit(over: &HttpRoute, mut own: HttpRoute) -> HttpRoute {
    own.name = joined(&over.name, &own.name);
    own.rewrite = own.rewrite.or_else(|| over.rewrite.clone());
    own.direct_response = own.direct_response.or_else(|| over.direct_response.clone());
    own.timeout = own.timeout.or(over.timeout);
    own.retries = own.retries.or_else(|| over.retries.clone());
    own.fault = own.fault.or_else(|| over.fault.clone());
    own.mirror = own.mirror.or_else(|| over.mirror.clone());
    own.mirror_percent = own.mirror_percent.or(over.mirror_percent);
    own.mirror_percent_snake_case = own.mirror_percent_snake_case.or(over.mirror_percent_snake_case);
    own.mirror_percentage = own.mirror_percentage.or(over.mirror_percentage);
    own.cors_policy = own.cors_policy.or_else(|| over.cors_policy.clone());
    own.headers = own.headers.or_else(|| over.headers.clone());
    if own.mirrors.is_empty() {
        own.mirrors = over.mirrors.clone();
    }
    own
}

/// `outer-inner`, or the one that there is.
fn joined(outer: &str, inner: &str) -> String {
    match (outer, inner) {
        ("", name) | (name, "") => name.to_owned(),
        (outer, inner) => format!("{outer}-{inner}"),
    }
}

/// The rule with the full names of what it refers to, so that it means the same in another namespace. What is no
/// host name stays as it is: whoever reads it says so.
fn with_full_names(http: &HttpRoute, namespace: &str) -> HttpRoute {
    let full = |to: &mut Destination| {
        if let Ok(host) = Hostname::resolve(&to.host, namespace, CLUSTER_DOMAIN) {
            to.host = host.to_string();
        }
    };
    let mut out = http.clone();
    out.route.iter_mut().for_each(|r| full(&mut r.destination));
    out.mirror.iter_mut().for_each(full);
    out.mirrors.iter_mut().for_each(|m| full(&mut m.destination));
    for wanted in &mut out.r#match {
        wanted.gateways.iter_mut().for_each(|g| *g = gateway_name(g, namespace));
    }
    out
}
