use super::*;
use crate::csr::Request as CsrRequest;
use crate::pem;
use crate::testing::TestCa;
use crate::x509;
use http::uri::PathAndQuery;
use mesh_core::identity::SpiffeId;
use prost_types::{Struct, Value};
use std::time::SystemTime;
use tonic::transport::{Channel, Endpoint};

const HOUR: Duration = Duration::from_secs(3600);

fn request(csr: &str) -> IstioCertificateRequest {
    IstioCertificateRequest { csr: csr.to_owned(), ..Default::default() }
}

fn csr() -> String {
    CsrRequest::generate(None).unwrap().csr_pem
}

async fn call_path(
    ca: &TestCa,
    path: &'static str,
    authorization: Option<&str>,
    message: IstioCertificateRequest,
) -> Result<Vec<String>, Status> {
    let channel: Channel = Endpoint::from_shared(ca.url()).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let mut request = Request::new(message);
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    let codec = ProstCodec::<IstioCertificateRequest, IstioCertificateResponse>::default();
    grpc.unary(request, PathAndQuery::from_static(path), codec).await.map(|r| r.into_inner().cert_chain)
}

async fn call(
    ca: &TestCa,
    authorization: Option<&str>,
    message: IstioCertificateRequest,
) -> Result<Vec<String>, Status> {
    call_path(ca, CREATE_CERTIFICATE, authorization, message).await
}

fn leaf(chain: &[String]) -> x509::Facts {
    x509::facts(&pem::certificates(&chain[0]).unwrap()[0]).unwrap()
}

#[tokio::test]
async fn a_known_caller_is_certified_with_the_root_last() {
    let ca = TestCa::start().await;
    let bearer = format!("Bearer {}", ca.token("web"));
    let chain = call(&ca, Some(&bearer), request(&csr())).await.unwrap();
    assert_eq!(leaf(&chain).uris, ["spiffe://cluster.local/ns/default/sa/web"]);
    assert_eq!(chain.len(), 2);
    assert_eq!(chain.last().unwrap(), ca.authority.roots_pem());
    let metrics = ca.service.metrics();
    assert_eq!((metrics.requests(), metrics.issued(), metrics.authentication_failures()), (1, 1, 0));
}

#[tokio::test]
async fn a_request_that_claims_another_name_gets_the_callers() {
    let ca = TestCa::start().await;
    let bearer = format!("bearer {}", ca.token("web"));
    let admin: SpiffeId = "spiffe://cluster.local/ns/istio-system/sa/admin".parse().unwrap();
    let claim = CsrRequest::generate(Some(&admin)).unwrap();
    let chain = call(&ca, Some(&bearer), request(&claim.csr_pem)).await.unwrap();
    let leaf = leaf(&chain);
    assert_eq!(leaf.uris, ["spiffe://cluster.local/ns/default/sa/web"]);
    assert_eq!(leaf.public_key, claim.public_key, "the key is all that is taken from the request");
}

#[tokio::test]
async fn a_caller_without_a_valid_token_is_unauthenticated() {
    let ca = TestCa::start().await;
    let stranger = crate::TokenIssuer::in_memory().unwrap();
    let now = SystemTime::now();
    let foreign = format!("Bearer {}", stranger.issue("default", "web", HOUR, now).unwrap());
    let old = ca.issuer.issue("default", "web", HOUR, now - 2 * HOUR).unwrap();
    let expired = format!("Bearer {old}");
    let basic = format!("Basic {}", ca.token("web"));
    let wrong = [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer x"),
        Some(&foreign),
        Some(&expired),
        Some(&basic),
    ];
    for authorization in wrong {
        let status = call(&ca, authorization, request(&csr())).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{authorization:?}");
    }
    let metrics = ca.service.metrics();
    assert_eq!((metrics.issued(), metrics.authentication_failures()), (0, wrong.len() as u64));
}

#[tokio::test]
async fn a_broken_request_is_an_invalid_argument() {
    let ca = TestCa::start().await;
    let bearer = format!("Bearer {}", ca.token("web"));
    let stolen = {
        let mut der = pem::request(&csr()).unwrap().to_vec();
        let last = der.len() - 1;
        der[last] ^= 1;
        pem::encode(pem::CERTIFICATE_REQUEST, &der)
    };
    for csr in ["", "junk", &stolen] {
        let status = call(&ca, Some(&bearer), request(csr)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().starts_with("csr: "), "{status}");
    }
    assert_eq!(ca.service.metrics().csr_errors(), 3);
}

#[tokio::test]
async fn a_lifetime_is_a_day_unless_another_within_the_bounds_is_asked_for() {
    let ca = TestCa::start().await;
    let bearer = format!("Bearer {}", ca.token("web"));
    let day = 86_400;
    for (asked, given) in [(0, day), (-5, day), (i64::MIN, day), (60, 60), (90 * day, 90 * day)] {
        let message = IstioCertificateRequest { validity_duration: asked, ..request(&csr()) };
        let leaf = leaf(&call(&ca, Some(&bearer), message).await.unwrap());
        let life = leaf.not_after.duration_since(leaf.not_before).unwrap();
        assert_eq!(life.as_secs() as i64, given + 120, "asked for {asked}");
    }
    for asked in [90 * day + 1, i64::MAX] {
        let message = IstioCertificateRequest { validity_duration: asked, ..request(&csr()) };
        let status = call(&ca, Some(&bearer), message).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    assert_eq!(ca.service.metrics().sign_errors(), 2);
}

#[tokio::test]
async fn nobody_may_ask_for_anothers_certificate() {
    let ca = TestCa::start().await;
    let bearer = format!("Bearer {}", ca.token("web"));
    let fields = [(IMPERSONATED_IDENTITY.to_owned(), Value::default())].into();
    let message = IstioCertificateRequest { metadata: Some(Struct { fields }), ..request(&csr()) };
    let status = call(&ca, Some(&bearer), message).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("another identity"), "{status}");
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented_and_an_oversized_message_is_refused() {
    let ca = TestCa::start().await;
    let path = "/istio.v1.auth.IstioCertificateService/Other";
    let status = call_path(&ca, path, None, request("")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let status = call(&ca, None, request(&"x".repeat(MAX_MESSAGE + 1))).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
}

#[tokio::test]
async fn the_counters_are_printed_under_istios_names() {
    let ca = TestCa::start().await;
    call(&ca, None, request(&csr())).await.unwrap_err();
    let text = ca.service.prometheus();
    for line in [
        "citadel_server_csr_count 1",
        "citadel_server_success_cert_issuance_count 0",
        "citadel_server_authentication_failure_count 1",
        "citadel_server_csr_parsing_err_count 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}
