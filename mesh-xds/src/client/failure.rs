//! Why a stream ended, and what a person can do about it.

use std::error::Error;
use std::fmt;
use tonic::{Code, Status};

/// Why a stream ended.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection.
    Connect(tonic::transport::Error),
    /// The token could not be had.
    Token(super::TokenError),
    /// The server said so, or the connection broke.
    Status(Status),
    /// The server ended the stream without an error.
    Ended,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => f.write_str(&text(error)),
            Self::Token(error) => write!(f, "no token: {error}"),
            Self::Status(status) => write!(f, "{}: {}", status.code(), status.message()),
            Self::Ended => f.write_str("the control plane ended the stream"),
        }
    }
}

impl Failure {
    /// What to look at.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Connect(_) => "check that the control plane runs, its address, and its root certificate",
            Self::Token(_) => "check the token's source",
            Self::Status(status) => match status.code() {
                Code::Unauthenticated => "the token is missing, expired, or made by another mesh: renew it",
                Code::PermissionDenied => "the token does not belong to this namespace and service account",
                Code::InvalidArgument => {
                    "the control plane does not understand this node: check its name, namespace and IP"
                }
                Code::Unimplemented => "this server does not serve delta ADS: check the address",
                _ => "nothing to do unless it stays so",
            },
            Self::Ended => "nothing to do unless it stays so",
        }
    }
}

/// An error with its causes: the outer ones of a transport say little.
pub(super) fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_token_says_so() {
        let failure = Failure::Status(Status::unauthenticated("signature"));
        assert!(failure.advice().contains("token"), "{}", failure.advice());
        assert!(failure.to_string().contains("signature"));
    }

    #[test]
    fn causes_are_told_once_each() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(text(&Outer(std::io::Error::other("inner"))), "outer: inner");
    }
}
