//! The layer and its service.

use super::metrics::RewriteMetrics;
use http::Request;
use mesh_core::decide::rewrite::{InvalidRewrite, NewAuthority, PathRewriter};
use mesh_core::decide::route::path_matches;
use mesh_core::model::matcher::Regex;
use mesh_core::model::route::{PathMatch, PathRewrite, RouteMatch};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Changes a request's path and authority.
///
/// ```
/// use mesh_policy::rewrite::{NewAuthority, RewriteLayer};
///
/// let layer = RewriteLayer::prefix("/v1/", "/")
///     .authority(NewAuthority::new("reviews.example:8080").ok_or("not an authority")?);
/// # let _ = layer;
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RewriteLayer {
    changes: Arc<Changes>,
    metrics: RewriteMetrics,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Of the paths that match.
    pub(super) matches: RouteMatch,
    pub(super) path: Option<PathRewriter>,
    pub(super) authority: Option<NewAuthority>,
}

impl RewriteLayer {
    /// Changes nothing, until it is told an [`authority`](Self::authority).
    pub fn new() -> Self {
        Self::of(Changes::default())
    }

    /// Paths that begin with `prefix` begin with `text` instead; other requests pass as they are.
    pub fn prefix(prefix: impl Into<String>, text: impl Into<String>) -> Self {
        let matches = PathMatch::Prefix(prefix.into());
        // A prefix names no group, so that nothing can be wrong with it.
        let path = PathRewriter::new(&PathRewrite::Prefix(text.into()), &matches).ok();
        Self::of(Changes { matches: all_of(matches), path, authority: None })
    }

    /// Paths that begin with these segments begin with those instead; other requests pass as they are.
    pub fn segments(prefix: &str, text: &str) -> Self {
        let path = Some(PathRewriter::segments(prefix, text));
        let matches = match prefix.trim_end_matches('/') {
            "" => PathMatch::Prefix("/".to_owned()),
            prefix => PathMatch::Segments(prefix.to_owned()),
        };
        Self::of(Changes { matches: all_of(matches), path, authority: None })
    }

    /// Every path becomes this one, which begins with a slash.
    pub fn full(path: impl Into<String>) -> Self {
        let rewrite = PathRewrite::Prefix(path.into());
        // A match that is not a prefix stands for the whole path.
        let path = PathRewriter::new(&rewrite, &PathMatch::Exact(String::new())).ok();
        Self::of(Changes { path, ..Changes::default() })
    }

    /// Whatever the pattern finds in a path becomes the text; `\1` is its first group.
    ///
    /// # Errors
    /// If the text names a group that the pattern does not have.
    pub fn regex(pattern: &Regex, text: impl Into<String>) -> Result<Self, InvalidRewrite> {
        let rewrite = PathRewrite::Regex { pattern: pattern.clone(), substitution: text.into() };
        let matches = RouteMatch::default();
        let path = Some(PathRewriter::new(&rewrite, &matches.path)?);
        Ok(Self::of(Changes { matches, path, authority: None }))
    }

    pub(super) fn of(changes: Changes) -> Self {
        Self { changes: Arc::new(changes), metrics: RewriteMetrics::default() }
    }

    /// Requests whose path matches are sent with this authority.
    #[must_use]
    pub fn authority(self, authority: NewAuthority) -> Self {
        let changes = Changes { authority: Some(authority), ..Changes::clone(&self.changes) };
        Self { changes: Arc::new(changes), ..self }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: RewriteMetrics) -> Self {
        Self { metrics, ..self }
    }

    fn apply<B>(&self, request: &mut Request<B>) {
        let Changes { matches, path, authority } = &*self.changes;
        if path.is_none() && authority.is_none() || !path_matches(matches, request.uri().path()) {
            return;
        }
        let mut uri = std::mem::take(request.uri_mut());
        let headers = request.headers_mut();
        match path.as_ref().map(|path| path.apply(&mut uri, headers)) {
            Some(Err(_)) => self.metrics.no_path(),
            Some(Ok(())) | None => self.metrics.rewritten(),
        }
        if let Some(authority) = authority {
            authority.apply(&mut uri, headers);
        }
        *request.uri_mut() = uri;
    }
}

fn all_of(path: PathMatch) -> RouteMatch {
    RouteMatch { path, ..RouteMatch::default() }
}

impl Default for RewriteLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RewriteLayer {
    type Service = Rewrite<S>;

    fn layer(&self, inner: S) -> Rewrite<S> {
        Rewrite { inner, layer: self.clone() }
    }
}

/// Changes a request's path and authority. Its future is the inner service's: nothing waits here.
#[derive(Clone, Debug)]
pub struct Rewrite<S> {
    inner: S,
    layer: RewriteLayer,
}

impl<S, B> Service<Request<B>> for Rewrite<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> S::Future {
        self.layer.apply(&mut req);
        self.inner.call(req)
    }
}
