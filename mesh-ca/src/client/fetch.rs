//! One certificate: key, request, call, and the checks on what came back.

use super::Client;
use crate::auth::Caller;
use crate::csr::Request;
use crate::pem;
use crate::proto::{CREATE_CERTIFICATE, IstioCertificateRequest, IstioCertificateResponse};
use crate::token;
use crate::x509;
use http::uri::PathAndQuery;
use mesh_core::credential::Credential;
use mesh_core::identity::{SpiffeId, TrustDomain};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig};
use tonic_prost::ProstCodec;
use zeroize::Zeroizing;

/// Time for the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Chains with large bundles have some ten KiB.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Why there is no certificate this time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The token's file cannot be read.
    #[error("token {}: {problem}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The file of the root certificate cannot be read.
    #[error("root certificate {}: {problem}", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The request could not be made.
    #[error("no certificate request: {0}")]
    Request(String),
    /// The control plane was not reached, or its certificate is not trusted.
    #[error("control plane: {0}")]
    Connect(String),
    /// The control plane did not answer in time.
    #[error("control plane: no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The CA refused.
    #[error("the CA refused ({code:?}): {message}")]
    Refused {
        /// gRPC's code.
        code: tonic::Code,
        /// The CA's words.
        message: String,
    },
    /// The answer is not a certificate for this client.
    #[error("the CA's answer: {0}")]
    Answer(String),
}

/// Whom the certificate must name.
enum Expected {
    Identity(SpiffeId),
    Account(Caller),
    Anyone,
}

impl Expected {
    fn check(&self, identity: &SpiffeId) -> Result<(), FetchError> {
        let (fits, wanted) = match self {
            Self::Identity(wanted) => (wanted == identity, wanted.to_string()),
            Self::Account(caller) => (
                caller.namespace() == identity.namespace()
                    && caller.service_account() == identity.service_account(),
                caller.to_string(),
            ),
            Self::Anyone => (true, String::new()),
        };
        if fits {
            Ok(())
        } else {
            Err(FetchError::Answer(format!("it certifies {identity} instead of {wanted}")))
        }
    }

    /// The SAN of the request. The CA overrules it; other CAs of Istio's API may insist on one.
    fn wish(&self) -> Option<SpiffeId> {
        match self {
            Self::Identity(identity) => Some(identity.clone()),
            Self::Account(caller) => caller.identity(&TrustDomain::default()).ok(),
            Self::Anyone => None,
        }
    }
}

impl Client {
    /// Fetches one certificate for a fresh key.
    ///
    /// # Errors
    /// [`FetchError`]; a later attempt may succeed.
    pub async fn fetch(&self) -> Result<Credential, FetchError> {
        let token = self.token.read().await?;
        let expected = match &self.identity {
            Some(identity) => Expected::Identity(identity.clone()),
            None => token::claimed(&token).map_or(Expected::Anyone, Expected::Account),
        };
        let Request { key, public_key, csr_pem } =
            Request::generate(expected.wish().as_ref()).map_err(|e| FetchError::Request(e.to_string()))?;
        let chain = tokio::time::timeout(TIMEOUT, self.call(&token, csr_pem))
            .await
            .map_err(|_| FetchError::Timeout)??;
        credential(&chain, key, &public_key, &expected, self.clock.now())
    }

    async fn call(&self, token: &str, csr: String) -> Result<Vec<String>, FetchError> {
        let mut endpoint = self.endpoint.clone();
        if let (Some("https"), Some(root)) = (endpoint.uri().scheme_str(), &self.root) {
            let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(root.read().await?));
            if let Some(name) = &self.server_name {
                tls = tls.domain_name(name);
            }
            endpoint = endpoint.tls_config(tls).map_err(|e| FetchError::Connect(causes(&e)))?;
        }
        // A connection a certificate: the next one is half a lifetime away.
        let channel = endpoint.connect().await.map_err(|e| FetchError::Connect(causes(&e)))?;
        let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE);
        grpc.ready().await.map_err(|e| FetchError::Connect(causes(&e)))?;

        let seconds = i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        let mut request =
            tonic::Request::new(IstioCertificateRequest { csr, validity_duration: seconds, metadata: None });
        let header = |what: &str, text: &str| {
            MetadataValue::<Ascii>::try_from(text)
                .map_err(|_| FetchError::Request(format!("the {what} cannot be sent as a header")))
        };
        let mut authorization = header("token", &Zeroizing::new(format!("Bearer {token}")))?;
        authorization.set_sensitive(true);
        request.metadata_mut().insert("authorization", authorization);
        request.metadata_mut().insert("clusterid", header("cluster id", &self.cluster_id)?);

        let codec = ProstCodec::<IstioCertificateRequest, IstioCertificateResponse>::default();
        let path = PathAndQuery::from_static(CREATE_CERTIFICATE);
        match grpc.unary(request, path, codec).await {
            Ok(response) => Ok(response.into_inner().cert_chain),
            Err(status) => {
                Err(FetchError::Refused { code: status.code(), message: status.message().to_owned() })
            }
        }
    }
}

/// An error with its causes; tonic's own text says no more than "transport error".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// Reads an answer: leaf first, root bundle last.
fn credential(
    answer: &[String],
    key: Zeroizing<Vec<u8>>,
    public_key: &[u8],
    expected: &Expected,
    now: SystemTime,
) -> Result<Credential, FetchError> {
    let wrong = |problem: String| FetchError::Answer(problem);
    let [own @ .., last] = answer else {
        return Err(wrong("it holds no certificate".to_owned()));
    };
    let read = |text: &String| pem::certificates(text).map_err(|e| wrong(e.to_string()));
    let roots = read(last)?;
    let own = own.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat();
    let Some((leaf, above)) = own.split_first() else {
        return Err(wrong("it holds no root beside the certificate".to_owned()));
    };
    let facts = x509::facts(leaf).map_err(|e| wrong(e.to_string()))?;
    if facts.public_key != public_key {
        return Err(wrong("it certifies another key".to_owned()));
    }
    let [uri] = facts.uris.as_slice() else {
        return Err(wrong(format!("the certificate has {} URI names instead of one", facts.uris.len())));
    };
    let identity: SpiffeId = uri.parse().map_err(|e| wrong(format!("{uri:?}: {e}")))?;
    expected.check(&identity)?;
    if facts.not_after <= now {
        return Err(wrong("the certificate has expired".to_owned()));
    }
    let above: Vec<_> = above.iter().filter(|cert| !roots.contains(cert)).cloned().collect();
    let between = x509::path(leaf, &above, &roots).map_err(|e| wrong(e.to_string()))?;
    let mut chain = vec![leaf.clone()];
    chain.extend(between);
    Ok(Credential {
        identity,
        chain,
        key,
        roots,
        not_before: facts.not_before,
        not_after: facts.not_after,
        serial: facts.serial,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;
    use crate::csr::Csr;

    const HOUR: Duration = Duration::from_secs(3600);

    fn web() -> SpiffeId {
        SpiffeId::new(&TrustDomain::default(), "default", "web").unwrap()
    }

    /// An answer for a fresh key, changed by `change`, as the client reads it.
    fn read(expected: Expected, change: impl FnOnce(&mut Vec<String>)) -> Result<Credential, FetchError> {
        let ca = Authority::in_memory(TrustDomain::default()).unwrap();
        let request = Request::generate(None).unwrap();
        let csr = Csr::from_pem(&request.csr_pem).unwrap();
        let mut chain = ca.sign(&csr, &web(), HOUR, SystemTime::now()).unwrap().chain;
        change(&mut chain);
        credential(&chain, request.key, &request.public_key, &expected, SystemTime::now())
    }

    fn problem(change: impl FnOnce(&mut Vec<String>)) -> String {
        read(Expected::Anyone, change).unwrap_err().to_string()
    }

    #[test]
    fn an_answer_becomes_a_credential_with_the_root_apart() {
        let credential = read(Expected::Identity(web()), |_| {}).unwrap();
        assert_eq!(credential.identity, web());
        assert_eq!((credential.chain.len(), credential.roots.len()), (1, 1));
        assert!(!format!("{credential:?}").contains("key"));
    }

    #[test]
    fn an_answer_without_a_root_is_refused() {
        assert!(problem(|chain| chain.truncate(1)).contains("no root"));
        assert!(problem(Vec::clear).contains("no certificate"));
    }

    #[test]
    fn an_answer_for_another_key_or_identity_is_refused() {
        let ca = Authority::in_memory(TrustDomain::default()).unwrap();
        let other = Csr::from_pem(&Request::generate(None).unwrap().csr_pem).unwrap();
        let swap = |chain: &mut Vec<String>| {
            *chain = ca.sign(&other, &web(), HOUR, SystemTime::now()).unwrap().chain;
        };
        assert!(problem(swap).contains("another key"));

        let admin = SpiffeId::new(&TrustDomain::default(), "default", "admin").unwrap();
        let error = read(Expected::Identity(admin), |_| {}).unwrap_err().to_string();
        assert!(error.contains("instead of spiffe://cluster.local/ns/default/sa/admin"), "{error}");
        let account = Caller::new("other", "web").unwrap();
        assert!(read(Expected::Account(account), |_| {}).is_err());
        let account = Caller::new("default", "web").unwrap();
        assert!(read(Expected::Account(account), |_| {}).is_ok());
    }

    #[test]
    fn an_answer_whose_root_did_not_sign_it_is_refused() {
        let stranger = Authority::in_memory(TrustDomain::default()).unwrap();
        let text = problem(|chain| chain[1] = stranger.roots_pem().to_owned());
        assert!(text.contains("no path to a root"), "{text}");
    }

    #[test]
    fn an_answer_that_is_no_pem_is_refused() {
        assert!(problem(|chain| chain[0] = "junk".to_owned()).contains("no CERTIFICATE block"));
        assert!(problem(|chain| chain[1] = String::new()).contains("no CERTIFICATE block"));
    }
}
