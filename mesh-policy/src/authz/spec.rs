//! AuthorizationPolicies as they are written, without a mesh around them.

use super::custom::{Authority, CustomAuthzLayer, CustomAuthzSpec};
use super::layer::AuthzLayer;
use crate::SpecError;
use mesh_core::api::security::AuthorizationPolicy;
use mesh_core::api::{AnyResource, Resource};
use mesh_core::compile::rbac::{Layer as Seen, Policies, ProblemKind, Sight};
use mesh_core::diagnostic::Level;
use mesh_core::identity::TrustDomain;
use mesh_core::merge::Subject;
use mesh_core::merge::attachment::{Attachment, Target, holds};
use mesh_core::model::rbac::RbacPolicy;
use mesh_core::{validate, yaml};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// AuthorizationPolicies, and the workload that they are asked about.
///
/// ```
/// use mesh_policy::authz::{AuthzLayer, AuthzSpec};
///
/// let spec: AuthzSpec = serde_json::from_str(r#"{
///     "namespace": "shop",
///     "labels": {"app": "cart"},
///     "policies": [{
///         "apiVersion": "security.istio.io/v1",
///         "kind": "AuthorizationPolicy",
///         "metadata": {"name": "cart", "namespace": "shop"},
///         "spec": {
///             "selector": {"matchLabels": {"app": "cart"}},
///             "rules": [{"from": [{"source": {"namespaces": ["shop", "front"]}}]}]
///         }
///     }]
/// }"#)?;
/// let layer = AuthzLayer::try_from(spec)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthzSpec {
    /// The workload's namespace: policies of it hold, if their selector does. `default` where none is written.
    pub namespace: String,
    /// Its labels, for the policies' selectors.
    pub labels: BTreeMap<String, String>,
    /// The namespace whose policies hold in all. `istio-system` where none is written.
    pub root_namespace: String,
    /// Its trust domain. `cluster.local` where none is written.
    pub trust_domain: String,
    /// Other names of the trust domain.
    pub trust_domain_aliases: Vec<String>,
    /// How the authorizers are asked that CUSTOM policies name; those that are not here, as by default.
    pub extension_providers: Vec<CustomAuthzSpec>,
    /// The policies, as documents of the kind AuthorizationPolicy. Those that do not hold for the workload cost
    /// nothing later.
    pub policies: Vec<Value>,
}

impl Default for AuthzSpec {
    fn default() -> Self {
        Self {
            namespace: "default".to_owned(),
            labels: BTreeMap::new(),
            root_namespace: "istio-system".to_owned(),
            trust_domain: TrustDomain::default().to_string(),
            trust_domain_aliases: Vec::new(),
            extension_providers: Vec::new(),
            policies: Vec::new(),
        }
    }
}

/// What a spec becomes: whom to ask, and the policies themselves. In this order around a service.
#[derive(Clone, Debug)]
pub struct Chain {
    /// One per authorizer, in the order of their names.
    pub custom: Vec<CustomAuthzLayer>,
    /// What allows and denies.
    pub authz: AuthzLayer,
}

impl AuthzSpec {
    /// The policies of a text of YAML or JSON documents, for a workload in the namespace `default` without
    /// labels; change the fields for another. `file` is what errors call it.
    ///
    /// # Errors
    /// Where the text is not YAML, or a document is not an AuthorizationPolicy that Istio would take.
    pub fn from_yaml(file: &str, text: &str) -> Result<Self, SpecError> {
        let read = yaml::documents(file, text, &yaml::Limits::default());
        if let Some(finding) = read.findings.first() {
            return Err(SpecError::new(file, finding.message.clone()));
        }
        let policies: Vec<Value> = read.documents.into_iter().map(|document| document.value).collect();
        for (i, document) in policies.iter().enumerate() {
            resource(document).map_err(|e| e.under(&format!("{file}[{i}]")))?;
        }
        Ok(Self { policies, ..Self::default() })
    }

    /// The layers, where CUSTOM policies may ask the authorities that a name is found for.
    ///
    /// # Errors
    /// The field that cannot be taken as it is written; an authority that is not there.
    pub fn build(&self, authority: impl Fn(&str) -> Option<Arc<dyn Authority>>) -> Result<Chain, SpecError> {
        for (i, spec) in self.extension_providers.iter().enumerate() {
            if self.extension_providers.iter().take(i).any(|before| before.name == spec.name) {
                return Err(SpecError::new(format!("extensionProviders[{i}].name"), "must be there once"));
            }
        }
        let policies = self.lower(true)?;
        let mut custom = Vec::new();
        for asked in policies.custom() {
            let name = asked.provider;
            let found = authority(&name)
                .ok_or_else(|| SpecError::new("policies", format!("there is no authorizer {name:?}")))?;
            let listed = self.extension_providers.iter().enumerate().find(|(_, spec)| *spec.name == *name);
            let layer = match listed {
                Some((i, spec)) => {
                    spec.clone().layer(found).map_err(|e| e.under(&format!("extensionProviders[{i}]")))?
                }
                None => CustomAuthzLayer::new(name, found),
            };
            custom.push(layer.rules(Arc::<[RbacPolicy]>::from(asked.rules)));
        }
        Ok(Chain { custom, authz: AuthzLayer::new(policies.filters()) })
    }

    fn lower(&self, providers: bool) -> Result<Policies, SpecError> {
        let domain = |field: String, text: &str| match text.parse::<TrustDomain>() {
            Ok(domain) => Ok(domain.to_string()),
            Err(error) => Err(SpecError::new(field, error.to_string())),
        };
        let mut trust_domains = vec![domain("trustDomain".to_owned(), &self.trust_domain)?];
        for (i, alias) in self.trust_domain_aliases.iter().enumerate() {
            trust_domains.push(domain(format!("trustDomainAliases[{i}]"), alias)?);
        }
        let sight = Sight { layer: Seen::Http, tokens: true, providers, trust_domains: &trust_domains };
        let subject = Subject { namespace: &self.namespace, labels: &self.labels };
        let target = Target::new(subject, &self.root_namespace);
        let mut out = Policies::default();
        for (i, document) in self.policies.iter().enumerate() {
            let at = format!("policies[{i}]");
            let policy = resource(document).map_err(|e| e.under(&at))?;
            let spec = &policy.spec;
            let (selector, one) = (spec.selector.as_ref(), spec.target_ref.as_ref());
            if !holds(&Attachment::new(&policy.meta, selector, one, &spec.target_refs), &target) {
                continue;
            }
            if let Some(problem) = out.add(&policy, &sight).into_iter().next() {
                let message = match problem.what {
                    ProblemKind::NotHonoured(what) => format!("{what} cannot be evaluated here"),
                    ProblemKind::Invalid(message) => message,
                };
                return Err(SpecError::new(problem.path, message).under(&at));
            }
        }
        Ok(out)
    }
}

/// Without authorities: a CUSTOM policy is an error.
impl TryFrom<AuthzSpec> for AuthzLayer {
    type Error = SpecError;

    fn try_from(spec: AuthzSpec) -> Result<Self, SpecError> {
        Ok(Self::new(spec.lower(false)?.filters()))
    }
}

/// One document as Istio would take it.
fn resource(document: &Value) -> Result<Arc<Resource<AuthorizationPolicy>>, SpecError> {
    // JSON is YAML: the one reader checks shape and says where.
    let mut parsed = yaml::resources("", &document.to_string(), &yaml::Limits::default());
    let policy = match parsed.outcomes.pop().and_then(|outcome| outcome.resource) {
        Some(AnyResource::AuthorizationPolicy(policy)) => policy,
        Some(_) => return Err(SpecError::new("kind", "must be AuthorizationPolicy of security.istio.io")),
        None => {
            let finding = parsed.findings.into_iter().find(|f| f.level == Level::Error);
            let of = finding.map(|f| SpecError::new(f.path, f.message));
            return Err(of.unwrap_or_else(|| SpecError::new("", "must be an AuthorizationPolicy")));
        }
    };
    let findings = validate::check(&AnyResource::AuthorizationPolicy(policy.clone()));
    match findings.into_iter().find(|f| f.level == Level::Error) {
        Some(finding) => Err(SpecError::new(finding.path, finding.message)),
        None => Ok(policy),
    }
}
