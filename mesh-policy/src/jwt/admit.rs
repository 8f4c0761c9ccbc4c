//! A request against the issuers: what becomes of it, without waiting for anything.

use super::cache::TokenCache;
use super::clock::Clock;
use super::error::{JwtError, JwtStatus};
use super::issuer::{Issuer, KeySource, Verified};
use super::location::{self, Location};
use super::metrics::JwtMetrics;
use super::parse::Unverified;
use super::remote::{Available, RemoteKeys};
use crate::BoxError;
use crate::head::head_of;
use crate::token::RequestToken;
use http::{Method, Request, header};
use mesh_core::api::security::request_authentication::Presence;
use std::sync::Arc;
use std::time::Duration;

/// What all clones of a layer share.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) issuers: Vec<Issuer>,
    pub(super) locations: Vec<Location>,
    pub(super) cache: TokenCache,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) skew: Duration,
    pub(super) bypass_cors_preflight: bool,
    pub(super) metrics: JwtMetrics,
}

/// What becomes of a request.
pub(super) enum Admission {
    /// It may pass; what was to be done to it is done.
    Pass,
    /// It is refused.
    Refuse(JwtError),
    /// These keys must be fetched first; then it is to be asked again, with the issuer among those tried.
    Fetch(usize, RemoteKeys),
}

/// Why a token is not verified, for now or for good.
enum Doubt {
    Bad(JwtStatus),
    /// There are no keys to verify it with; why, if a fetch has failed.
    NoKeys(Option<Arc<BoxError>>),
    Fetch(usize, RemoteKeys),
}

/// The longest path that a realm tells, as in Envoy.
const LONGEST_PATH: usize = 256;

impl Engine {
    pub(super) fn new(issuers: Vec<Issuer>) -> Self {
        Self {
            locations: location::all(&issuers),
            issuers,
            cache: TokenCache::new(1024),
            clock: Arc::new(super::clock::SystemClock),
            skew: Duration::from_secs(60),
            bypass_cors_preflight: true,
            metrics: JwtMetrics::default(),
        }
    }

    /// Whether a request may pass. `tried` are the issuers whose keys were fetched for it, or not to be had.
    pub(super) fn admit<B>(&self, request: &mut Request<B>, tried: &[usize]) -> Admission {
        if self.bypass_cors_preflight && is_cors_preflight(request) {
            self.clean(request);
            request.extensions_mut().insert(RequestToken::Absent);
            self.metrics.cors_preflight_bypassed();
            return Admission::Pass;
        }
        let good = match self.tokens(request, tried) {
            Ok(good) => good,
            Err(Doubt::Fetch(issuer, keys)) => return Admission::Fetch(issuer, keys),
            Err(Doubt::Bad(status)) => return self.refuse(request, status, None),
            Err(Doubt::NoKeys(why)) => return self.refuse(request, JwtStatus::JwksFetchFail, why),
        };
        self.metrics.allowed();
        self.clean(request);
        self.hand_over(request, &good);
        Admission::Pass
    }

    fn refuse<B>(&self, request: &Request<B>, status: JwtStatus, source: Option<Arc<BoxError>>) -> Admission {
        self.metrics.denied();
        Admission::Refuse(JwtError { status, realm: realm(request), source })
    }

    /// The good tokens of a request with the places that they are at, the first issuer's first. All others must be
    /// of issuers whose bad tokens are as good as none.
    fn tokens<B>(
        &self,
        request: &Request<B>,
        tried: &[usize],
    ) -> Result<Vec<(Arc<Verified>, &Location)>, Doubt> {
        let mut good: Vec<(Arc<Verified>, &Location)> = Vec::new();
        for location in &self.locations {
            location.place.each(request.uri(), request.headers(), |token| {
                match self.token(&token, location, tried) {
                    Ok(verified) => good.push((verified, location)),
                    Err(Doubt::Bad(_) | Doubt::NoKeys(_)) if self.is_ignored(location) => {}
                    Err(doubt) => return Err(doubt),
                }
                Ok(())
            })?;
        }
        good.sort_by_key(|(verified, _)| verified.issuer);
        let lacks = |(i, issuer): (usize, &Issuer)| {
            issuer.presence == Presence::Required && !good.iter().any(|(verified, _)| verified.issuer == i)
        };
        match self.issuers.iter().enumerate().any(lacks) {
            true => Err(Doubt::Bad(JwtStatus::Missing)),
            false => Ok(good),
        }
    }

    /// Whether a bad token at this place is as good as none.
    fn is_ignored(&self, location: &Location) -> bool {
        let mut issuers = location.issuers.iter().filter_map(|i| self.issuers.get(*i));
        issuers.all(|issuer| issuer.presence == Presence::Ignored)
    }

    /// One token at one place.
    fn token(&self, token: &[u8], location: &Location, tried: &[usize]) -> Result<Arc<Verified>, Doubt> {
        let now = self.clock.now();
        let known = self.cache.get(token, |verified| {
            let issuer = self.issuers.get(verified.issuer)?;
            location.issuers.contains(&verified.issuer).then(|| issuer.keys.available().keys())?
        });
        // A request that waited for keys is looked at again, and was counted.
        let counts = tried.is_empty();
        if let Some(verified) = known {
            if counts {
                self.metrics.jwt_cache_hit();
            }
            verified.window.check(now, self.skew).map_err(Doubt::Bad)?;
            return Ok(verified);
        }
        if counts {
            self.metrics.jwt_cache_miss();
        }
        let text = std::str::from_utf8(token).map_err(|_| Doubt::Bad(JwtStatus::BadFormat))?;
        let parsed = Unverified::parse(text).map_err(Doubt::Bad)?;
        let mut doubt = Doubt::Bad(JwtStatus::UnknownIssuer);
        for &index in &location.issuers {
            let Some(issuer) = self.issuers.get(index).filter(|i| i.is(parsed.issuer())) else { continue };
            let checked =
                parsed.window.check(now, self.skew).and_then(|()| match issuer.takes_audience(&parsed) {
                    true => Ok(()),
                    false => Err(JwtStatus::AudienceNotAllowed),
                });
            match checked.map_err(Doubt::Bad).and_then(|()| signed_by(index, issuer, &parsed, tried)) {
                Ok(keys) => {
                    let verified = Arc::new(issuer.accept(index, parsed).map_err(Doubt::Bad)?);
                    self.cache.put(token, keys, verified.clone());
                    return Ok(verified);
                }
                // Another issuer of that name may know the key; to fetch is the last resort.
                Err(fetch @ Doubt::Fetch(..)) => doubt = fetch,
                Err(_) if matches!(doubt, Doubt::Fetch(..)) => {}
                Err(other) => doubt = other,
            }
        }
        Err(doubt)
    }

    /// Takes away what only we may write, whether or not there is a token.
    fn clean<B>(&self, request: &mut Request<B>) {
        for header in self.issuers.iter().flat_map(Issuer::outputs) {
            request.headers_mut().remove(header);
        }
    }

    fn hand_over<B>(&self, request: &mut Request<B>, good: &[(Arc<Verified>, &Location)]) {
        for (verified, location) in good {
            if self.issuers.get(verified.issuer).is_some_and(|issuer| !issuer.forward) {
                let mut uri = std::mem::take(request.uri_mut());
                location.place.clear(&mut uri, request.headers_mut());
                *request.uri_mut() = uri;
            }
            // Whose token is the first's wins.
            for (name, value) in &verified.headers {
                if !request.headers().contains_key(name) {
                    request.headers_mut().insert(name, value.clone());
                }
            }
        }
        let token = good
            .first()
            .map_or(RequestToken::Absent, |(verified, _)| RequestToken::Verified(verified.claims.clone()));
        request.extensions_mut().insert(token);
    }
}

/// The keys of an issuer that signed a token.
fn signed_by(
    index: usize,
    issuer: &Issuer,
    token: &Unverified<'_>,
    tried: &[usize],
) -> Result<Arc<super::keys::KeySet>, Doubt> {
    let may_fetch = |otherwise| match &issuer.keys {
        KeySource::Remote(keys) if !tried.contains(&index) => Doubt::Fetch(index, keys.clone()),
        _ => otherwise,
    };
    match issuer.keys.available() {
        Available::None => Err(may_fetch(Doubt::NoKeys(issuer.keys.last_error()))),
        Available::Fresh(keys) | Available::Stale(keys) => match token.verify(&keys) {
            Ok(()) => Ok(keys),
            // The issuer may have a new key since.
            Err(JwtStatus::KidAlgMismatch) => Err(may_fetch(Doubt::Bad(JwtStatus::KidAlgMismatch))),
            Err(status) => Err(Doubt::Bad(status)),
        },
    }
}

/// A browser asks, without credentials, whether it may: <https://fetch.spec.whatwg.org/#cors-preflight-request>.
fn is_cors_preflight<B>(request: &Request<B>) -> bool {
    let has = |name| request.headers().get(name).is_some_and(|value| !value.is_empty());
    request.method() == Method::OPTIONS && has(header::ORIGIN) && has(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What was asked for, as far as it may be repeated: without the query, and without what would end the quotes.
fn realm<B>(request: &Request<B>) -> String {
    let head = head_of(request);
    let path = head.path_only();
    let end = (0..=LONGEST_PATH.min(path.len())).rev().find(|at| path.is_char_boundary(*at)).unwrap_or(0);
    let path = path.get(..end).unwrap_or_default();
    let text = format!("{}://{}{path}", head.scheme, head.authority);
    text.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect()
}
