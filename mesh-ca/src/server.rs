//! Istio's CA API: `istio.v1.auth.IstioCertificateService/CreateCertificate`.
//!
//! ```text
//! [server]: bearer token → Authenticator → Caller ─┐
//!           csr ─────────────────────────────→ key ┴→ Signer → cert_chain
//! ```
//!
//! The two inputs never mix: the token alone says who the caller is, the request alone which key it
//! holds. Each outcome is one line of the audit log (target `mesh_ca::audit`).

use crate::auth::{AuthError, Authenticator, Caller, Evidence};
use crate::clock::{Clock, SystemClock};
use crate::csr::Csr;
use crate::metrics::{CaMetrics, increment};
use crate::proto::{
    CREATE_CERTIFICATE, IMPERSONATED_IDENTITY, IstioCertificateRequest, IstioCertificateResponse, SERVICE,
};
use crate::signer::{DEFAULT_TTL, Issued, MAX_TTL, SignError, Signer};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::codegen::{Body as HttpBody, BoxFuture, Service, StdError};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

/// A request holds one CSR and some short texts.
const MAX_MESSAGE: usize = 256 * 1024;

/// The CA service, to be added to a tonic server. Clones share one state.
#[derive(Clone)]
pub struct CertificateService {
    shared: Arc<Shared>,
}

struct Shared {
    signer: Arc<dyn Signer>,
    authenticator: Arc<dyn Authenticator>,
    clock: Arc<dyn Clock>,
    default_ttl: Duration,
    max_ttl: Duration,
    metrics: CaMetrics,
}

/// Settings of a [`CertificateService`] that differ from Istio's defaults.
#[derive(Debug)]
pub struct Options {
    /// The clock that tokens and certificates are dated by.
    pub clock: Arc<dyn Clock>,
    /// Lifetime of a certificate whose caller asks for none; 24 h.
    pub default_ttl: Duration,
    /// The longest lifetime that a caller may ask for; 90 d, which the authority does not exceed either.
    pub max_ttl: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), default_ttl: DEFAULT_TTL, max_ttl: MAX_TTL }
    }
}

/// Why a request was refused, as the audit log and the caller are told.
struct Refusal {
    code: Code,
    reason: String,
}

impl Refusal {
    fn new(code: Code, reason: impl ToString) -> Self {
        Self { code, reason: reason.to_string() }
    }
}

impl CertificateService {
    /// A service that issues from `signer` to whom `authenticator` knows.
    pub fn new(signer: Arc<dyn Signer>, authenticator: Arc<dyn Authenticator>) -> Self {
        Self::with_options(signer, authenticator, Options::default())
    }

    /// Like [`new`](Self::new), with other than the default settings.
    pub fn with_options(
        signer: Arc<dyn Signer>,
        authenticator: Arc<dyn Authenticator>,
        options: Options,
    ) -> Self {
        let Options { clock, default_ttl, max_ttl } = options;
        let metrics = CaMetrics::default();
        Self { shared: Arc::new(Shared { signer, authenticator, clock, default_ttl, max_ttl, metrics }) }
    }

    /// What was counted.
    pub fn metrics(&self) -> &CaMetrics {
        &self.shared.metrics
    }

    /// What was counted, in Prometheus' text format under Istio's names.
    pub fn prometheus(&self) -> String {
        self.shared.metrics.render(self.shared.signer.not_after())
    }
}

impl fmt::Debug for CertificateService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateService")
            .field("trust_domain", self.shared.signer.trust_domain())
            .field("metrics", &self.shared.metrics)
            .finish_non_exhaustive()
    }
}

impl Shared {
    async fn create(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        increment(&self.metrics.requests);
        let peer = request.remote_addr().map(|addr| addr.to_string()).unwrap_or_default();
        let caller = match self.authenticate(request.metadata(), request.get_ref()).await {
            Ok(caller) => caller,
            Err(refusal) => {
                increment(&self.metrics.authentication_failures);
                return Err(audit_refusal(&peer, None, refusal));
            }
        };
        match self.issue(&caller, request.get_ref()).await {
            Ok(issued) => {
                increment(&self.metrics.issued);
                Ok(Response::new(IstioCertificateResponse { cert_chain: issued.chain }))
            }
            Err(refusal) => Err(audit_refusal(&peer, Some(&caller), refusal)),
        }
    }

    async fn authenticate(
        &self,
        metadata: &MetadataMap,
        request: &IstioCertificateRequest,
    ) -> Result<Caller, Refusal> {
        let evidence = Evidence::bearer(bearer(metadata));
        let caller =
            self.authenticator.authenticate(evidence, self.clock.now()).await.map_err(|e| match e {
                AuthError::Unavailable(_) => Refusal::new(Code::Unavailable, e),
                _ => Refusal::new(Code::Unauthenticated, e),
            })?;
        // Istio answers so, too, where no node accounts are trusted.
        if request.metadata.as_ref().is_some_and(|m| m.fields.contains_key(IMPERSONATED_IDENTITY)) {
            return Err(Refusal::new(
                Code::Unauthenticated,
                format!("{caller} is not trusted to ask for the certificate of another identity"),
            ));
        }
        Ok(caller)
    }

    async fn issue(&self, caller: &Caller, request: &IstioCertificateRequest) -> Result<Issued, Refusal> {
        let csr = Csr::from_pem(&request.csr).map_err(|e| {
            increment(&self.metrics.csr_errors);
            Refusal::new(Code::InvalidArgument, format!("csr: {e}"))
        })?;
        let sign_refusal = |code, reason: String| {
            increment(&self.metrics.sign_errors);
            Refusal::new(code, reason)
        };
        let ttl = self.lifetime(request.validity_duration).map_err(|seconds| {
            let max = self.max_ttl.as_secs();
            sign_refusal(Code::InvalidArgument, format!("validity_duration: {seconds} s exceed {max} s"))
        })?;
        let identity = caller
            .identity(self.signer.trust_domain())
            .map_err(|e| sign_refusal(Code::Internal, e.to_string()))?;
        let now = self.clock.now();
        let issued = self.signer.sign(&csr, &identity, ttl, now).await.map_err(|e| match e {
            SignError::Ttl(_) => sign_refusal(Code::InvalidArgument, format!("validity_duration: {e}")),
            _ => sign_refusal(Code::Internal, e.to_string()),
        })?;
        tracing::info!(
            target: "mesh_ca::audit",
            %caller,
            %identity,
            serial = issued.serial,
            ttl_seconds = issued.not_after.duration_since(now).unwrap_or_default().as_secs(),
            "certificate issued"
        );
        Ok(issued)
    }

    /// The lifetime for a wish in seconds, or the wish itself if it is beyond the bound.
    fn lifetime(&self, wished: i64) -> Result<Duration, i64> {
        match u64::try_from(wished) {
            Err(_) | Ok(0) => Ok(self.default_ttl),
            Ok(seconds) if seconds <= self.max_ttl.as_secs() => Ok(Duration::from_secs(seconds)),
            Ok(_) => Err(wished),
        }
    }
}

fn audit_refusal(peer: &str, caller: Option<&Caller>, refusal: Refusal) -> Status {
    let caller = caller.map(Caller::to_string);
    tracing::warn!(
        target: "mesh_ca::audit",
        peer,
        caller,
        reason = refusal.reason,
        "certificate refused"
    );
    Status::new(refusal.code, refusal.reason)
}

/// The token of an `authorization: Bearer …` header; the scheme's case does not matter (RFC 9110).
fn bearer(metadata: &MetadataMap) -> Option<&str> {
    let value = metadata.get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

struct CreateCertificate(Arc<Shared>);

impl tonic::server::UnaryService<IstioCertificateRequest> for CreateCertificate {
    type Response = IstioCertificateResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<IstioCertificateRequest>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move { shared.create(request).await })
    }
}

impl<B> Service<http::Request<B>> for CertificateService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path() != CREATE_CERTIFICATE {
            return Box::pin(std::future::ready(Ok(Status::unimplemented("").into_http())));
        }
        let method = CreateCertificate(self.shared.clone());
        Box::pin(async move {
            let codec = ProstCodec::<IstioCertificateResponse, IstioCertificateRequest>::default();
            let mut grpc = tonic::server::Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE);
            Ok(grpc.unary(method, request).await)
        })
    }
}

impl tonic::server::NamedService for CertificateService {
    const NAME: &'static str = SERVICE;
}

#[cfg(test)]
mod tests;
