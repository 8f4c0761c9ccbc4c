//! The HTTP connection manager and its filters.

use super::access_log::access_logs;
use super::metadata::PolicyOrigins;
use super::value::{boolean, enumeration, unless_zero};
use super::{holds, rbac, refuse, route, unpack, value};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::{names, pb};
use mesh_core::model::http::{
    AbortBy, AbortWith, Codec, DelayBy, Fault, FaultAbort, FaultDelay, FaultRateLimit, ForwardClientCert,
    HttpFilter, HttpManager, PathNormalization, RateBy, RouteSource,
};
use mesh_core::model::values::{Denominator, Fraction};
use pb::http::http_connection_manager::{
    CodecType, ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier,
    ServerHeaderTransformation, StripPortMode, UpgradeConfig,
};
use pb::http::http_filter::ConfigType;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// Envoy's default for a stream on which nothing happens.
const STREAM_IDLE: Duration = Duration::from_secs(300);
/// Envoy's default for a connection without streams.
const IDLE: Duration = Duration::from_secs(3600);
/// Envoy's name for itself where it is not told one.
const SERVER_NAME: &str = "envoy";

/// Filters of Istio's own Envoy that watch traffic and decide nothing.
const OBSERVERS: [&str; 5] = [
    "istio.alpn",
    "istio.metadata_exchange",
    "istio.stats",
    "envoy.filters.http.grpc_web",
    "waypoint_peer_metadata",
];

pub(super) fn manager(
    raw: &pb::http::HttpConnectionManager,
    origins: &PolicyOrigins,
) -> Result<HttpManager, ConvertError> {
    refuse!(
        raw;
        http3_protocol_options,
        scheme_header_transformation,
        request_timeout,
        request_headers_timeout,
        original_ip_detection_extensions,
        early_header_mutation_extensions,
        skip_xff_append,
        via,
        always_set_request_id_in_response,
        forward_client_cert_matcher,
        proxy_100_continue,
        represent_ipv4_remote_address_as_ipv4_mapped_ipv6,
        request_id_extension,
        local_reply_config,
        strip_matching_host_port,
        path_normalization_options,
        strip_trailing_host_dot,
        proxy_status_config,
        append_x_forwarded_port,
        append_local_overload,
        forward_proto_config,
    );
    if let Some(options) = &raw.http_protocol_options {
        refuse_http1(options).at("http_protocol_options")?;
    }
    if let Some(StripPortMode::StripAnyHostPort(true)) = raw.strip_port_mode {
        return Err(ConvertError::unsupported("strip_any_host_port"));
    }
    let idle_timeout = match &raw.common_http_protocol_options {
        None => Some(IDLE),
        Some(options) => connection_idle(options).at("common_http_protocol_options")?,
    };
    let routes = match &raw.route_specifier {
        Some(RouteSpecifier::Rds(rds)) => {
            value::over_ads(rds.config_source.as_ref()).at("config_source").at("rds")?;
            RouteSource::Named(rds.route_config_name.as_str().into())
        }
        Some(RouteSpecifier::RouteConfig(table)) => {
            RouteSource::Inline(Arc::new(route::table(table).at("route_config")?))
        }
        Some(RouteSpecifier::ScopedRoutes(_)) => return Err(ConvertError::unsupported("scoped_routes")),
        None => return Err(ConvertError::missing("route_specifier")),
    };
    Ok(HttpManager {
        stat_prefix: raw.stat_prefix.as_str().into(),
        codec: match enumeration(raw.codec_type).at("codec_type")? {
            CodecType::Auto => Codec::Auto,
            CodecType::Http1 => Codec::Http1,
            CodecType::Http2 => Codec::Http2,
            CodecType::Http3 => return Err(ConvertError::new("HTTP3 is not supported").within("codec_type")),
        },
        routes,
        filters: filters(&raw.http_filters, origins).at("http_filters")?,
        access_logs: access_logs(&raw.access_log).at("access_log")?,
        use_remote_address: boolean(raw.use_remote_address.as_ref(), false),
        trusted_hops: raw.xff_num_trusted_hops,
        client_cert: client_cert(raw)?,
        normalize: normalization(raw)?,
        upgrades: each(&raw.upgrade_configs, upgrade).at("upgrade_configs")?,
        stream_idle_timeout: unless_zero(raw.stream_idle_timeout.as_ref(), STREAM_IDLE)
            .at("stream_idle_timeout")?,
        idle_timeout,
        server_name: server_name(raw)?,
        generate_request_id: boolean(raw.generate_request_id.as_ref(), true),
    })
}

fn refuse_http1(options: &pb::core::Http1ProtocolOptions) -> Result<(), ConvertError> {
    refuse!(
        options;
        accept_http_10,
        header_key_format,
        allow_chunked_length,
        allow_custom_methods,
        ignore_http_11_upgrade,
    );
    Ok(())
}

fn connection_idle(options: &pb::core::HttpProtocolOptions) -> Result<Option<Duration>, ConvertError> {
    refuse!(
        options;
        max_connection_duration,
        max_stream_duration,
        headers_with_underscores_action,
        max_requests_per_connection,
    );
    unless_zero(options.idle_timeout.as_ref(), IDLE).at("idle_timeout")
}

fn client_cert(raw: &pb::http::HttpConnectionManager) -> Result<ForwardClientCert, ConvertError> {
    if let Some(details) = &raw.set_current_client_cert_details {
        let read = || -> Result<(), ConvertError> {
            refuse!(details; cert, chain, issuer, format);
            Ok(())
        };
        read().at("set_current_client_cert_details")?;
    }
    Ok(match enumeration(raw.forward_client_cert_details).at("forward_client_cert_details")? {
        ForwardClientCertDetails::Sanitize => ForwardClientCert::Sanitize,
        ForwardClientCertDetails::ForwardOnly => ForwardClientCert::ForwardOnly,
        ForwardClientCertDetails::AppendForward => ForwardClientCert::AppendForward,
        ForwardClientCertDetails::SanitizeSet => ForwardClientCert::SanitizeSet,
        ForwardClientCertDetails::AlwaysForwardOnly => ForwardClientCert::AlwaysForwardOnly,
    })
}

/// One of Istio's levels; other combinations would let a path through that a policy was not asked about.
fn normalization(raw: &pb::http::HttpConnectionManager) -> Result<PathNormalization, ConvertError> {
    let escaped = enumeration(raw.path_with_escaped_slashes_action).at("path_with_escaped_slashes_action")?;
    let unescape = match escaped {
        PathWithEscapedSlashesAction::ImplementationSpecificDefault
        | PathWithEscapedSlashesAction::KeepUnchanged => false,
        PathWithEscapedSlashesAction::UnescapeAndForward => true,
        other => {
            let message = format!("{} is not supported", other.as_str_name());
            return Err(ConvertError::new(message).within("path_with_escaped_slashes_action"));
        }
    };
    match (boolean(raw.normalize_path.as_ref(), false), raw.merge_slashes, unescape) {
        (false, false, false) => Ok(PathNormalization::None),
        (true, false, false) => Ok(PathNormalization::Base),
        (true, true, false) => Ok(PathNormalization::MergeSlashes),
        (true, true, true) => Ok(PathNormalization::DecodeAndMergeSlashes),
        _ => Err(ConvertError::new(
            "this combination with merge_slashes and path_with_escaped_slashes_action is not supported",
        )
        .within("normalize_path")),
    }
}

fn upgrade(raw: &UpgradeConfig) -> Result<String, ConvertError> {
    refuse!(raw; filters);
    match boolean(raw.enabled.as_ref(), true) {
        true => Ok(raw.upgrade_type.clone()),
        false => Err(ConvertError::new("only true is supported").within("enabled")),
    }
}

fn server_name(raw: &pb::http::HttpConnectionManager) -> Result<String, ConvertError> {
    match enumeration(raw.server_header_transformation).at("server_header_transformation")? {
        ServerHeaderTransformation::PassThrough => Ok(String::new()),
        ServerHeaderTransformation::Overwrite if raw.server_name.is_empty() => Ok(SERVER_NAME.to_owned()),
        ServerHeaderTransformation::Overwrite => Ok(raw.server_name.clone()),
        ServerHeaderTransformation::AppendIfAbsent => {
            let message = "APPEND_IF_ABSENT is not supported";
            Err(ConvertError::new(message).within("server_header_transformation"))
        }
    }
}

/// The filters before the router, which must be there, once and last.
fn filters(raw: &[pb::http::HttpFilter], origins: &PolicyOrigins) -> Result<Vec<HttpFilter>, ConvertError> {
    let mut read = each(raw, |raw| filters_of(raw, origins))?;
    match read.pop() {
        Some(None) => {}
        _ => return Err(ConvertError::new("the last must be the router")),
    }
    let before: Option<Vec<Vec<HttpFilter>>> = read.into_iter().collect();
    before
        .map(|each| each.into_iter().flatten().collect())
        .ok_or_else(|| ConvertError::new("the router stands before other filters"))
}

/// What one filter of Envoy's is here. `None` is the router.
fn filters_of(
    raw: &pb::http::HttpFilter,
    origins: &PolicyOrigins,
) -> Result<Option<Vec<HttpFilter>>, ConvertError> {
    refuse!(raw; disabled);
    match &raw.config_type {
        Some(ConfigType::TypedConfig(any)) if holds::<pb::http_rbac::Rbac>(any) => {
            let all = unpack(any).and_then(|config| rbac::http(&config, origins)).at("typed_config")?;
            Ok(Some(all.into_iter().map(|rbac| HttpFilter::Rbac(Arc::new(rbac))).collect()))
        }
        _ => filter(raw).map(|filter| filter.map(|filter| vec![filter])),
    }
}

/// Any other than authorization. `None` is the router.
fn filter(raw: &pb::http::HttpFilter) -> Result<Option<HttpFilter>, ConvertError> {
    let any = match &raw.config_type {
        Some(ConfigType::TypedConfig(any)) => Some(any),
        Some(ConfigType::ConfigDiscovery(_)) if !raw.is_optional => {
            return Err(ConvertError::unsupported("config_discovery"));
        }
        _ => None,
    };
    match any {
        Some(any) if holds::<pb::router::Router>(any) => {
            let router: pb::router::Router = unpack(any).at("typed_config")?;
            refuse_router(&router).at("typed_config")?;
            Ok(None)
        }
        Some(any) if holds::<pb::fault::HttpFault>(any) => {
            let config = unpack(any).and_then(|config| fault(&config)).at("typed_config")?;
            match config == Fault::default() {
                true => Ok(Some(HttpFilter::Fault)),
                false => {
                    Err(ConvertError::new("only a fault of a route is supported").within("typed_config"))
                }
            }
        }
        Some(any) if holds::<pb::cors::Cors>(any) => Ok(Some(HttpFilter::Cors)),
        Some(any) if holds::<pb::grpc_stats::FilterConfig>(any) => Ok(Some(HttpFilter::GrpcStats)),
        _ if raw.is_optional || OBSERVERS.contains(&&*raw.name) => {
            Ok(Some(HttpFilter::Optional(raw.name.as_str().into())))
        }
        Some(any) => {
            let message = format!("{:?} ({}) is not supported", raw.name, super::type_name(any));
            Err(ConvertError::new(message))
        }
        None if raw.name == names::ROUTER => Ok(None),
        None => Err(ConvertError::new(format!("{:?} is not supported", raw.name))),
    }
}

fn refuse_router(router: &pb::router::Router) -> Result<(), ConvertError> {
    refuse!(router; strict_check_headers, respect_expected_rq_timeout, upstream_http_filters);
    Ok(())
}

/// A delay and an abort, of a route or of the filter itself.
pub(super) fn fault(raw: &pb::fault::HttpFault) -> Result<Fault, ConvertError> {
    refuse!(raw; upstream_cluster, headers, downstream_nodes);
    Ok(Fault {
        delay: raw.delay.as_ref().map(delay).transpose().at("delay")?,
        abort: raw.abort.as_ref().map(abort).transpose().at("abort")?,
        response_rate_limit: raw
            .response_rate_limit
            .as_ref()
            .map(rate_limit)
            .transpose()
            .at("response_rate_limit")?,
        max_active: raw.max_active_faults.map(|max| max.value),
    })
}

fn delay(raw: &pb::common_fault::FaultDelay) -> Result<FaultDelay, ConvertError> {
    use pb::common_fault::fault_delay::FaultDelaySecifier;
    let by = match &raw.fault_delay_secifier {
        Some(FaultDelaySecifier::FixedDelay(d)) => DelayBy::Fixed(value::duration(d).at("fixed_delay")?),
        Some(FaultDelaySecifier::HeaderDelay(_)) => DelayBy::Header(unit(raw.percentage.as_ref())?),
        None => return Err(ConvertError::missing("fixed_delay")),
    };
    Ok(FaultDelay { by, fraction: share(raw.percentage.as_ref())? })
}

fn abort(raw: &pb::fault::FaultAbort) -> Result<FaultAbort, ConvertError> {
    use pb::fault::fault_abort::ErrorType;
    refuse!(raw; response_body);
    let by = match &raw.error_type {
        Some(ErrorType::HttpStatus(status)) => {
            AbortBy::Fixed(AbortWith::Http(value::status(*status).at("http_status")?))
        }
        Some(ErrorType::GrpcStatus(status)) => AbortBy::Fixed(AbortWith::Grpc(*status)),
        Some(ErrorType::HeaderAbort(_)) => AbortBy::Header(unit(raw.percentage.as_ref())?),
        None => return Err(ConvertError::missing("error_type")),
    };
    Ok(FaultAbort { by, fraction: share(raw.percentage.as_ref())? })
}

fn rate_limit(raw: &pb::common_fault::FaultRateLimit) -> Result<FaultRateLimit, ConvertError> {
    use pb::common_fault::fault_rate_limit::LimitType;
    let by = match &raw.limit_type {
        Some(LimitType::FixedLimit(limit)) => {
            let zero = || ConvertError::new("zero would let nothing pass").within("limit_kbps");
            RateBy::Fixed(NonZeroU64::new(limit.limit_kbps).ok_or_else(zero).at("fixed_limit")?)
        }
        Some(LimitType::HeaderLimit(_)) => RateBy::Header(unit(raw.percentage.as_ref())?),
        None => return Err(ConvertError::missing("limit_type")),
    };
    Ok(FaultRateLimit { by, fraction: share(raw.percentage.as_ref())? })
}

/// What a header's percentage counts: what the configured one does.
fn unit(percentage: Option<&pb::values::FractionalPercent>) -> Result<Denominator, ConvertError> {
    percentage.map_or(Ok(Denominator::Hundred), value::denominator).at("percentage")
}

/// Without a percentage no request is meant.
fn share(percentage: Option<&pb::values::FractionalPercent>) -> Result<Fraction, ConvertError> {
    let read = percentage.map(value::fraction).transpose();
    Ok(read.at("percentage")?.unwrap_or(Fraction::ZERO))
}
