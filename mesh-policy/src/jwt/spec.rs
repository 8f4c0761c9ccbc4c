//! The rules of a RequestAuthentication as they are written, without a mesh around them.

use super::issuer::Issuer;
use super::keys::KeySet;
use super::layer::JwtLayer;
use super::remote::{AddressBounds, Fetch, RemoteKeys};
use crate::SpecError;
use http::{HeaderName, Uri};
use mesh_core::api::AnyResource;
use mesh_core::api::security::request_authentication::JwtRule;
use mesh_core::api::value::Span;
use mesh_core::diagnostic::Level;
use mesh_core::{validate, yaml};
use serde_json::{Value, json};
use std::sync::Arc;

/// `jwtRules` of a RequestAuthentication, and what only a layer has.
///
/// ```
/// use mesh_policy::jwt::{JwtLayer, JwtSpec};
///
/// let spec: JwtSpec = serde_json::from_str(r#"{
///     "clockSkew": "30s",
///     "jwtRules": [{
///         "issuer": "https://issuer.example",
///         "fromHeaders": [{"name": "x-token", "prefix": "Bearer "}],
///         "outputClaimToHeaders": [{"header": "x-user", "claim": "sub"}],
///         "jwks": "{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
///     }]
/// }"#)?;
/// let layer = JwtLayer::try_from(spec)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtSpec {
    /// The issuers, under the names of RequestAuthentication.
    pub jwt_rules: Vec<Value>,
    /// By how much clocks may differ; 60s where none is written.
    pub clock_skew: Option<Span>,
    /// How many tokens that were verified are remembered; 1,024 where none is written, 0 for none.
    pub remembered_tokens: Option<usize>,
}

impl JwtSpec {
    /// The layer, where keys may be fetched from addresses within bounds.
    ///
    /// # Errors
    /// The field that cannot be taken as it is written.
    pub fn build(&self, fetch: &Arc<dyn Fetch>, addresses: &AddressBounds) -> Result<JwtLayer, SpecError> {
        self.layer(Some((fetch, addresses)))
    }

    fn layer(&self, fetch: Option<(&Arc<dyn Fetch>, &AddressBounds)>) -> Result<JwtLayer, SpecError> {
        let mut issuers = Vec::new();
        for (i, rule) in self.jwt_rules.iter().enumerate() {
            let at = |e: SpecError| e.under(&format!("jwtRules[{i}]"));
            issuers.push(issuer(&read(rule).map_err(at)?, fetch).map_err(at)?);
        }
        // As Istio orders them: of several good tokens the first issuer's is the request's.
        issuers.sort_by(|a, b| a.issuer.cmp(&b.issuer));
        let mut layer = JwtLayer::new(issuers);
        if let Some(skew) = self.clock_skew {
            layer = layer.clock_skew(skew.0);
        }
        if let Some(tokens) = self.remembered_tokens {
            if tokens > super::cache::MOST {
                return Err(SpecError::new("rememberedTokens", "must be at most 1048576"));
            }
            layer = layer.remember(tokens);
        }
        Ok(layer)
    }
}

/// Without a fetcher: a rule whose keys are elsewhere is an error.
impl TryFrom<JwtSpec> for JwtLayer {
    type Error = SpecError;

    fn try_from(spec: JwtSpec) -> Result<Self, SpecError> {
        spec.layer(None)
    }
}

/// One rule as Istio would take it.
fn read(rule: &Value) -> Result<JwtRule, SpecError> {
    const AT: &str = "spec.jwtRules[0]";
    let document = json!({
        "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": "rule", "namespace": "default"}, "spec": {"jwtRules": [rule]},
    });
    let path = |path: &str| path.strip_prefix(AT).map_or(path, |p| p.trim_start_matches('.')).to_owned();
    // JSON is YAML: the one reader checks shape and says where.
    let mut parsed = yaml::resources("", &document.to_string(), &yaml::Limits::default());
    let policy = match parsed.outcomes.pop().and_then(|outcome| outcome.resource) {
        Some(AnyResource::RequestAuthentication(policy)) => policy,
        _ => {
            let finding = parsed.findings.into_iter().find(|f| f.level == Level::Error);
            let of = finding.map(|f| SpecError::new(path(&f.path), f.message));
            return Err(of.unwrap_or_else(|| SpecError::new("", "must be a rule of a RequestAuthentication")));
        }
    };
    let findings = validate::check(&AnyResource::RequestAuthentication(policy.clone()));
    if let Some(finding) = findings.into_iter().find(|f| f.level == Level::Error) {
        return Err(SpecError::new(path(&finding.path), finding.message));
    }
    policy.spec.jwt_rules.first().cloned().ok_or_else(|| SpecError::new("", "must be a rule"))
}

fn issuer(rule: &JwtRule, fetch: Option<(&Arc<dyn Fetch>, &AddressBounds)>) -> Result<Issuer, SpecError> {
    let mut out = if rule.jwks.is_empty() {
        let needs = |field| SpecError::new(field, "cannot be fetched: nobody was given to fetch with");
        let field = if rule.jwks_uri.is_empty() { "jwks" } else { "jwksUri" };
        let (fetch, addresses) = fetch.ok_or_else(|| needs(field))?;
        Issuer::new(&*rule.issuer, remote(rule, fetch, addresses)?)
    } else {
        let keys = KeySet::from_json(rule.jwks.as_bytes());
        Issuer::new(&*rule.issuer, keys.map_err(|e| SpecError::new("jwks", e.to_string()))?)
    };
    out = out.audiences(&rule.audiences).forward_original_token(rule.forward_original_token);
    for (i, from) in rule.from_headers.iter().enumerate() {
        out = out.from_header(header(&from.name, || format!("fromHeaders[{i}].name"))?, &*from.prefix);
    }
    for param in &rule.from_params {
        out = out.from_param(&**param);
    }
    for cookie in &rule.from_cookies {
        out = out.from_cookie(&**cookie);
    }
    if !rule.output_payload_to_header.is_empty() {
        let name = header(&rule.output_payload_to_header, || "outputPayloadToHeader".to_owned())?;
        out = out.output_payload_to_header(name);
    }
    for (i, claim) in rule.output_claim_to_headers.iter().enumerate() {
        let name = header(&claim.header, || format!("outputClaimToHeaders[{i}].header"))?;
        out = out.output_claim_to_header(&*claim.claim, name);
    }
    for claim in &rule.space_delimited_claims {
        out = out.space_delimited_claim(&**claim);
    }
    Ok(out.presence(rule.presence))
}

fn remote(rule: &JwtRule, fetch: &Arc<dyn Fetch>, bounds: &AddressBounds) -> Result<RemoteKeys, SpecError> {
    let keys = if rule.jwks_uri.is_empty() {
        let keys = RemoteKeys::discovered(fetch.clone(), &rule.issuer);
        keys.map_err(|_| SpecError::new("issuer", "must be a URL, or jwks or jwksUri be written"))?
    } else {
        let uri = rule.jwks_uri.parse::<Uri>();
        let uri = uri.map_err(|_| SpecError::new("jwksUri", "must be a URL of http or https"))?;
        if !bounds.allows_uri(&uri) {
            return Err(SpecError::new("jwksUri", "must be a URL of http or https at a public address"));
        }
        RemoteKeys::new(fetch.clone(), uri)
    };
    let keys = keys.addresses(bounds.clone());
    Ok(match rule.timeout {
        Some(timeout) => keys.timeout(timeout.0),
        None => keys,
    })
}

fn header(name: &str, path: impl FnOnce() -> String) -> Result<HeaderName, SpecError> {
    name.parse().map_err(|_| SpecError::new(path(), format!("{name:?} is not the name of a header")))
}
