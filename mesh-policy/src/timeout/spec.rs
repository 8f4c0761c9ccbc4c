//! Timeouts from a configuration file.

use super::deadline::{DeadlineLayer, PropagateDeadlineLayer};
use super::layer::{AttemptTimeoutLayer, ConnectTimeoutLayer, TimeoutLayer};
use crate::SpecError;
use mesh_core::api::value::Span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long things may take, by the names of Istio's VirtualService and DestinationRule, else Envoy's.
///
/// Whatever is left out, or zero, has no bound.
///
/// ```
/// use mesh_policy::timeout::{TimeoutSpec, Timeouts};
///
/// let read = |json| -> Result<Timeouts, mesh_policy::BoxError> {
///     Ok(serde_json::from_str::<TimeoutSpec>(json)?.try_into()?)
/// };
/// let timeouts = read(r#"{"timeout": "3s", "perTryTimeout": "1s", "connectTimeout": "250ms"}"#)?;
/// # let _ = timeouts;
/// let wrong = read(r#"{"timeout": "3s", "perTryTimeout": "5s"}"#).unwrap_err();
/// assert_eq!(wrong.to_string(), "perTryTimeout: must be less than timeout, 3s");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TimeoutSpec {
    /// The whole request, with all its attempts. Istio's `http[].timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// One attempt, to the response's head. Istio's `http[].retries.perTryTimeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<Span>,
    /// The endpoint's silence within one attempt. Envoy's `per_try_idle_timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_idle_timeout: Option<Span>,
    /// Silence of both sides. Envoy's `idle_timeout` of a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Span>,
    /// A new connection. Istio's `connectionPool.tcp.connectTimeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// The whole stream, and the caller's `grpc-timeout`. Envoy's `max_stream_duration` of a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stream_duration: Option<MaxStreamDurationSpec>,
    /// The whole stream to the endpoint. Envoy's `max_stream_duration` of a cluster's
    /// `common_http_protocol_options`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_max_stream_duration: Option<Span>,
}

/// How long a stream may last.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MaxStreamDurationSpec {
    /// Of streams whose caller says nothing, and a bound for those that do without `grpcTimeoutHeaderMax`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stream_duration: Option<Span>,
    /// The most that a caller's `grpc-timeout` may ask for; left out or zero is `maxStreamDuration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_timeout_header_max: Option<Span>,
    /// How much earlier than the caller a stream ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_timeout_header_offset: Option<Span>,
}

/// The layers of a [`TimeoutSpec`], each for its own place in the stack.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// Outside of retry.
    pub request: TimeoutLayer,
    /// Outside of everything.
    pub idle: TimeoutLayer,
    /// At the edge of a server.
    pub deadline: DeadlineLayer,
    /// Inside retry.
    pub attempt: AttemptTimeoutLayer,
    /// Inside retry.
    pub attempt_idle: TimeoutLayer,
    /// Inside retry.
    pub upstream_stream: TimeoutLayer,
    /// Innermost: each attempt is told what is left of the caller's deadline and of its own budget.
    pub propagate: PropagateDeadlineLayer,
    /// Around a connector.
    pub connect: ConnectTimeoutLayer,
}

impl TryFrom<TimeoutSpec> for Timeouts {
    type Error = SpecError;

    fn try_from(spec: TimeoutSpec) -> Result<Self, SpecError> {
        let stream = spec.max_stream_duration.unwrap_or_default();
        let timeout = bound(spec.timeout, "timeout")?;
        let per_try = bound(spec.per_try_timeout, "perTryTimeout")?;
        if let (Some(whole), Some(_)) = (timeout, per_try.filter(|p| timeout.is_some_and(|t| *p >= t))) {
            // Envoy ignores it then; whoever wrote it meant something.
            let message = format!("must be less than timeout, {}", Span(whole));
            return Err(SpecError::new("perTryTimeout", message));
        }
        let of_stream = |span, field| bound(span, field).map_err(|e| e.under("maxStreamDuration"));
        let max = of_stream(stream.grpc_timeout_header_max, "grpcTimeoutHeaderMax")?;
        let offset = of_stream(stream.grpc_timeout_header_offset, "grpcTimeoutHeaderOffset")?;
        if let (Some(max), Some(_)) = (max, offset.filter(|o| max.is_some_and(|m| *o >= m))) {
            let message = format!("must be less than grpcTimeoutHeaderMax, {}", Span(max));
            return Err(SpecError::new("maxStreamDuration.grpcTimeoutHeaderOffset", message));
        }
        Ok(Self {
            request: TimeoutLayer::new(timeout),
            idle: TimeoutLayer::idle(bound(spec.idle_timeout, "idleTimeout")?),
            deadline: DeadlineLayer::new()
                .max_stream_duration(of_stream(stream.max_stream_duration, "maxStreamDuration")?)
                .grpc_timeout_header_max(max)
                .grpc_timeout_header_offset(offset.unwrap_or_default()),
            attempt: AttemptTimeoutLayer::new(per_try),
            attempt_idle: TimeoutLayer::per_try_idle(bound(spec.per_try_idle_timeout, "perTryIdleTimeout")?),
            upstream_stream: TimeoutLayer::max_stream_duration(bound(
                spec.upstream_max_stream_duration,
                "upstreamMaxStreamDuration",
            )?),
            propagate: PropagateDeadlineLayer::new().per_try_timeout(per_try),
            connect: ConnectTimeoutLayer::new(bound(spec.connect_timeout, "connectTimeout")?),
        })
    }
}

/// Zero is no bound. A timer knows milliseconds, and so do Istio and Envoy.
fn bound(span: Option<Span>, field: &str) -> Result<Option<Duration>, SpecError> {
    match span.map(|s| s.0).filter(|d| !d.is_zero()) {
        Some(short) if short < Duration::from_millis(1) => {
            Err(SpecError::new(field, "must be 0s for no bound, or at least 1ms"))
        }
        bound => Ok(bound),
    }
}
