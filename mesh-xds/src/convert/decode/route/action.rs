//! What happens to a request that takes a route: forward, redirect, answer.

use super::{additions, changes, removals};
use crate::convert::decode::{matcher, refuse, unpack, value};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::pb;
use mesh_core::model::matcher::Regex;
use mesh_core::model::route::{
    DirectResponse, Forward, HashPolicy, HeaderChanges, HeaderEdit, Mirror, PathRewrite, RateLimitedBackoff,
    Redirect, RedirectPath, ResetFormat, ResetHeader, RetryCondition, RetryOn, RetryPolicy, Target,
    WeightedCluster,
};
use mesh_core::model::values::{Fraction, Priority};
use pb::route::redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier};
use pb::route::retry_policy::ResetHeaderFormat;
use pb::route::route_action::hash_policy::PolicySpecifier;
use pb::route::route_action::{ClusterSpecifier, HostRewriteSpecifier, MaxStreamDuration};
use std::time::Duration;

/// Envoy's default for the whole of a request.
const TIMEOUT: Duration = Duration::from_secs(15);

#[expect(deprecated)]
pub(super) fn forward(raw: &pb::route::RouteAction) -> Result<Forward, ConvertError> {
    // `cluster_not_found_response_code` is left aside: 503 is Envoy's default, and ours.
    refuse!(
        raw;
        metadata_match,
        path_rewrite_policy,
        path_rewrite,
        append_x_forwarded_host,
        idle_timeout,
        early_data_policy,
        retry_policy_typed_config,
        rate_limits,
        cors,
        grpc_timeout_offset,
        upgrade_configs,
        internal_redirect_policy,
        internal_redirect_action,
        hedge_policy,
    );
    let timeout = value::unless_zero(raw.timeout.as_ref(), TIMEOUT).at("timeout")?;
    if let Some(max) = &raw.max_stream_duration {
        grpc_timeout(max, timeout).at("max_stream_duration")?;
    }
    let to = match &raw.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => Target::Cluster(name.as_str().into()),
        Some(ClusterSpecifier::WeightedClusters(all)) => {
            Target::Weighted(weighted_clusters(all).at("weighted_clusters")?)
        }
        Some(ClusterSpecifier::ClusterHeader(_)) => return Err(ConvertError::unsupported("cluster_header")),
        Some(_) => return Err(ConvertError::unsupported("cluster_specifier_plugin")),
        None => return Err(ConvertError::missing("cluster_specifier")),
    };
    let host_rewrite = match &raw.host_rewrite_specifier {
        None => None,
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => Some(host.clone()),
        Some(HostRewriteSpecifier::AutoHostRewrite(on)) if !on.value => None,
        Some(HostRewriteSpecifier::AutoHostRewrite(_)) => {
            return Err(ConvertError::unsupported("auto_host_rewrite"));
        }
        Some(_) => {
            return Err(ConvertError::new("only host_rewrite_literal is supported").within("host_rewrite"));
        }
    };
    Ok(Forward {
        to,
        timeout,
        retry: raw.retry_policy.as_ref().map(retry).transpose().at("retry_policy")?,
        rewrite: rewrite(raw)?,
        host_rewrite,
        mirrors: each(&raw.request_mirror_policies, mirror).at("request_mirror_policies")?,
        priority: match value::enumeration(raw.priority).at("priority")? {
            pb::core::RoutingPriority::Default => Priority::Default,
            pb::core::RoutingPriority::High => Priority::High,
        },
        hash: each(&raw.hash_policy, hash).at("hash_policy")?,
    })
}

/// The bound of `grpc-timeout` may repeat the route's, and say nothing else.
fn grpc_timeout(max: &MaxStreamDuration, timeout: Option<Duration>) -> Result<(), ConvertError> {
    refuse!(max; max_stream_duration, grpc_timeout_header_offset);
    let bound = value::optional(max.grpc_timeout_header_max.as_ref()).at("grpc_timeout_header_max")?;
    match bound.filter(|d| !d.is_zero()) {
        Some(bound) if Some(bound) != timeout => {
            let message = "must be the route's timeout";
            Err(ConvertError::new(message).within("grpc_timeout_header_max"))
        }
        _ => Ok(()),
    }
}

fn rewrite(raw: &pb::route::RouteAction) -> Result<Option<PathRewrite>, ConvertError> {
    let Some(regex) = &raw.regex_rewrite else {
        let prefix = &raw.prefix_rewrite;
        return Ok((!prefix.is_empty()).then(|| PathRewrite::Prefix(prefix.clone())));
    };
    if !raw.prefix_rewrite.is_empty() {
        return Err(ConvertError::new("stands beside a prefix_rewrite").within("regex_rewrite"));
    }
    let pattern = regex_pattern(regex).at("regex_rewrite")?;
    Ok(Some(PathRewrite::Regex { pattern, substitution: regex.substitution.clone() }))
}

fn regex_pattern(regex: &pb::matcher::RegexMatchAndSubstitute) -> Result<Regex, ConvertError> {
    let pattern = regex.pattern.as_ref().ok_or_else(|| ConvertError::missing("pattern"))?;
    matcher::regex(pattern).at("pattern")
}

fn weighted_clusters(all: &pb::route::WeightedCluster) -> Result<Vec<WeightedCluster>, ConvertError> {
    refuse!(all; random_value_specifier);
    let clusters = each(&all.clusters, weighted).at("clusters")?;
    if clusters.iter().all(|c| c.weight == 0) {
        return Err(ConvertError::new("no weight is above zero").within("clusters"));
    }
    Ok(clusters)
}

fn weighted(raw: &pb::route::weighted_cluster::ClusterWeight) -> Result<WeightedCluster, ConvertError> {
    refuse!(raw; cluster_header, metadata_match, typed_per_filter_config, host_rewrite_specifier);
    Ok(WeightedCluster {
        cluster: raw.name.as_str().into(),
        weight: value::uint(raw.weight.as_ref(), 0),
        headers: changes!(raw),
    })
}

fn retry(raw: &pb::route::RetryPolicy) -> Result<RetryPolicy, ConvertError> {
    refuse!(
        raw;
        per_try_idle_timeout,
        retry_priority,
        retry_options_predicates,
        refresh_cluster_on_retry,
    );
    let on = raw.retry_on.split(',').map(str::trim).filter(|name| !name.is_empty());
    let on = on.map(|name| {
        let unknown = || ConvertError::new(format!("{name:?} is not supported")).within("retry_on");
        RetryCondition::from_name(name).ok_or_else(unknown)
    });
    let defaults = RetryPolicy::default();
    let (base, max) = match &raw.retry_back_off {
        None => (defaults.backoff_base, defaults.backoff_max),
        Some(back_off) => backoff(back_off).at("retry_back_off")?,
    };
    Ok(RetryPolicy {
        on: on.collect::<Result<RetryOn, _>>()?,
        retries: value::uint(raw.num_retries.as_ref(), 1),
        // Zero is Envoy's way to leave the route's timeout alone, too.
        per_try_timeout: value::unless_zero(raw.per_try_timeout.as_ref(), Duration::ZERO)
            .at("per_try_timeout")?,
        retriable_status_codes: each(&raw.retriable_status_codes, |code| value::status(*code))
            .at("retriable_status_codes")?,
        retriable_headers: each(&raw.retriable_headers, matcher::header).at("retriable_headers")?,
        retriable_request_headers: each(&raw.retriable_request_headers, matcher::header)
            .at("retriable_request_headers")?,
        backoff_base: base,
        backoff_max: max,
        rate_limited_backoff: raw
            .rate_limited_retry_back_off
            .as_ref()
            .map(rate_limited)
            .transpose()
            .at("rate_limited_retry_back_off")?,
        avoid_previous_hosts: avoid_previous_hosts(raw)?,
    })
}

fn backoff(raw: &pb::route::retry_policy::RetryBackOff) -> Result<(Duration, Duration), ConvertError> {
    let base = raw.base_interval.as_ref().ok_or_else(|| ConvertError::missing("base_interval"))?;
    let base = value::duration(base).at("base_interval")?;
    let max = value::optional(raw.max_interval.as_ref()).at("max_interval")?;
    Ok((base, max.unwrap_or_else(|| base.saturating_mul(10))))
}

fn rate_limited(
    raw: &pb::route::retry_policy::RateLimitedRetryBackOff,
) -> Result<RateLimitedBackoff, ConvertError> {
    if raw.reset_headers.is_empty() {
        return Err(ConvertError::missing("reset_headers"));
    }
    let reset = |reset: &pb::route::retry_policy::ResetHeader| {
        let name = value::header_name(&reset.name).at("name")?;
        let format = match ResetHeaderFormat::try_from(reset.format) {
            Ok(ResetHeaderFormat::Seconds) => ResetFormat::Seconds,
            Ok(ResetHeaderFormat::UnixTimestamp) => ResetFormat::UnixTimestamp,
            Err(_) => {
                let message = format!("{} is not a format", reset.format);
                return Err(ConvertError::new(message).within("format"));
            }
        };
        Ok(ResetHeader { name, format })
    };
    let max = value::optional(raw.max_interval.as_ref()).at("max_interval")?;
    Ok(RateLimitedBackoff {
        reset_headers: each(&raw.reset_headers, reset).at("reset_headers")?,
        max_interval: max.unwrap_or(RateLimitedBackoff::MAX_INTERVAL),
    })
}

fn avoid_previous_hosts(raw: &pb::route::RetryPolicy) -> Result<u32, ConvertError> {
    use pb::route::retry_policy::retry_host_predicate::ConfigType;
    if raw.retry_host_predicate.is_empty() {
        return Ok(0);
    }
    each(&raw.retry_host_predicate, |predicate| match &predicate.config_type {
        Some(ConfigType::TypedConfig(any)) => {
            unpack::<pb::previous_hosts::PreviousHostsPredicate>(any).map(drop).at("typed_config")
        }
        None => Err(ConvertError::missing("typed_config")),
    })
    .at("retry_host_predicate")?;
    let attempts = raw.host_selection_retry_max_attempts;
    match u32::try_from(attempts) {
        // Envoy's default.
        Ok(0) => Ok(1),
        Ok(attempts) => Ok(attempts),
        Err(_) => {
            let message = format!("{attempts} is not a number of attempts");
            Err(ConvertError::new(message).within("host_selection_retry_max_attempts"))
        }
    }
}

fn mirror(raw: &pb::route::route_action::RequestMirrorPolicy) -> Result<Mirror, ConvertError> {
    refuse!(
        raw;
        cluster_header,
        disable_shadow_host_suffix_append,
        request_headers_mutations,
        host_rewrite_literal,
    );
    let fraction = raw.runtime_fraction.as_ref().map(value::runtime_fraction).transpose();
    Ok(Mirror {
        cluster: raw.cluster.as_str().into(),
        fraction: fraction.at("runtime_fraction")?.unwrap_or(Fraction::ONE),
    })
}

fn hash(raw: &pb::route::route_action::HashPolicy) -> Result<HashPolicy, ConvertError> {
    refuse!(raw; terminal);
    match &raw.policy_specifier {
        Some(PolicySpecifier::Header(header)) => {
            refuse!(header; regex_rewrite);
            let name = value::header_name(&header.header_name).at("header.header_name")?;
            Ok(HashPolicy::Header(name))
        }
        Some(PolicySpecifier::Cookie(cookie)) => {
            refuse!(cookie; attributes);
            Ok(HashPolicy::Cookie {
                name: cookie.name.clone(),
                path: cookie.path.clone(),
                ttl: value::optional(cookie.ttl.as_ref()).at("cookie.ttl")?,
            })
        }
        Some(PolicySpecifier::ConnectionProperties(of)) if of.source_ip => Ok(HashPolicy::SourceIp),
        Some(PolicySpecifier::ConnectionProperties(_)) => {
            Err(ConvertError::missing("connection_properties.source_ip"))
        }
        Some(PolicySpecifier::QueryParameter(query)) => Ok(HashPolicy::Query(query.name.clone())),
        Some(PolicySpecifier::FilterState(_)) => Err(ConvertError::unsupported("filter_state")),
        None => Err(ConvertError::missing("policy_specifier")),
    }
}

pub(super) fn redirect(raw: &pb::route::RedirectAction) -> Result<Redirect, ConvertError> {
    let scheme = match &raw.scheme_rewrite_specifier {
        None | Some(SchemeRewriteSpecifier::HttpsRedirect(false)) => None,
        Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => Some("https".to_owned()),
        Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => Some(scheme.clone()),
    };
    let path = match &raw.path_rewrite_specifier {
        None => None,
        Some(PathRewriteSpecifier::PathRedirect(path)) => Some(RedirectPath::Full(path.clone())),
        Some(PathRewriteSpecifier::PrefixRewrite(prefix)) => Some(RedirectPath::Prefix(prefix.clone())),
        Some(PathRewriteSpecifier::RegexRewrite(_)) => {
            return Err(ConvertError::unsupported("regex_rewrite"));
        }
        Some(PathRewriteSpecifier::PathRewrite(_)) => return Err(ConvertError::unsupported("path_rewrite")),
    };
    let status = match value::enumeration(raw.response_code).at("response_code")? {
        RedirectResponseCode::MovedPermanently => http::StatusCode::MOVED_PERMANENTLY,
        RedirectResponseCode::Found => http::StatusCode::FOUND,
        RedirectResponseCode::SeeOther => http::StatusCode::SEE_OTHER,
        RedirectResponseCode::TemporaryRedirect => http::StatusCode::TEMPORARY_REDIRECT,
        RedirectResponseCode::PermanentRedirect => http::StatusCode::PERMANENT_REDIRECT,
    };
    let port = value::port(raw.port_redirect).at("port_redirect")?;
    Ok(Redirect {
        scheme,
        host: (!raw.host_redirect.is_empty()).then(|| raw.host_redirect.clone()),
        port: (port != 0).then_some(port),
        path,
        status,
        strip_query: raw.strip_query,
    })
}

pub(super) fn respond(raw: &pb::route::DirectResponseAction) -> Result<DirectResponse, ConvertError> {
    use pb::core::data_source::Specifier;
    refuse!(raw; body_format);
    let body = match raw.body.as_ref().map(|body| &body.specifier) {
        None => bytes::Bytes::new(),
        Some(Some(Specifier::InlineString(text))) => text.clone().into(),
        Some(Some(Specifier::InlineBytes(bytes))) => bytes.clone().into(),
        Some(_) => return Err(ConvertError::new("only inline text and bytes are supported").within("body")),
    };
    Ok(DirectResponse { status: value::status(raw.status).at("status")?, body })
}
