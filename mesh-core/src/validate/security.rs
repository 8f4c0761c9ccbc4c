//! `security.istio.io`: PeerAuthentication, AuthorizationPolicy and RequestAuthentication.
//!
//! Strict where a slip would open a door: an empty list that was meant to hold something is refused, since
//! the rule would otherwise match everybody.

mod authorization_policy;
mod condition;
mod peer_authentication;
mod request_authentication;

pub(super) use authorization_policy::check as authorization_policy;
pub(super) use peer_authentication::check as peer_authentication;
pub(super) use request_authentication::check as request_authentication;

use super::report::{Report, is_label};

/// `account` or `namespace/account`: never a pattern, for a dot or a star in one must not widen it.
fn service_account(text: &str, path: &str, report: &mut Report<'_>) {
    let (namespace, account) = text.split_once('/').map_or((None, text), |(n, a)| (Some(n), a));
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let is_account = !account.is_empty() && account.len() <= 253 && account.bytes().all(legal);
    if !is_account || namespace.is_some_and(|n| !is_label(n)) {
        let message = format!("{text:?} is not a service account");
        report.refuse(path, message, "write account or namespace/account, without wildcards");
    }
}

/// A port of a policy, which is a text.
fn port(text: &str, path: &str, report: &mut Report<'_>) {
    if !text.parse::<u16>().is_ok_and(|p| p > 0) {
        report.refuse(path, format!("{text:?} is not a port"), "a port is between 1 and 65535");
    }
}
