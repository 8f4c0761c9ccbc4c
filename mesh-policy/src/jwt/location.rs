//! Where in a request tokens are, and how they are taken out of it.

use super::issuer::Issuer;
use crate::query::{decoded, pairs};
use http::header::{AUTHORIZATION, COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use std::borrow::Cow;

/// Where one or more issuers' tokens are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Header { name: HeaderName, prefix: String },
    Param(String),
    Cookie(String),
}

/// A place, and whose tokens it may hold.
#[derive(Debug)]
pub(super) struct Location {
    pub(super) place: Place,
    pub(super) issuers: Vec<usize>,
}

/// The places of all issuers, each once: headers, parameters, cookies.
pub(super) fn all(issuers: &[Issuer]) -> Vec<Location> {
    let mut out: Vec<Location> = Vec::new();
    for (i, issuer) in issuers.iter().enumerate() {
        for place in places(issuer) {
            match out.iter_mut().find(|location| location.place == place) {
                Some(location) if location.issuers.contains(&i) => {}
                Some(location) => location.issuers.push(i),
                None => out.push(Location { place, issuers: vec![i] }),
            }
        }
    }
    out.sort_by_key(|location| match location.place {
        Place::Header { .. } => 0,
        Place::Param(_) => 1,
        Place::Cookie(_) => 2,
    });
    out
}

fn places(issuer: &Issuer) -> Vec<Place> {
    let headers = issuer.headers.iter();
    let headers = headers.map(|h| Place::Header { name: h.name.clone(), prefix: h.prefix.clone() });
    let params = issuer.params.iter().cloned().map(Place::Param);
    let cookies = issuer.cookies.iter().cloned().map(Place::Cookie);
    let mut all: Vec<Place> = headers.chain(params).chain(cookies).collect();
    if all.is_empty() {
        all.push(Place::Header { name: AUTHORIZATION, prefix: "Bearer ".to_owned() });
        all.push(Place::Param("access_token".to_owned()));
    }
    all
}

impl Place {
    /// Hands over every token that is here, until somebody has had enough.
    pub(super) fn each<'r, E>(
        &self,
        uri: &'r Uri,
        headers: &'r HeaderMap,
        mut found: impl FnMut(Cow<'r, [u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Header { name, prefix } => {
                for value in headers.get_all(name) {
                    if let Some(token) = after(prefix, value.as_bytes()) {
                        found(Cow::Borrowed(token))?;
                    }
                }
            }
            Self::Param(name) => {
                for (key, value) in pairs(uri.query().unwrap_or_default()) {
                    if *decoded(key) == *name.as_bytes() {
                        found(decoded(value))?;
                    }
                }
            }
            Self::Cookie(name) => {
                for (key, value) in headers.get_all(COOKIE).iter().flat_map(|v| cookies(v.as_bytes())) {
                    if key == name.as_bytes() {
                        found(Cow::Borrowed(value))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes away all that is here.
    pub(super) fn clear(&self, uri: &mut Uri, headers: &mut HeaderMap) {
        match self {
            Self::Header { name, prefix } => clear_header(name, prefix, headers),
            Self::Param(name) => {
                if let Some(without) = uri.query().and_then(|query| without_param(uri, query, name)) {
                    *uri = without;
                }
            }
            Self::Cookie(name) => clear_cookie(name, headers),
        }
    }
}

/// What follows a prefix, wherever it stands and however its letters are written, as far as a token may begin
/// there. A prefix with nothing behind it is a token that nobody can read.
fn after<'v>(prefix: &str, value: &'v [u8]) -> Option<&'v [u8]> {
    if prefix.is_empty() {
        return Some(value);
    }
    let prefix = prefix.as_bytes();
    let at = value.windows(prefix.len()).position(|window| window.eq_ignore_ascii_case(prefix))?;
    let rest = value.get(at + prefix.len()..)?;
    let starts = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    match rest.iter().position(starts) {
        Some(start) => rest.get(start..),
        None => Some(value),
    }
}

/// Values with the prefix go, others stay.
fn clear_header(name: &HeaderName, prefix: &str, headers: &mut HeaderMap) {
    let stays = |value: &&HeaderValue| after(prefix, value.as_bytes()).is_none();
    let kept: Vec<HeaderValue> = headers.get_all(name).iter().filter(stays).cloned().collect();
    headers.remove(name);
    for value in kept {
        headers.append(name, value);
    }
}

/// The same without a parameter; `None` if it has none of that name.
fn without_param(uri: &Uri, query: &str, name: &str) -> Option<Uri> {
    let is_ours = |pair: &&str| *decoded(pair.split('=').next().unwrap_or_default()) == *name.as_bytes();
    if !query.split('&').any(|pair| is_ours(&pair)) {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    let path = match kept.as_slice() {
        [] => uri.path().to_owned(),
        some => format!("{}?{}", uri.path(), some.join("&")),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

/// Names and values; a value's quotes are not part of it.
fn cookies(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|b| *b == b';').filter_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        let value = pair.get(at + 1..)?.trim_ascii();
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some((pair.get(..at)?.trim_ascii(), bare.unwrap_or(value)))
    })
}

fn clear_cookie(name: &str, headers: &mut HeaderMap) {
    let is_ours = |pair: &[u8]| cookies(pair).any(|(key, _)| key == name.as_bytes());
    let values: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    if !values.iter().any(|value| is_ours_in(value, name)) {
        return;
    }
    headers.remove(COOKIE);
    for value in values {
        let kept: Vec<&[u8]> = value.as_bytes().split(|b| *b == b';').filter(|pair| !is_ours(pair)).collect();
        let joined = kept.join(&b';');
        if let Ok(value) = HeaderValue::from_bytes(joined.trim_ascii())
            && !value.is_empty()
        {
            headers.append(COOKIE, value);
        }
    }
}

fn is_ours_in(value: &HeaderValue, name: &str) -> bool {
    cookies(value.as_bytes()).any(|(key, _)| key == name.as_bytes())
}
