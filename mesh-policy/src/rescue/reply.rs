//! What an error says to the caller when there is no response.

use crate::{Failure, FailureKind, Rejection, find, flags_of, grpc};
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use std::error::Error;

/// Makes the local reply of an error.
///
/// A function rather than a trait, so that layers that hold one stay free of type parameters.
pub type ForeignReply = fn(&(dyn Error + 'static)) -> Rejection;

/// The local reply that Envoy gives.
///
/// An error of this crate says it by itself. A [`Failure`] is an upstream that could not be reached or that
/// broke off: 503 with `UF`, `UC`, `UR` and the like. Anything else is 500, and its text is not told to the
/// caller.
pub fn local_reply(error: &(dyn Error + 'static)) -> Rejection {
    if let Some(reply) = Rejection::of(error) {
        return reply;
    }
    let mut reply = find::<Failure>(error).map_or_else(Rejection::internal, |f| of_failure(f.kind()));
    for flag in flags_of(error).iter() {
        reply.flags.insert(flag);
    }
    reply
}

fn of_failure(kind: FailureKind) -> Rejection {
    let reason = kind.reset_reason();
    let reset = Rejection {
        status: StatusCode::SERVICE_UNAVAILABLE,
        grpc_status: grpc::UNAVAILABLE,
        flags: flag(kind).into(),
        details: format!("upstream_reset_before_response_started{{{}}}", reason.replace(' ', "_")).into(),
        body: format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}")
            .into(),
        overloaded: kind == FailureKind::Overflow,
        headers: None,
    };
    match kind {
        FailureKind::Timeout => Rejection {
            status: StatusCode::GATEWAY_TIMEOUT,
            grpc_status: grpc::DEADLINE_EXCEEDED,
            details: "upstream_per_try_timeout".into(),
            body: "upstream request timeout".into(),
            ..reset
        },
        _ => reset,
    }
}

fn flag(kind: FailureKind) -> ResponseFlag {
    match kind {
        FailureKind::ConnectFailure => ResponseFlag::UpstreamConnectionFailure,
        FailureKind::RefusedStream => ResponseFlag::UpstreamRemoteReset,
        FailureKind::ResetBeforeRequest | FailureKind::Reset => ResponseFlag::UpstreamConnectionTermination,
        FailureKind::Timeout => ResponseFlag::UpstreamRequestTimeout,
        FailureKind::Overflow => ResponseFlag::UpstreamOverflow,
        FailureKind::Final => ResponseFlag::LocalReset,
    }
}
