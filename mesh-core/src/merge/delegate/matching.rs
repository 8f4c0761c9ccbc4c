//! Matches of a rule that delegates and of a rule of the delegate, as one.
//!
//! Istio: `mergeHTTPMatchRequests`, `hasConflict` and `stringMatchConflict` in
//! `pilot/pkg/model/virtualservice.go`.

use super::joined;
use crate::api::networking::virtual_service::HttpMatch;
use crate::api::value::StringMatch;
use std::collections::BTreeMap;

/// The merged matches, each with its place in the delegate's list; `None` where they conflict.
///
/// Without matches on one side the other's stand. Otherwise each of the delegate's must be within at least one of
/// the outer ones, and is merged with every one that it is within.
pub(super) fn merge(outer: &[HttpMatch], inner: &[HttpMatch]) -> Option<(Vec<usize>, Vec<HttpMatch>)> {
    if outer.is_empty() || inner.is_empty() {
        let all = if outer.is_empty() { inner } else { outer };
        return Some(((0..all.len()).collect(), all.to_vec()));
    }
    let (mut places, mut matches) = (Vec::new(), Vec::new());
    for (i, own) in inner.iter().enumerate() {
        let before = matches.len();
        matches.extend(outer.iter().filter(|over| !conflict(over, own)).map(|over| merged(over, own)));
        if matches.len() == before {
            return None;
        }
        places.resize(matches.len(), i);
    }
    Some((places, matches))
}

fn merged(over: &HttpMatch, own: &HttpMatch) -> HttpMatch {
    let either = |own: &Option<StringMatch>, over: &Option<StringMatch>| own.clone().or_else(|| over.clone());
    let filled = |own: &str, over: &str| if own.is_empty() { over } else { own }.to_owned();
    HttpMatch {
        name: joined(&over.name, &own.name),
        uri: either(&own.uri, &over.uri),
        scheme: either(&own.scheme, &over.scheme),
        method: either(&own.method, &over.method),
        authority: either(&own.authority, &over.authority),
        headers: union(&over.headers, &own.headers),
        without_headers: union(&over.without_headers, &own.without_headers),
        query_params: union(&over.query_params, &own.query_params),
        port: own.port.or(over.port),
        source_labels: union(&over.source_labels, &own.source_labels),
        source_namespace: filled(&own.source_namespace, &over.source_namespace),
        gateways: if own.gateways.is_empty() { over.gateways.clone() } else { own.gateways.clone() },
        stat_prefix: filled(&own.stat_prefix, &over.stat_prefix),
        ..own.clone()
    }
}

/// Both; what both have is the inner one's.
fn union<V: Clone>(over: &BTreeMap<String, V>, own: &BTreeMap<String, V>) -> BTreeMap<String, V> {
    over.iter().chain(own).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Whether a match of the delegate is not within an outer one. As in Istio, a delegate must repeat the outer
/// `sourceNamespace` and `ignoreUriCase` where it has matches of its own.
fn conflict(over: &HttpMatch, own: &HttpMatch) -> bool {
    let either = |over: &Option<StringMatch>, own: &Option<StringMatch>| match (over, own) {
        (Some(over), Some(own)) => !within(over, own),
        _ => false,
    };
    let any = |over: &BTreeMap<String, StringMatch>, own: &BTreeMap<String, StringMatch>| {
        own.iter().any(|(key, own)| over.get(key).is_some_and(|over| !within(over, own)))
    };
    either(&over.uri, &own.uri)
        || either(&over.scheme, &own.scheme)
        || either(&over.method, &own.method)
        || either(&over.authority, &own.authority)
        || any(&over.headers, &own.headers)
        || any(&over.without_headers, &own.without_headers)
        || any(&over.query_params, &own.query_params)
        || over.ignore_uri_case != own.ignore_uri_case
        || over.port.is_some_and(|port| own.port.is_some_and(|own| own != port))
        || (!over.source_namespace.is_empty() && own.source_namespace != over.source_namespace)
        || own.source_labels.iter().any(|(k, v)| over.source_labels.get(k).is_some_and(|over| over != v))
        || (!over.gateways.is_empty() && own.gateways.iter().any(|g| !over.gateways.contains(g)))
}

/// Whether what the inner one matches, the outer one does too, as far as Istio looks: a pattern is within nothing,
/// and nothing is within a pattern.
fn within(over: &StringMatch, own: &StringMatch) -> bool {
    match (over, own) {
        (StringMatch::Exact(over), StringMatch::Exact(own)) => !over.is_empty() && over == own,
        (StringMatch::Prefix(over), StringMatch::Prefix(own) | StringMatch::Exact(own)) => {
            !over.is_empty() && own.starts_with(over.as_str())
        }
        _ => false,
    }
}
