//! The HTTP connection manager and its filters.

use super::access_log::access_log;
use super::value::{boolean, duration, fraction_in, or_zero, uint};
use super::{pack, rbac, route, value};
use crate::convert::{names, pb};
use mesh_core::model::http::{
    AbortBy, AbortWith, Codec, DelayBy, Fault, FaultAbort, FaultDelay, FaultRateLimit, ForwardClientCert,
    HttpFilter, HttpManager, PathNormalization, RateBy, RouteSource,
};
use mesh_core::model::values::Denominator;
use pb::http::http_connection_manager::{
    CodecType, ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier,
    ServerHeaderTransformation, SetCurrentClientCertDetails, UpgradeConfig,
};

/// The connection manager, packed: a network filter's configuration or an API listener.
pub(super) fn manager(http: &HttpManager) -> pb::Any {
    let filters = http.filters.iter().map(filter).chain([router()]).collect();
    let routes = match &http.routes {
        RouteSource::Named(name) => RouteSpecifier::Rds(pb::http::Rds {
            config_source: Some(value::ads()),
            route_config_name: (&**name).into(),
        }),
        RouteSource::Inline(table) => RouteSpecifier::RouteConfig(route::table(table)),
    };
    let server_header = match http.server_name.is_empty() {
        true => ServerHeaderTransformation::PassThrough,
        false => ServerHeaderTransformation::Overwrite,
    };
    let (normalize, merge, escaped) = normalization(http.normalize);
    pack(&pb::http::HttpConnectionManager {
        codec_type: match http.codec {
            Codec::Auto => CodecType::Auto.into(),
            Codec::Http1 => CodecType::Http1.into(),
            Codec::Http2 => CodecType::Http2.into(),
        },
        stat_prefix: (&*http.stat_prefix).into(),
        http_filters: filters,
        common_http_protocol_options: Some(pb::core::HttpProtocolOptions {
            idle_timeout: Some(or_zero(http.idle_timeout)),
            ..Default::default()
        }),
        server_name: http.server_name.clone(),
        server_header_transformation: server_header.into(),
        stream_idle_timeout: Some(or_zero(http.stream_idle_timeout)),
        access_log: http.access_logs.iter().map(access_log).collect(),
        use_remote_address: Some(boolean(http.use_remote_address)),
        xff_num_trusted_hops: http.trusted_hops,
        generate_request_id: Some(boolean(http.generate_request_id)),
        // One that is there is kept, at an edge as well: logs of both sides can then be joined.
        preserve_external_request_id: true,
        forward_client_cert_details: client_cert(http.client_cert).into(),
        set_current_client_cert_details: current_client_cert(http.client_cert),
        upgrade_configs: http
            .upgrades
            .iter()
            .map(|kind| UpgradeConfig { upgrade_type: kind.clone(), ..Default::default() })
            .collect(),
        normalize_path: Some(boolean(normalize)),
        merge_slashes: merge,
        path_with_escaped_slashes_action: escaped.into(),
        route_specifier: Some(routes),
        ..Default::default()
    })
}

fn normalization(level: PathNormalization) -> (bool, bool, PathWithEscapedSlashesAction) {
    let escaped = match level {
        PathNormalization::DecodeAndMergeSlashes => PathWithEscapedSlashesAction::UnescapeAndForward,
        _ => PathWithEscapedSlashesAction::KeepUnchanged,
    };
    (level >= PathNormalization::Base, level >= PathNormalization::MergeSlashes, escaped)
}

fn client_cert(forward: ForwardClientCert) -> ForwardClientCertDetails {
    match forward {
        ForwardClientCert::Sanitize => ForwardClientCertDetails::Sanitize,
        ForwardClientCert::ForwardOnly => ForwardClientCertDetails::ForwardOnly,
        ForwardClientCert::AppendForward => ForwardClientCertDetails::AppendForward,
        ForwardClientCert::SanitizeSet => ForwardClientCertDetails::SanitizeSet,
        ForwardClientCert::AlwaysForwardOnly => ForwardClientCertDetails::AlwaysForwardOnly,
    }
}

/// What is said of the peer beside `By` and `Hash`, where anything is.
fn current_client_cert(forward: ForwardClientCert) -> Option<SetCurrentClientCertDetails> {
    match forward {
        ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet => {
            Some(SetCurrentClientCertDetails {
                subject: Some(boolean(true)),
                uri: true,
                dns: true,
                ..Default::default()
            })
        }
        _ => None,
    }
}

fn filter(filter: &HttpFilter) -> pb::http::HttpFilter {
    match filter {
        HttpFilter::Rbac(rules) => named(names::HTTP_RBAC, rbac::http(rules)),
        HttpFilter::Fault => named(names::FAULT, pack(&pb::fault::HttpFault::default())),
        HttpFilter::Cors => named(names::CORS, pack(&pb::cors::Cors::default())),
        HttpFilter::GrpcStats => named(
            names::GRPC_STATS,
            pack(&pb::grpc_stats::FilterConfig {
                emit_filter_state: true,
                per_method_stat_specifier: Some(
                    pb::grpc_stats::filter_config::PerMethodStatSpecifier::StatsForAllMethods(boolean(false)),
                ),
                ..Default::default()
            }),
        ),
        HttpFilter::Optional(name) => {
            pb::http::HttpFilter { name: (&**name).into(), is_optional: true, ..Default::default() }
        }
    }
}

fn router() -> pb::http::HttpFilter {
    named(names::ROUTER, pack(&pb::router::Router::default()))
}

fn named(name: &str, config: pb::Any) -> pb::http::HttpFilter {
    pb::http::HttpFilter {
        name: name.to_owned(),
        config_type: Some(pb::http::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

/// A route's delay and abort, packed for `typed_per_filter_config`.
pub(super) fn fault(fault: &Fault) -> pb::Any {
    pack(&pb::fault::HttpFault {
        delay: fault.delay.as_ref().map(delay),
        abort: fault.abort.as_ref().map(abort),
        response_rate_limit: fault.response_rate_limit.as_ref().map(rate_limit),
        max_active_faults: fault.max_active.map(uint),
        ..Default::default()
    })
}

fn delay(delay: &FaultDelay) -> pb::common_fault::FaultDelay {
    use pb::common_fault::fault_delay::{FaultDelaySecifier, HeaderDelay};
    let (unit, by) = match delay.by {
        DelayBy::Fixed(time) => (Denominator::Million, FaultDelaySecifier::FixedDelay(duration(time))),
        DelayBy::Header(unit) => (unit, FaultDelaySecifier::HeaderDelay(HeaderDelay {})),
    };
    pb::common_fault::FaultDelay {
        percentage: Some(fraction_in(delay.fraction, unit)),
        fault_delay_secifier: Some(by),
    }
}

fn abort(abort: &FaultAbort) -> pb::fault::FaultAbort {
    use pb::fault::fault_abort::{ErrorType, HeaderAbort};
    let (unit, by) = match abort.by {
        AbortBy::Fixed(AbortWith::Http(status)) => {
            (Denominator::Million, ErrorType::HttpStatus(status.as_u16().into()))
        }
        AbortBy::Fixed(AbortWith::Grpc(status)) => (Denominator::Million, ErrorType::GrpcStatus(status)),
        AbortBy::Header(unit) => (unit, ErrorType::HeaderAbort(HeaderAbort {})),
    };
    pb::fault::FaultAbort {
        percentage: Some(fraction_in(abort.fraction, unit)),
        error_type: Some(by),
        ..Default::default()
    }
}

fn rate_limit(limit: &FaultRateLimit) -> pb::common_fault::FaultRateLimit {
    use pb::common_fault::fault_rate_limit::{FixedLimit, HeaderLimit, LimitType};
    let (unit, by) = match limit.by {
        RateBy::Fixed(kbps) => {
            (Denominator::Million, LimitType::FixedLimit(FixedLimit { limit_kbps: kbps.get() }))
        }
        RateBy::Header(unit) => (unit, LimitType::HeaderLimit(HeaderLimit {})),
    };
    pb::common_fault::FaultRateLimit {
        percentage: Some(fraction_in(limit.fraction, unit)),
        limit_type: Some(by),
    }
}
