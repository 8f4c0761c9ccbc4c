//! The one place where errors become responses: Envoy's status, body, flags and details.
//!
//! A caller that speaks gRPC gets the same as `grpc-status` in a response without a body, as Envoy does.

use crate::body::Body;
use crate::pool::{ConnectError, Failure, Reset};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use mesh_core::response_flag::{ResponseFlag, ResponseFlags};
use mesh_policy::{Rejection, find, flags_of, grpc};
use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");

/// A local reply by its parts.
pub(crate) fn reject(
    status: StatusCode,
    body: impl Into<Cow<'static, str>>,
    details: impl Into<Cow<'static, str>>,
    flag: Option<ResponseFlag>,
) -> Rejection {
    Rejection {
        status,
        grpc_status: grpc::from_http(status),
        flags: flag.map_or_else(ResponseFlags::default, Into::into),
        details: details.into(),
        body: body.into(),
        overloaded: false,
        headers: None,
    }
}

/// A request that cannot be understood.
pub(crate) fn bad_request(details: &'static str) -> Rejection {
    reject(StatusCode::BAD_REQUEST, "", details, None)
}

/// A request whose end others may see elsewhere. Envoy's details of such begin with the codec's name.
pub(crate) fn bad_framing(status: StatusCode, details: &'static str) -> Rejection {
    reject(status, "", details, None)
}

/// Whether what follows on the connection cannot be trusted to be a request.
pub(crate) fn ends_connection(reply: &Rejection) -> bool {
    reply.details.starts_with("http1.")
}

/// No virtual host or no route of it takes the request.
pub(crate) fn no_route() -> Rejection {
    reject(StatusCode::NOT_FOUND, "", "route_not_found", Some(ResponseFlag::NoRouteFound))
}

/// What an error of the stack says to the caller.
pub(crate) fn rescue(error: &(dyn Error + 'static)) -> Rejection {
    let mut reply = match (Rejection::of(error), find::<Failure>(error)) {
        (Some(reply), _) => reply,
        (None, Some(failure)) => of_failure(failure),
        (None, None) => {
            tracing::error!(error, "an error that no response stands for");
            Rejection::internal()
        }
    };
    for flag in flags_of(error).iter() {
        reply.flags.insert(flag);
    }
    reply
}

fn of_failure(failure: &Failure) -> Rejection {
    let mut reply = match failure {
        Failure::NoClusterFound => reject(StatusCode::SERVICE_UNAVAILABLE, "", "cluster_not_found", None),
        Failure::NoHealthyUpstream => {
            reject(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream", "no_healthy_upstream", None)
        }
        Failure::Overflow(_) => Rejection { overloaded: true, ..reset("overflow", None) },
        Failure::Connect(ConnectError::Timeout) => reset("connection timeout", None),
        Failure::Connect(error) => reset("remote connection failure", Some(&error.to_string())),
        Failure::Reset { reset: Reset::ConnectionClosed, .. } => reset("connection termination", None),
        Failure::Reset { reset: Reset::Remote, .. } => reset("remote reset", None),
        Failure::Reset { reset: Reset::Refused, .. } => reset("remote refused stream reset", None),
        Failure::Reset { reset: Reset::Protocol, .. } => {
            Rejection { status: StatusCode::BAD_GATEWAY, ..reset("protocol error", None) }
        }
        Failure::Caller(_) => bad_request("downstream_remote_disconnect"),
    };
    reply.flags.insert(failure.flag());
    reply
}

/// Envoy's words for an attempt that ended before its response.
fn reset(reason: &str, transport: Option<&str>) -> Rejection {
    let mut body =
        format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}");
    let mut details = format!("upstream_reset_before_response_started{{{}", reason.replace(' ', "_"));
    if let Some(transport) = transport {
        // Writing to a String cannot fail.
        let _ = write!(body, ", transport failure reason: {transport}");
        let _ = write!(details, "|{}", transport.replace(' ', "_"));
    }
    details.push('}');
    reject(StatusCode::SERVICE_UNAVAILABLE, body, details, None)
}

/// The response, in the caller's terms.
pub(crate) fn respond(reply: &Rejection, grpc: bool) -> Response<Body> {
    let mut headers = reply.headers.as_deref().cloned().unwrap_or_default();
    let body = if grpc {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(grpc::STATUS, HeaderValue::from(reply.grpc_status));
        if !reply.body.is_empty()
            && let Ok(message) = HeaderValue::try_from(grpc::encode_message(&reply.body))
        {
            headers.insert(grpc::MESSAGE, message);
        }
        Body::empty()
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
        if !reply.body.is_empty() {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain"));
        }
        match &reply.body {
            Cow::Borrowed(text) => Body::full(bytes::Bytes::from_static(text.as_bytes())),
            Cow::Owned(text) => Body::full(text.clone()),
        }
    };
    if reply.overloaded {
        headers.insert(OVERLOADED, HeaderValue::from_static("true"));
    }
    let mut response = Response::new(body);
    *response.status_mut() = if grpc { StatusCode::OK } else { reply.status };
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::model::cluster::CircuitLimits;

    #[test]
    fn a_grpc_caller_gets_a_status_without_a_body() {
        let response = respond(&rescue(&Failure::NoHealthyUpstream), true);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "14");
        assert_eq!(response.headers()["grpc-message"], "no healthy upstream");
    }

    #[test]
    fn an_http_caller_gets_envoys_status_and_words() {
        let full =
            mesh_policy::breaker::Breaker::new(CircuitLimits { max_requests: 0, ..CircuitLimits::default() });
        let reply = rescue(&full.try_acquire_request().unwrap_err());
        let response = respond(&reply, false);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["x-envoy-overloaded"], "true");
        assert_eq!(reply.details, "upstream_reset_before_response_started{overflow}");
        assert_eq!(reply.flags.to_string(), "UO");
        assert_eq!(no_route().flags.to_string(), "NR");
        assert_eq!(rescue(&Failure::NoClusterFound).flags.to_string(), "NC");
    }
}
