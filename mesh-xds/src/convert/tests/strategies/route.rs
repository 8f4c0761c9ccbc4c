//! Route tables.

use super::http::fault;
use super::{
    duration, fraction, header_match, header_name, header_value, name, number, origin, query_match, regex,
    text,
};
use ::http::StatusCode;
use mesh_core::model::RouteTable;
use mesh_core::model::route::{
    Action, DirectResponse, Forward, HashPolicy, HeaderChanges, HeaderEdit, Mirror, PathMatch, PathRewrite,
    RateLimitedBackoff, Redirect, RedirectPath, ResetFormat, ResetHeader, RetryCondition, RetryPolicy, Route,
    RouteMatch, Target, VirtualHost, WeightedCluster,
};
use mesh_core::model::values::Priority;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

fn edit() -> BoxedStrategy<HeaderEdit> {
    let pairs = || vec((header_name(), header_value()), 0..3);
    (pairs(), pairs(), vec(header_name(), 0..3))
        .prop_map(|(set, add, remove)| HeaderEdit { set, add, remove })
        .boxed()
}

pub(super) fn changes() -> BoxedStrategy<HeaderChanges> {
    (edit(), edit()).prop_map(|(request, response)| HeaderChanges { request, response }).boxed()
}

fn path() -> BoxedStrategy<String> {
    "/[a-z]{1,6}(/[a-z]{1,6})?".boxed()
}

fn route_match() -> BoxedStrategy<RouteMatch> {
    let path = prop_oneof![
        path().prop_map(PathMatch::Prefix),
        path().prop_map(PathMatch::Segments),
        path().prop_map(PathMatch::Exact),
        regex().prop_map(PathMatch::Regex),
    ];
    (path, any::<bool>(), vec(header_match(), 0..3), vec(query_match(), 0..3), option::of(fraction()))
        .prop_map(|(path, case_sensitive, headers, query, fraction)| RouteMatch {
            path,
            case_sensitive,
            headers,
            query,
            fraction,
        })
        .boxed()
}

/// With at least one weight above zero.
fn weighted(changes: BoxedStrategy<HeaderChanges>, least: u32) -> BoxedStrategy<Target> {
    let cluster = (name(), least..100u32, changes).prop_map(|(cluster, weight, headers)| WeightedCluster {
        cluster,
        weight,
        headers,
    });
    vec(cluster, 1..4)
        .prop_map(|mut all| {
            all[0].weight = all[0].weight.max(1);
            Target::Weighted(all)
        })
        .boxed()
}

fn target() -> BoxedStrategy<Target> {
    prop_oneof![name().prop_map(Target::Cluster), weighted(changes(), 0)].boxed()
}

pub(super) fn tcp_target() -> BoxedStrategy<Target> {
    let none = Just(HeaderChanges::default()).boxed();
    prop_oneof![name().prop_map(Target::Cluster), weighted(none, 1)].boxed()
}

fn retry() -> BoxedStrategy<RetryPolicy> {
    let on = subsequence(RetryCondition::ALL.to_vec(), 0..=15).prop_map(FromIterator::from_iter);
    let codes = vec((100..1000u16).prop_map(|code| StatusCode::from_u16(code).unwrap()), 0..3);
    let format = select(vec![ResetFormat::Seconds, ResetFormat::UnixTimestamp]);
    let reset = (header_name(), format).prop_map(|(name, format)| ResetHeader { name, format });
    let rate_limited = (vec(reset, 1..3), duration())
        .prop_map(|(reset_headers, max_interval)| RateLimitedBackoff { reset_headers, max_interval });
    let answers = (codes, vec(header_match(), 0..2), vec(header_match(), 0..2), option::of(rate_limited));
    (on, number(), option::of(duration()), answers, duration(), duration(), number())
        .prop_map(|(on, retries, per_try_timeout, answers, base, more, avoid)| {
            let (retriable_status_codes, retriable_headers, retriable_request_headers, rate_limited_backoff) =
                answers;
            RetryPolicy {
                on,
                retries,
                per_try_timeout,
                retriable_status_codes,
                retriable_headers,
                retriable_request_headers,
                backoff_base: base,
                backoff_max: base + more,
                rate_limited_backoff,
                avoid_previous_hosts: avoid,
            }
        })
        .boxed()
}

fn hash() -> BoxedStrategy<HashPolicy> {
    let ttl = prop_oneof![duration(), Just(std::time::Duration::ZERO)];
    prop_oneof![
        header_name().prop_map(HashPolicy::Header),
        (text(), path(), option::of(ttl)).prop_map(|(name, path, ttl)| HashPolicy::Cookie {
            name,
            path,
            ttl
        }),
        Just(HashPolicy::SourceIp),
        text().prop_map(HashPolicy::Query),
    ]
    .boxed()
}

fn forward() -> BoxedStrategy<Forward> {
    let rewrite = prop_oneof![
        path().prop_map(PathRewrite::Prefix),
        (regex(), text()).prop_map(|(pattern, substitution)| PathRewrite::Regex { pattern, substitution }),
    ];
    let mirror = (name(), fraction()).prop_map(|(cluster, fraction)| Mirror { cluster, fraction });
    let priority = select(vec![Priority::Default, Priority::High]);
    let timeouts = (option::of(duration()), option::of(retry()));
    (
        target(),
        timeouts,
        option::of(rewrite),
        option::of(text()),
        vec(mirror, 0..3),
        priority,
        vec(hash(), 0..3),
    )
        .prop_map(|(to, (timeout, retry), rewrite, host_rewrite, mirrors, priority, hash)| Forward {
            to,
            timeout,
            retry,
            rewrite,
            host_rewrite,
            mirrors,
            priority,
            hash,
        })
        .boxed()
}

fn redirect() -> BoxedStrategy<Redirect> {
    let path = prop_oneof![path().prop_map(RedirectPath::Full), path().prop_map(RedirectPath::Prefix)];
    let status =
        select(vec![301u16, 302, 303, 307, 308]).prop_map(|code| StatusCode::from_u16(code).unwrap());
    let scheme = option::of(select(vec!["http".to_owned(), "https".to_owned()]));
    (scheme, option::of(text()), option::of(1..=u16::MAX), option::of(path), status, any::<bool>())
        .prop_map(|(scheme, host, port, path, status, strip_query)| Redirect {
            scheme,
            host,
            port,
            path,
            status,
            strip_query,
        })
        .boxed()
}

fn respond() -> BoxedStrategy<DirectResponse> {
    let body = prop_oneof![text().prop_map(String::into_bytes), vec(any::<u8>(), 0..9)];
    (200..600u16, body)
        .prop_map(|(status, body)| DirectResponse {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.into(),
        })
        .boxed()
}

fn route() -> BoxedStrategy<Route> {
    let action = prop_oneof![
        3 => forward().prop_map(|f| Action::Forward(Box::new(f))),
        1 => redirect().prop_map(Action::Redirect),
        1 => respond().prop_map(Action::Respond),
    ];
    let name = prop_oneof![name(), Just("".into())];
    (name, route_match(), action, changes(), option::of(fault()), option::of(super::name()), origin())
        .prop_map(|(name, matches, action, headers, fault, decorator, origin)| Route {
            name,
            matches,
            action,
            headers,
            fault,
            decorator,
            origin,
        })
        .boxed()
}

pub(crate) fn route_table() -> BoxedStrategy<RouteTable> {
    let host = (name(), vec(text(), 1..3), vec(route(), 0..3), changes(), any::<bool>(), origin()).prop_map(
        |(name, domains, routes, headers, include_attempt_count, origin)| VirtualHost {
            name,
            domains,
            routes,
            headers,
            include_attempt_count,
            origin,
        },
    );
    (name(), vec(host, 0..3), any::<bool>())
        .prop_map(|(name, mut virtual_hosts, ignore_port_in_host_matching)| {
            // A domain stands in at most one virtual host, and a virtual host's name in one place.
            for (i, host) in virtual_hosts.iter_mut().enumerate() {
                host.name = format!("{}-{i}", host.name).into();
                for (j, domain) in host.domains.iter_mut().enumerate() {
                    *domain = format!("{i}.{j}.{domain}");
                }
            }
            RouteTable { name, virtual_hosts, ignore_port_in_host_matching }
        })
        .boxed()
}
