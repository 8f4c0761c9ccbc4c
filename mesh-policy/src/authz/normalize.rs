//! Makes a request's path canonical before anything decides by it.
//!
//! ```text
//! request ─▶ [normalise] ─▶ authz ─▶ router ─▶ app
//! ```
//!
//! A rule for `/admin` can be walked around by `//admin` or `/x/../admin` if the rule, the router and the
//! application read one path in different ways. So it is written anew once, and everybody below reads the same bytes.
//! Istio's `meshConfig.pathNormalization`, by the one function that the mesh's proxies use.

use crate::{BoxError, Reject, SpecError};
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use mesh_core::api::mesh::Normalization;
use mesh_core::decide::normalize;
use mesh_core::model::http::PathNormalization;
use mesh_core::response_flag::ResponseFlag;
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Makes a request's path canonical.
#[doc = include_str!("docs/normalize.md")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NormalizePathLayer {
    level: PathNormalization,
}

impl NormalizePathLayer {
    /// At a level; `Default` is Istio's, [`PathNormalization::Base`].
    pub fn new(level: PathNormalization) -> Self {
        Self { level }
    }

    /// Makes a request's path canonical, and leaves its query as it is.
    ///
    /// # Errors
    /// [`InvalidPath`], and the request is as it was.
    pub fn apply<B>(&self, request: &mut Request<B>) -> Result<(), InvalidPath> {
        // Of `CONNECT host:port` there is none.
        let Some(path) = request.uri().path_and_query() else { return Ok(()) };
        let changed = match normalize(path.as_str(), self.level).map_err(|_| InvalidPath)? {
            Cow::Borrowed(same) if same.len() == path.as_str().len() => return Ok(()),
            changed => PathAndQuery::try_from(changed.into_owned()).map_err(|_| InvalidPath)?,
        };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(changed);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| InvalidPath)?;
        Ok(())
    }
}

/// The settings of a [`NormalizePathLayer`]: Istio's `meshConfig.pathNormalization`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NormalizePathSpec {
    /// `NONE`, `BASE` (which `DEFAULT` is), `MERGE_SLASHES` or `DECODE_AND_MERGE_SLASHES`.
    pub normalization: Normalization,
}

impl TryFrom<NormalizePathSpec> for NormalizePathLayer {
    type Error = SpecError;

    fn try_from(spec: NormalizePathSpec) -> Result<Self, SpecError> {
        Ok(Self::new(match spec.normalization {
            Normalization::None => PathNormalization::None,
            Normalization::Default | Normalization::Base => PathNormalization::Base,
            Normalization::MergeSlashes => PathNormalization::MergeSlashes,
            Normalization::DecodeAndMergeSlashes => PathNormalization::DecodeAndMergeSlashes,
        }))
    }
}

/// A path that nobody may read in two ways: it is not absolute, or holds an encoded NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPath;

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's path cannot be normalised")
    }
}

impl Error for InvalidPath {}

impl Reject for InvalidPath {
    fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }

    /// None, as in Envoy's connection manager.
    fn flag(&self) -> Option<ResponseFlag> {
        None
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed("path_normalization_failed")
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed("")
    }
}

impl<S> Layer<S> for NormalizePathLayer {
    type Service = NormalizePath<S>;

    fn layer(&self, inner: S) -> NormalizePath<S> {
        NormalizePath { inner, layer: *self }
    }
}

/// Makes a request's path canonical.
#[derive(Clone, Debug)]
pub struct NormalizePath<S> {
    inner: S,
    layer: NormalizePathLayer,
}

impl<S, B> Service<Request<B>> for NormalizePath<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = NormalizePathFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let inner = self.layer.apply(&mut req).is_ok().then(|| self.inner.call(req));
        NormalizePathFuture { inner }
    }
}

pin_project! {
    /// The response of a [`NormalizePath`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct NormalizePathFuture<F> {
        // `None` is a path that is refused.
        #[pin]
        inner: Option<F>,
    }
}

impl<F, R, E> Future for NormalizePathFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll(cx).map_err(Into::into),
            None => Poll::Ready(Err(InvalidPath.into())),
        }
    }
}
