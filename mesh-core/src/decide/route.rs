//! Which route a request takes.
//!
//! Envoy's order: the virtual host by exact domain, then by longest `*.suffix`, then by longest `prefix.*`,
//! then `*`; inside it the first route that matches.

use crate::model::Name;
use crate::model::matcher::RequestHead;
use crate::model::route::{
    Action, PathMatch, Route, RouteMatch, RouteTable, Target, VirtualHost, WeightedCluster,
};
use std::collections::HashMap;
use std::sync::Arc;

/// A route table with an index of its virtual hosts.
#[derive(Clone, Debug)]
pub struct Router {
    table: Arc<RouteTable>,
    exact: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    /// `*.example.com` without the star; longest first.
    suffixes: Vec<(Box<str>, usize)>,
    /// `example.*` without the star; longest first.
    prefixes: Vec<(Box<str>, usize)>,
    any: Option<usize>,
}

/// What a request was matched to.
#[derive(Clone, Copy, Debug)]
pub struct Routed<'t> {
    /// The virtual host.
    pub host: &'t VirtualHost,
    /// The route.
    pub route: &'t Route,
    /// The cluster, where the route forwards; with its own header changes if it is one of several.
    pub cluster: Option<Chosen<'t>>,
}

/// The cluster that a route chose.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'t> {
    /// Its name.
    pub name: &'t Name,
    /// The entry that it stands in, if there are several.
    pub weighted: Option<&'t WeightedCluster>,
}

impl Router {
    /// Indexes a table.
    pub fn new(table: Arc<RouteTable>) -> Self {
        let mut exact = HashMap::default();
        let (mut suffixes, mut prefixes, mut any) = (Vec::new(), Vec::new(), None);
        for (i, host) in table.virtual_hosts.iter().enumerate() {
            for domain in &host.domains {
                let domain = domain.to_ascii_lowercase();
                if domain == "*" {
                    any.get_or_insert(i);
                } else if let Some(suffix) = domain.strip_prefix('*') {
                    suffixes.push((suffix.into(), i));
                } else if let Some(prefix) = domain.strip_suffix('*') {
                    prefixes.push((prefix.into(), i));
                } else {
                    exact.entry(domain.into_boxed_str()).or_insert(i);
                }
            }
        }
        let longest_first = |a: &(Box<str>, usize), b: &(Box<str>, usize)| b.0.len().cmp(&a.0.len());
        suffixes.sort_by(longest_first);
        prefixes.sort_by(longest_first);
        Self { table, exact, suffixes, prefixes, any }
    }

    /// The table.
    pub fn table(&self) -> &Arc<RouteTable> {
        &self.table
    }

    /// The virtual host of an authority.
    pub fn host(&self, authority: &str) -> Option<&VirtualHost> {
        let authority =
            if self.table.ignore_port_in_host_matching { without_port(authority) } else { authority };
        let folded;
        let authority = if authority.bytes().any(|b| b.is_ascii_uppercase()) {
            folded = authority.to_ascii_lowercase();
            folded.as_str()
        } else {
            authority
        };
        let found = self.exact.get(authority).copied().or_else(|| {
            // A wildcard stands for at least one byte.
            let longer = |part: &str| authority.len() > part.len();
            let by_suffix = self.suffixes.iter().find(|(s, _)| longer(s) && authority.ends_with(&**s));
            let by_prefix = || self.prefixes.iter().find(|(p, _)| longer(p) && authority.starts_with(&**p));
            by_suffix.or_else(by_prefix).map(|(_, i)| *i).or(self.any)
        })?;
        self.table.virtual_hosts.get(found)
    }

    /// The route of a request; `random` is any 64 random bits.
    pub fn route(&self, head: &RequestHead<'_>, random: u64) -> Option<Routed<'_>> {
        let host = self.host(head.authority)?;
        let route = host.routes.iter().find(|route| matches(&route.matches, head, random))?;
        let cluster = match &route.action {
            Action::Forward(forward) => choose(&forward.to, random),
            Action::Redirect(_) | Action::Respond(_) => None,
        };
        Some(Routed { host, route, cluster })
    }
}

/// The authority without `:port`; an IPv6 address keeps its brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            if host.contains(':') && !host.ends_with(']') { authority } else { host }
        }
        _ => authority,
    }
}

/// Whether a request is as a route wants it.
pub fn matches(want: &RouteMatch, head: &RequestHead<'_>, random: u64) -> bool {
    path_matches(want, head.path_only())
        && want.headers.iter().all(|h| h.matches(head))
        && want.query.iter().all(|q| q.matches(head.query()))
        // Other bits than those that choose the cluster, so that the two draws are independent.
        && want.fraction.is_none_or(|f| f.hits(random.rotate_left(32)))
}

/// Whether a path, without its query, is what a match wants.
pub fn path_matches(want: &RouteMatch, path: &str) -> bool {
    let case = want.case_sensitive;
    let same = |a: &[u8], b: &[u8]| if case { a == b } else { a.eq_ignore_ascii_case(b) };
    let starts =
        |prefix: &str| path.as_bytes().get(..prefix.len()).is_some_and(|head| same(head, prefix.as_bytes()));
    match &want.path {
        PathMatch::Prefix(prefix) => starts(prefix),
        PathMatch::Segments(prefix) => {
            starts(prefix) && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))
        }
        PathMatch::Exact(exact) => same(path.as_bytes(), exact.as_bytes()),
        PathMatch::Regex(re) => re.is_match(path),
    }
}

/// The step of an evenly spread sequence of draws: 2⁶⁴ divided by the golden ratio.
///
/// A proxy that adds it to its last draw, wrapping, splits traffic closer to the weights than dice do:
/// among any hundred requests a tenth is ten, give or take one.
pub const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// One cluster of a target, by weight.
pub fn choose(target: &Target, random: u64) -> Option<Chosen<'_>> {
    match target {
        Target::Cluster(name) => Some(Chosen { name, weighted: None }),
        Target::Weighted(all) => {
            let sum: u64 = all.iter().map(|w| u64::from(w.weight)).sum();
            if sum == 0 {
                return None;
            }
            // The high bits decide, so that an evenly spread sequence of draws gives an even split.
            let mut at = u64::try_from((u128::from(random) * u128::from(sum)) >> 64).unwrap_or(u64::MAX);
            all.iter().find_map(|entry| {
                let weight = u64::from(entry.weight);
                if at < weight {
                    return Some(Chosen { name: &entry.cluster, weighted: Some(entry) });
                }
                at -= weight;
                None
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::route::{Forward, HeaderChanges};
    use http::{HeaderMap, Method};

    fn route_to(cluster: &str, path: PathMatch) -> Route {
        Route {
            name: cluster.into(),
            matches: RouteMatch { path, ..RouteMatch::default() },
            action: Action::Forward(Box::new(Forward::to(cluster))),
            headers: HeaderChanges::default(),
            fault: None,
            decorator: None,
            origin: None,
        }
    }

    fn host(name: &str, domains: &[&str], routes: Vec<Route>) -> VirtualHost {
        VirtualHost {
            name: name.into(),
            domains: domains.iter().map(|d| (*d).to_owned()).collect(),
            routes,
            headers: HeaderChanges::default(),
            include_attempt_count: false,
            origin: None,
        }
    }

    fn router(virtual_hosts: Vec<VirtualHost>) -> Router {
        Router::new(Arc::new(RouteTable { virtual_hosts, ..RouteTable::default() }))
    }

    fn cluster(router: &Router, authority: &str, path: &str) -> Option<String> {
        let headers = HeaderMap::new();
        let head = RequestHead { method: &Method::GET, scheme: "http", authority, path, headers: &headers };
        router.route(&head, 0).and_then(|r| r.cluster).map(|c| c.name.to_string())
    }

    #[test]
    fn the_most_specific_domain_wins() {
        let all = || vec![route_to("x", PathMatch::Prefix("/".into()))];
        let r = router(vec![
            host("any", &["*"], all()),
            host("suffix", &["*.com"], all()),
            host("longer", &["*.example.com"], all()),
            host("prefix", &["www.*"], all()),
            host("exact", &["www.example.com", "api:9080"], all()),
        ]);
        let name = |authority: &str| r.host(authority).map(|h| h.name.to_string()).unwrap();
        assert_eq!(name("WWW.example.com"), "exact");
        assert_eq!(name("a.example.com"), "longer");
        assert_eq!(name("example.com"), "suffix");
        assert_eq!(name("www.example.org"), "prefix");
        assert_eq!(name("api:9080"), "exact");
        assert_eq!(name("api"), "any");
    }

    #[test]
    fn the_first_route_that_matches_is_taken() {
        let r = router(vec![host(
            "h",
            &["*"],
            vec![
                route_to("exact", PathMatch::Exact("/a".into())),
                route_to("segments", PathMatch::Segments("/a".into())),
                route_to("prefix", PathMatch::Prefix("/ab".into())),
            ],
        )]);
        assert_eq!(cluster(&r, "x", "/a?q").as_deref(), Some("exact"));
        assert_eq!(cluster(&r, "x", "/a/b").as_deref(), Some("segments"));
        assert_eq!(cluster(&r, "x", "/abc").as_deref(), Some("prefix"));
        assert_eq!(cluster(&r, "x", "/b"), None);
    }

    #[test]
    fn weights_split_exactly() {
        let entry = |name: &str, weight| WeightedCluster {
            cluster: name.into(),
            weight,
            headers: HeaderChanges::default(),
        };
        let target = Target::Weighted(vec![entry("a", 90), entry("none", 0), entry("b", 10)]);
        let draw = |n: u64| n * (u64::MAX / 1000 + 1);
        let count =
            |name: &str| (0..1000).filter(|n| &**choose(&target, draw(*n)).unwrap().name == name).count();
        assert_eq!((count("a"), count("none"), count("b")), (900, 0, 100));
        let golden = |n: u64| 7u64.wrapping_add(n.wrapping_mul(SPREAD));
        let spread = (0..100).filter(|n| &**choose(&target, golden(*n)).unwrap().name == "b").count();
        assert_eq!(spread, 10, "a hundred spread draws hit a tenth exactly");
        assert!(choose(&Target::Weighted(vec![]), 0).is_none());
    }

    #[test]
    fn a_port_is_ignored_where_the_table_says_so() {
        let table = RouteTable {
            virtual_hosts: vec![host("h", &["a", "[::1]"], vec![])],
            ignore_port_in_host_matching: true,
            ..RouteTable::default()
        };
        let r = Router::new(Arc::new(table));
        assert!(r.host("a:80").is_some() && r.host("[::1]:80").is_some() && r.host("[::1]").is_some());
        assert!(r.host("a:80x").is_none());
    }
}
