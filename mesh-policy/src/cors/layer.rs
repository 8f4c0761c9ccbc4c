//! The layer, its service, and the headers that it writes.

use super::future::CorsFuture;
use super::metrics::CorsMetrics;
use crate::SpecError;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderMap, HeaderValue, Request, Response};
use mesh_core::decide::cors::{self, Allowed};
use mesh_core::model::cors::CorsPolicy;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Lets pages of other origins use a service.
///
/// ```
/// use mesh_policy::cors::{CorsLayer, CorsPolicy, StringMatch};
///
/// let allow_origins = vec![StringMatch::suffix(".shop.example")];
/// let layer = CorsLayer::new(CorsPolicy { allow_origins, ..CorsPolicy::default() })?;
/// # let _ = layer;
/// # Ok::<(), mesh_policy::SpecError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CorsLayer {
    answers: Arc<Answers>,
    metrics: CorsMetrics,
}

/// A policy with its headers.
#[derive(Debug)]
pub(super) struct Answers {
    policy: CorsPolicy,
    methods: Offer,
    headers: Offer,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

/// What a preflight is offered.
#[derive(Debug)]
enum Offer {
    Nothing,
    /// Whatever it asks for: `*`, which browsers would not take for requests with credentials.
    Asked,
    These(HeaderValue),
}

impl CorsLayer {
    /// By a policy.
    ///
    /// # Errors
    /// If a method or a header's name could not stand in a header.
    pub fn new(policy: CorsPolicy) -> Result<Self, SpecError> {
        let max_age = policy.max_age.map(|age| HeaderValue::from(age.as_secs()));
        let answers = Answers {
            methods: offer("allowMethods", &policy.allow_methods)?,
            headers: offer("allowHeaders", &policy.allow_headers)?,
            expose: joined("exposeHeaders", &policy.expose_headers)?,
            max_age,
            policy,
        };
        Ok(Self { answers: Arc::new(answers), metrics: CorsMetrics::default() })
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: CorsMetrics) -> Self {
        Self { metrics, ..self }
    }
}

fn offer(field: &str, words: &[String]) -> Result<Offer, SpecError> {
    Ok(match joined(field, words)? {
        None => Offer::Nothing,
        Some(all) if all == "*" => Offer::Asked,
        Some(these) => Offer::These(these),
    })
}

fn joined(field: &str, words: &[String]) -> Result<Option<HeaderValue>, SpecError> {
    for (i, word) in words.iter().enumerate() {
        // Methods and names of headers are both HTTP's tokens.
        if http::Method::from_bytes(word.as_bytes()).is_err() {
            return Err(SpecError::new(format!("{field}[{i}]"), "must be a word of HTTP, or *"));
        }
    }
    let value = HeaderValue::try_from(words.join(","));
    Ok(Some(value.map_err(|_| SpecError::new(field, "must be words of HTTP"))?).filter(|v| !v.is_empty()))
}

impl Answers {
    /// What a response says to an origin, beside what it says already.
    pub(super) fn tell(&self, allowed: Option<&Allowed>, headers: &mut HeaderMap) {
        vary(headers);
        let Some(allowed) = allowed else { return };
        allow(allowed, headers);
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// The answer to a preflight.
    fn answer<R: Default>(&self, allowed: Option<&Allowed>, asks: &HeaderMap) -> Response<R> {
        let mut response = Response::new(R::default());
        let headers = response.headers_mut();
        vary(headers);
        let Some(allowed) = allowed else { return response };
        allow(allowed, headers);
        for (name, offer, asked) in [
            (ACCESS_CONTROL_ALLOW_METHODS, &self.methods, ACCESS_CONTROL_REQUEST_METHOD),
            (ACCESS_CONTROL_ALLOW_HEADERS, &self.headers, ACCESS_CONTROL_REQUEST_HEADERS),
        ] {
            let value = match offer {
                Offer::Nothing => None,
                Offer::Asked => asks.get(asked),
                Offer::These(these) => Some(these),
            };
            headers.extend(value.map(|value| (name, value.clone())));
        }
        headers.extend(self.max_age.clone().map(|age| (ACCESS_CONTROL_MAX_AGE, age)));
        response
    }
}

fn allow(allowed: &Allowed, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.origin.clone());
    match allowed.credentials {
        true => drop(headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"))),
        // The service below may have said so by itself; this policy does not.
        false => drop(headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS)),
    }
}

/// Tells caches that another origin gets another answer.
fn vary(headers: &mut HeaderMap) {
    let said = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    let mut words = said.flat_map(|value| value.split(',')).map(str::trim);
    if !words.any(|word| word == "*" || word.eq_ignore_ascii_case("origin")) {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        Cors { inner, layer: self.clone() }
    }
}

/// Lets pages of other origins use a service.
#[derive(Clone, Debug)]
pub struct Cors<S> {
    inner: S,
    layer: CorsLayer,
}

impl<S, B, R> Service<Request<B>> for Cors<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = CorsFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let CorsLayer { answers, metrics } = &self.layer;
        let decision = cors::cors(&answers.policy, req.method(), req.headers());
        match &decision {
            cors::Cors::SameOrigin => {}
            cors::Cors::Forward(Some(_)) | cors::Cors::Preflight(Some(_)) => metrics.origin_valid(),
            cors::Cors::Forward(None) | cors::Cors::Preflight(None) => metrics.origin_invalid(),
        }
        match decision {
            cors::Cors::SameOrigin => CorsFuture::pass(self.inner.call(req)),
            cors::Cors::Forward(allowed) => {
                CorsFuture::tell(self.inner.call(req), Arc::clone(answers), allowed)
            }
            cors::Cors::Preflight(allowed) => {
                metrics.preflights_answered();
                CorsFuture::answer(answers.answer(allowed.as_ref(), req.headers()))
            }
        }
    }
}
