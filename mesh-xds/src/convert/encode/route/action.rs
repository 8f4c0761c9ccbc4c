//! What happens to a request that takes a route: forward, redirect, answer.

use super::{additions, removals};
use crate::convert::encode::value::{duration, inline, runtime_fraction, uint};
use crate::convert::encode::{matcher, pack, value};
use crate::convert::{names, pb};
use mesh_core::model::route::{
    DirectResponse, Forward, HashPolicy, Mirror, PathRewrite, RateLimitedBackoff, Redirect, RedirectPath,
    ResetFormat, RetryPolicy, Target, WeightedCluster,
};
use mesh_core::model::values::Priority;
use pb::route::redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier};
use pb::route::retry_policy::retry_host_predicate::ConfigType;
use pb::route::retry_policy::{RateLimitedRetryBackOff, ResetHeaderFormat, RetryBackOff, RetryHostPredicate};
use pb::route::route_action::hash_policy::{
    ConnectionProperties, Cookie, Header, PolicySpecifier, QueryParameter,
};
use pb::route::route_action::{
    ClusterSpecifier, HostRewriteSpecifier, MaxStreamDuration, RequestMirrorPolicy,
};

pub(super) fn forward(forward: &Forward) -> pb::route::RouteAction {
    let (prefix_rewrite, regex_rewrite) = match &forward.rewrite {
        None => (String::new(), None),
        Some(PathRewrite::Prefix(prefix)) => (prefix.clone(), None),
        Some(PathRewrite::Regex { pattern, substitution }) => {
            let rewrite = pb::matcher::RegexMatchAndSubstitute {
                pattern: Some(matcher::regex(pattern)),
                substitution: substitution.clone(),
            };
            (String::new(), Some(rewrite))
        }
    };
    pb::route::RouteAction {
        prefix_rewrite,
        regex_rewrite,
        timeout: Some(value::or_zero(forward.timeout)),
        // The bound of `grpc-timeout`; the only timeout that gRPC clients without a proxy look at.
        max_stream_duration: forward.timeout.map(|timeout| MaxStreamDuration {
            grpc_timeout_header_max: Some(duration(timeout)),
            ..Default::default()
        }),
        retry_policy: forward.retry.as_ref().map(retry),
        request_mirror_policies: forward.mirrors.iter().map(mirror).collect(),
        priority: match forward.priority {
            Priority::Default => pb::core::RoutingPriority::Default.into(),
            Priority::High => pb::core::RoutingPriority::High.into(),
        },
        hash_policy: forward.hash.iter().map(hash).collect(),
        cluster_specifier: Some(match &forward.to {
            Target::Cluster(name) => ClusterSpecifier::Cluster((&**name).into()),
            Target::Weighted(all) => ClusterSpecifier::WeightedClusters(pb::route::WeightedCluster {
                clusters: all.iter().map(weighted).collect(),
                ..Default::default()
            }),
        }),
        host_rewrite_specifier: forward.host_rewrite.clone().map(HostRewriteSpecifier::HostRewriteLiteral),
        ..Default::default()
    }
}

fn weighted(cluster: &WeightedCluster) -> pb::route::weighted_cluster::ClusterWeight {
    pb::route::weighted_cluster::ClusterWeight {
        name: (&*cluster.cluster).into(),
        weight: Some(uint(cluster.weight)),
        request_headers_to_add: additions(&cluster.headers.request),
        request_headers_to_remove: removals(&cluster.headers.request),
        response_headers_to_add: additions(&cluster.headers.response),
        response_headers_to_remove: removals(&cluster.headers.response),
        ..Default::default()
    }
}

/// A TCP proxy's clusters: without headers, and Envoy refuses a weight of zero there.
pub(in crate::convert::encode) fn weights(
    all: &[WeightedCluster],
) -> Vec<pb::tcp::tcp_proxy::weighted_cluster::ClusterWeight> {
    all.iter()
        .filter(|c| c.weight > 0)
        .map(|c| pb::tcp::tcp_proxy::weighted_cluster::ClusterWeight {
            name: (&*c.cluster).into(),
            weight: c.weight,
            metadata_match: None,
        })
        .collect()
}

fn retry(policy: &RetryPolicy) -> pb::route::RetryPolicy {
    let avoid = (policy.avoid_previous_hosts > 0).then(|| RetryHostPredicate {
        name: names::PREVIOUS_HOSTS.to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack(
            &pb::previous_hosts::PreviousHostsPredicate::default(),
        ))),
    });
    pb::route::RetryPolicy {
        retry_on: policy.on.to_string(),
        num_retries: Some(uint(policy.retries)),
        per_try_timeout: policy.per_try_timeout.map(duration),
        retry_host_predicate: avoid.into_iter().collect(),
        host_selection_retry_max_attempts: policy.avoid_previous_hosts.into(),
        retriable_status_codes: policy.retriable_status_codes.iter().map(|s| s.as_u16().into()).collect(),
        retry_back_off: Some(RetryBackOff {
            base_interval: Some(duration(policy.backoff_base)),
            max_interval: Some(duration(policy.backoff_max)),
        }),
        retriable_headers: policy.retriable_headers.iter().map(matcher::header).collect(),
        retriable_request_headers: policy.retriable_request_headers.iter().map(matcher::header).collect(),
        rate_limited_retry_back_off: policy.rate_limited_backoff.as_ref().map(rate_limited),
        ..Default::default()
    }
}

fn rate_limited(backoff: &RateLimitedBackoff) -> RateLimitedRetryBackOff {
    let reset_headers = backoff.reset_headers.iter().map(|reset| pb::route::retry_policy::ResetHeader {
        name: reset.name.to_string(),
        format: match reset.format {
            ResetFormat::Seconds => ResetHeaderFormat::Seconds.into(),
            ResetFormat::UnixTimestamp => ResetHeaderFormat::UnixTimestamp.into(),
        },
    });
    RateLimitedRetryBackOff {
        reset_headers: reset_headers.collect(),
        max_interval: Some(duration(backoff.max_interval)),
    }
}

fn mirror(mirror: &Mirror) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster: (&*mirror.cluster).into(),
        runtime_fraction: Some(runtime_fraction(mirror.fraction)),
        ..Default::default()
    }
}

fn hash(policy: &HashPolicy) -> pb::route::route_action::HashPolicy {
    let specifier = match policy {
        HashPolicy::Header(name) => {
            PolicySpecifier::Header(Header { header_name: name.to_string(), regex_rewrite: None })
        }
        HashPolicy::Cookie { name, path, ttl } => PolicySpecifier::Cookie(Cookie {
            name: name.clone(),
            ttl: ttl.map(duration),
            path: path.clone(),
            attributes: vec![],
        }),
        HashPolicy::SourceIp => {
            PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip: true })
        }
        HashPolicy::Query(name) => PolicySpecifier::QueryParameter(QueryParameter { name: name.clone() }),
    };
    pb::route::route_action::HashPolicy { terminal: false, policy_specifier: Some(specifier) }
}

pub(super) fn redirect(redirect: &Redirect) -> pb::route::RedirectAction {
    let code = match redirect.status.as_u16() {
        302 => RedirectResponseCode::Found,
        303 => RedirectResponseCode::SeeOther,
        307 => RedirectResponseCode::TemporaryRedirect,
        308 => RedirectResponseCode::PermanentRedirect,
        _ => RedirectResponseCode::MovedPermanently,
    };
    pb::route::RedirectAction {
        host_redirect: redirect.host.clone().unwrap_or_default(),
        port_redirect: redirect.port.unwrap_or_default().into(),
        response_code: code.into(),
        strip_query: redirect.strip_query,
        scheme_rewrite_specifier: redirect.scheme.clone().map(SchemeRewriteSpecifier::SchemeRedirect),
        path_rewrite_specifier: redirect.path.as_ref().map(|path| match path {
            RedirectPath::Full(path) => PathRewriteSpecifier::PathRedirect(path.clone()),
            RedirectPath::Prefix(prefix) => PathRewriteSpecifier::PrefixRewrite(prefix.clone()),
        }),
    }
}

pub(super) fn respond(response: &DirectResponse) -> pb::route::DirectResponseAction {
    let body = match std::str::from_utf8(&response.body) {
        Ok("") => None,
        Ok(text) => Some(inline(text)),
        Err(_) => Some(pb::core::DataSource {
            specifier: Some(pb::core::data_source::Specifier::InlineBytes(response.body.to_vec())),
            watched_directory: None,
        }),
    };
    pb::route::DirectResponseAction { status: response.status.as_u16().into(), body, body_format: None }
}
