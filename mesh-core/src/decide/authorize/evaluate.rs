//! One rule against one request, in Kleene's three values.

use super::super::claims::{Claims, Token};
use super::RequestFacts;
use crate::model::matcher::{Reading, RequestHead};
use crate::model::rbac::{
    ISTIO_AUTHN, JWT_AUTHN, JWT_PAYLOAD, MetadataMatch, MetadataValue, Permission, Principal, RbacPolicy,
};
use serde_json::Value;
use std::ops::Not;

/// Kleene's three values: what is not known stays unknown through every connective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Unknown,
    Yes,
}

impl From<bool> for Truth {
    fn from(b: bool) -> Self {
        if b { Self::Yes } else { Self::No }
    }
}

impl From<Reading> for Truth {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Matches => Self::Yes,
            Reading::Differs => Self::No,
            Reading::Unreadable => Self::Unknown,
        }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

fn any<T>(of: &[T], mut test: impl FnMut(&T) -> Truth) -> Truth {
    let mut best = Truth::No;
    for item in of {
        match test(item) {
            Truth::Yes => return Truth::Yes,
            Truth::Unknown => best = Truth::Unknown,
            Truth::No => {}
        }
    }
    best
}

fn all<T>(of: &[T], mut test: impl FnMut(&T) -> Truth) -> Truth {
    !any(of, |item| !test(item))
}

pub(super) fn policy_matches(policy: &RbacPolicy, facts: &RequestFacts<'_>) -> Truth {
    match any(&policy.permissions, |p| permission(p, facts)) {
        Truth::No => Truth::No,
        done => match any(&policy.principals, |p| principal(p, facts)) {
            Truth::Yes => done,
            other => other,
        },
    }
}

pub(super) fn permission(want: &Permission, facts: &RequestFacts<'_>) -> Truth {
    match want {
        Permission::And(parts) => all(parts, |p| permission(p, facts)),
        Permission::Or(parts) => any(parts, |p| permission(p, facts)),
        Permission::Not(part) => !permission(part, facts),
        Permission::Any => Truth::Yes,
        Permission::Header(header) => of_head(facts, |head| header.read(head).into()),
        Permission::Path(path) => of_head(facts, |head| path.matches(head.path_only()).into()),
        Permission::UriTemplate(path) => of_head(facts, |head| path.matches(head.path_only()).into()),
        Permission::DestinationIp(net) => net.contains(&facts.destination.ip()).into(),
        Permission::DestinationPort(port) => (facts.destination.port() == *port).into(),
        Permission::ServerName(name) => facts.server_name.is_some_and(|sni| name.matches(sni)).into(),
        Permission::Metadata(want) => metadata(want, facts),
    }
}

pub(super) fn principal(want: &Principal, facts: &RequestFacts<'_>) -> Truth {
    match want {
        Principal::And(parts) => all(parts, |p| principal(p, facts)),
        Principal::Or(parts) => any(parts, |p| principal(p, facts)),
        Principal::Not(part) => !principal(part, facts),
        Principal::Any => Truth::Yes,
        Principal::Authenticated(None) => facts.peer.is_some().into(),
        Principal::Authenticated(Some(name)) => facts.peer.is_some_and(|id| name.matches(id.uri())).into(),
        Principal::DirectRemoteIp(net) => net.contains(&facts.direct_remote).into(),
        Principal::RemoteIp(net) => net.contains(&facts.remote).into(),
        Principal::Header(header) => of_head(facts, |head| header.read(head).into()),
        Principal::Path(path) => of_head(facts, |head| path.matches(head.path_only()).into()),
        Principal::Metadata(want) => metadata(want, facts),
    }
}

fn of_head(facts: &RequestFacts<'_>, test: impl FnOnce(&RequestHead<'_>) -> Truth) -> Truth {
    facts.head.as_ref().map_or(Truth::Unknown, test)
}

/// What is known of a token stands for the metadata of the filter that verified it; of any other filter's
/// nothing is known.
fn metadata(want: &MetadataMatch, facts: &RequestFacts<'_>) -> Truth {
    let claims = match (facts.head, facts.token) {
        (None, _) | (_, Token::Unverified) => return Truth::Unknown,
        (Some(_), Token::Absent) => None,
        (Some(_), Token::Verified(claims)) => Some(claims),
    };
    let found = match (&*want.filter, want.path.as_slice()) {
        (JWT_AUTHN, [payload, path @ ..]) if payload == JWT_PAYLOAD => {
            claims.and_then(|claims| claims.get(path)).map_or(Found::Nothing, Found::Value)
        }
        (ISTIO_AUTHN, path) => claims.map_or(Found::Nothing, |claims| of_istio_authn(claims, path)),
        _ => return Truth::Unknown,
    };
    (found.is(&want.value) != want.invert).into()
}

/// What older Istio wrote down: the principal as one text, and lists where tokens have texts or lists.
fn of_istio_authn<'c>(claims: &'c Claims, path: &[String]) -> Found<'c> {
    let claim = |path: &[&str]| claims.get(path).map_or(Found::Nothing, Found::List);
    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["request.auth.principal"] => claims.principal().map_or(Found::Nothing, Found::Text),
        ["request.auth.presenter"] => claims.get(&["azp"]).map_or(Found::Nothing, Found::Value),
        ["request.auth.audiences"] => claim(&["aud"]),
        ["request.auth.claims", inner @ ..] => claim(inner),
        _ => Found::Nothing,
    }
}

#[derive(Clone, Copy)]
enum Found<'c> {
    Nothing,
    Value(&'c Value),
    /// A value that is a list, and if it is a text, a list of that alone.
    List(&'c Value),
    Text(&'c str),
}

impl Found<'_> {
    fn is(self, want: &MetadataValue) -> bool {
        match (want, self) {
            (MetadataValue::Or(parts), found) => parts.iter().any(|part| found.is(part)),
            (_, Found::Nothing) => false,
            (MetadataValue::Present, _) => true,
            (MetadataValue::String(want), Found::Text(text)) => want.matches(text),
            (MetadataValue::OneOf(want), Found::List(value @ Value::String(_))) => {
                Found::Value(value).is(want)
            }
            (want, Found::Value(value) | Found::List(value)) => value_is(want, value),
            (_, Found::Text(_)) => false,
        }
    }
}

fn value_is(want: &MetadataValue, value: &Value) -> bool {
    match (want, value) {
        (MetadataValue::Null, Value::Null) => true,
        (MetadataValue::Bool(want), Value::Bool(found)) => want == found,
        (MetadataValue::Number(want), Value::Number(found)) => found.as_f64() == Some(*want),
        (MetadataValue::Range { start, end }, Value::Number(found)) => {
            found.as_f64().is_some_and(|n| *start <= n && n < *end)
        }
        (MetadataValue::String(want), Value::String(found)) => want.matches(found),
        (MetadataValue::OneOf(want), Value::Array(list)) => list.iter().any(|v| Found::Value(v).is(want)),
        _ => false,
    }
}
