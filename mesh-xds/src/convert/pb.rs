//! Short paths to the generated types, so that conversion reads as the resource it builds.

pub(super) use envoy_types::pb::envoy::config::accesslog::v3 as access_log;
pub(super) use envoy_types::pb::envoy::config::cluster::v3 as cluster;
pub(super) use envoy_types::pb::envoy::config::core::v3 as core;
pub(super) use envoy_types::pb::envoy::config::endpoint::v3 as endpoint;
pub(super) use envoy_types::pb::envoy::config::listener::v3 as listener;
pub(super) use envoy_types::pb::envoy::config::rbac::v3 as rbac;
pub(super) use envoy_types::pb::envoy::config::route::v3 as route;
pub(super) use envoy_types::pb::envoy::extensions::access_loggers::file::v3 as file;
pub(super) use envoy_types::pb::envoy::extensions::filters::common::fault::v3 as common_fault;
pub(super) use envoy_types::pb::envoy::extensions::filters::http::cors::v3 as cors;
pub(super) use envoy_types::pb::envoy::extensions::filters::http::fault::v3 as fault;
pub(super) use envoy_types::pb::envoy::extensions::filters::http::grpc_stats::v3 as grpc_stats;
pub(super) use envoy_types::pb::envoy::extensions::filters::http::rbac::v3 as http_rbac;
pub(super) use envoy_types::pb::envoy::extensions::filters::http::router::v3 as router;
pub(super) use envoy_types::pb::envoy::extensions::filters::listener::http_inspector::v3 as http_inspector;
pub(super) use envoy_types::pb::envoy::extensions::filters::listener::original_dst::v3 as original_dst;
pub(super) use envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3 as tls_inspector;
pub(super) use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as http;
pub(super) use envoy_types::pb::envoy::extensions::filters::network::rbac::v3 as network_rbac;
pub(super) use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
pub(super) use envoy_types::pb::envoy::extensions::path::r#match::uri_template::v3 as uri_template;
pub(super) use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3 as previous_hosts;
pub(super) use envoy_types::pb::envoy::extensions::transport_sockets::raw_buffer::v3 as raw_buffer;
pub(super) use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as tls;
pub(super) use envoy_types::pb::envoy::extensions::upstreams::http::v3 as upstream_http;
pub(super) use envoy_types::pb::envoy::r#type::matcher::v3 as matcher;
pub(super) use envoy_types::pb::envoy::r#type::v3 as values;
pub(super) use envoy_types::pb::google::protobuf::value::Kind;
pub(super) use envoy_types::pb::google::protobuf::{
    Any, BoolValue, Duration, ListValue, Struct, UInt32Value, UInt64Value, Value,
};
