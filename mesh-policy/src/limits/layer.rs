//! The two layers and their services.

use super::body::{LimitedBody, Ratio};
use super::error::{Limit, TooLarge};
use super::future::{LimitsFuture, Watch};
use super::metrics::LimitsMetrics;
use super::tally::{Broken, Packed};
use crate::BoxError;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request};
use http_body::Body;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Bounds a request's headers and body.
#[derive(Clone, Debug)]
pub struct LimitsLayer {
    max_headers: usize,
    max_header_bytes: usize,
    max_body_bytes: u64,
    metrics: LimitsMetrics,
}

impl Default for LimitsLayer {
    /// Envoy's defaults: 100 headers of 60 KiB in all, and bodies of any length.
    fn default() -> Self {
        Self {
            max_headers: 100,
            max_header_bytes: 60 * 1024,
            max_body_bytes: u64::MAX,
            metrics: LimitsMetrics::default(),
        }
    }
}

impl LimitsLayer {
    /// With [the defaults](Self::default).
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many header lines; a header that is sent twice counts twice.
    #[must_use]
    pub fn max_headers(self, lines: usize) -> Self {
        Self { max_headers: lines, ..self }
    }

    /// At most so many bytes of method, target, header names and values.
    #[must_use]
    pub fn max_header_bytes(self, bytes: usize) -> Self {
        Self { max_header_bytes: bytes, ..self }
    }

    /// At most so many bytes of the body, as they come. Envoy's `buffer.max_request_bytes`.
    #[must_use]
    pub fn max_body_bytes(self, bytes: u64) -> Self {
        Self { max_body_bytes: bytes, ..self }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: LimitsMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// What is known of a request before its body is read.
    fn check<B: Body>(&self, request: &Request<B>) -> Result<(), TooLarge> {
        let headers = request.headers();
        if headers.len() > self.max_headers {
            return Err(TooLarge::new(Limit::HeaderCount, self.max_headers as u64));
        }
        let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len();
        let target = request.uri().path_and_query().map_or(1, |path| path.as_str().len())
            + request.uri().authority().map_or(0, |authority| authority.as_str().len());
        let bytes = headers.iter().map(line).sum::<usize>() + request.method().as_str().len() + target;
        if bytes > self.max_header_bytes {
            return Err(TooLarge::new(Limit::HeaderBytes, self.max_header_bytes as u64));
        }
        // A body that knows its length is believed, and so is a header that says more.
        let declared = declared(headers).unwrap_or(0).max(request.body().size_hint().lower());
        match declared > self.max_body_bytes {
            true => Err(TooLarge::new(Limit::BodyBytes, self.max_body_bytes)),
            false => Ok(()),
        }
    }
}

/// A `content-length` that is a number. Any other is the server's to refuse.
fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl<S> Layer<S> for LimitsLayer {
    type Service = Limits<S>;

    fn layer(&self, inner: S) -> Limits<S> {
        Limits { inner, layer: self.clone() }
    }
}

/// Bounds a request's headers and body.
#[derive(Clone, Debug)]
pub struct Limits<S> {
    inner: S,
    layer: LimitsLayer,
}

impl<S, B> Service<Request<B>> for Limits<S>
where
    S: Service<Request<LimitedBody<B>>>,
    S::Error: Into<BoxError>,
    B: Body,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = LimitsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let layer = &self.layer;
        if let Err(error) = layer.check(&req) {
            layer.metrics.too_large(error.limit());
            return LimitsFuture::refused(error);
        }
        let packs = !req.body().is_end_stream() && req.headers().contains_key(CONTENT_ENCODING);
        let packed = packs.then(Packed::default);
        if let Some(packed) = &packed {
            req.extensions_mut().insert(packed.clone());
        }
        let (limit, most) = (Limit::BodyBytes, layer.max_body_bytes);
        let bound = Bound { limit, most, ratio: None, metrics: &layer.metrics };
        let (req, watch) = bound.guard(req, packed);
        LimitsFuture::sent(self.inner.call(req), watch)
    }
}

/// What a body may bring.
struct Bound<'a> {
    limit: Limit,
    most: u64,
    ratio: Option<Ratio>,
    metrics: &'a LimitsMetrics,
}

impl Bound<'_> {
    /// The request with its body bounded, and what tells when the bound breaks.
    fn guard<B: Body>(
        self,
        req: Request<B>,
        packed: Option<Packed>,
    ) -> (Request<LimitedBody<B>>, Option<Watch>) {
        let Self { limit, most, ratio, metrics } = self;
        // A body that cannot exceed its limit has nothing to tell, and costs nothing.
        let body = req.body();
        let short = most == u64::MAX || body.size_hint().upper().is_some_and(|bytes| bytes <= most);
        let within = body.is_end_stream() || (short && ratio.is_none());
        let broken = (!within).then(Arc::<Broken>::default);
        let watch = broken.clone().map(|broken| Watch {
            broken,
            limit,
            most,
            most_ratio: ratio.map_or(0, |ratio| ratio.most),
            metrics: metrics.clone(),
        });
        let bounded =
            |body| LimitedBody::counting(body, most, limit).ratio(ratio).packed(packed).telling(broken);
        (req.map(bounded), watch)
    }
}

/// Bounds what a request's body unpacks to; below a layer that decompresses.
///
/// The ratio needs to know what came in: a [`LimitsLayer`] above the decompression counts that.
#[derive(Clone, Debug)]
pub struct UnpackedLimitsLayer {
    max_bytes: u64,
    ratio: Ratio,
    metrics: LimitsMetrics,
}

impl UnpackedLimitsLayer {
    /// At most so many bytes, and 100 times what came in once more than a mebibyte has come out.
    pub fn new(max_bytes: u64) -> Self {
        let ratio = Ratio { most: 100, floor: 1 << 20 };
        Self { max_bytes, ratio, metrics: LimitsMetrics::default() }
    }

    /// At most so many times what came in, once more than `floor` bytes have come out: little text packs well, and
    /// is no danger. Envoy's decompressor libraries have `max_inflate_ratio`, 100 by default.
    #[must_use]
    pub fn max_ratio(self, times: u64, floor: u64) -> Self {
        Self { ratio: Ratio { most: times, floor }, ..self }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: LimitsMetrics) -> Self {
        Self { metrics, ..self }
    }
}

impl<S> Layer<S> for UnpackedLimitsLayer {
    type Service = UnpackedLimits<S>;

    fn layer(&self, inner: S) -> UnpackedLimits<S> {
        UnpackedLimits { inner, layer: self.clone() }
    }
}

/// Bounds what a request's body unpacks to.
#[derive(Clone, Debug)]
pub struct UnpackedLimits<S> {
    inner: S,
    layer: UnpackedLimitsLayer,
}

impl<S, B> Service<Request<B>> for UnpackedLimits<S>
where
    S: Service<Request<LimitedBody<B>>>,
    S::Error: Into<BoxError>,
    B: Body,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = LimitsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let UnpackedLimitsLayer { max_bytes, ratio, metrics } = &self.layer;
        let packed = req.extensions_mut().remove::<Packed>();
        // Without a count of what came in there is no ratio, and the size alone bounds.
        let ratio = packed.is_some().then_some(*ratio);
        let bound = Bound { limit: Limit::UnpackedBytes, most: *max_bytes, ratio, metrics };
        let (req, watch) = bound.guard(req, packed);
        LimitsFuture::sent(self.inner.call(req), watch)
    }
}

impl LimitsMetrics {
    pub(super) fn too_large(&self, limit: Limit) {
        match limit {
            Limit::HeaderCount | Limit::HeaderBytes => self.headers_too_large(),
            Limit::BodyBytes => self.downstream_rq_too_large(),
            Limit::UnpackedBytes | Limit::UnpackedRatio => self.unpacked_too_large(),
        }
    }
}
