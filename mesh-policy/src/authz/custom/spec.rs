//! How an authorizer is asked, from a file.

use super::{Authority, CustomAuthzLayer};
use crate::SpecError;
use crate::spec::refusal;
use mesh_core::api::value::Span;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;

/// One of Istio's `extensionProviders`, as far as it is not about who is asked: an [`Authority`] is not in a file.
///
/// ```
/// use mesh_policy::authz::{CheckResponse, CustomAuthzSpec};
/// use std::sync::Arc;
///
/// let spec: CustomAuthzSpec =
///     serde_json::from_str(r#"{"name": "opa", "timeout": "50ms", "failOpen": true, "statusOnError": "503"}"#)?;
/// let nobody = Arc::new(|_: http::Request<()>| async {
///     Ok::<_, mesh_policy::BoxError>(CheckResponse::denied(http::StatusCode::FORBIDDEN))
/// });
/// let layer = spec.clone().layer(nobody.clone())?;
///
/// let wrong = CustomAuthzSpec { status_on_error: Some(200), ..spec };
/// assert_eq!(wrong.layer(nobody).unwrap_err().to_string(), "statusOnError: must be a status from 400 to 599");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CustomAuthzSpec {
    /// The authorizer's name: what CUSTOM policies call their `provider`.
    pub name: String,
    /// Lets requests pass if it does not answer; off by default.
    pub fail_open: bool,
    /// Status if it does not answer, from 400 to 599, as a number or, as Istio has it, a text; 403 by default.
    #[serde(deserialize_with = "number_or_text")]
    pub status_on_error: Option<u16>,
    /// How long to wait for its answer; 600s by default, as in Istio.
    pub timeout: Option<Span>,
}

impl CustomAuthzSpec {
    /// The layer, asking this authority about every request.
    ///
    /// # Errors
    /// With the field that cannot be used.
    pub fn layer(self, authority: Arc<dyn Authority>) -> Result<CustomAuthzLayer, SpecError> {
        if self.name.is_empty() {
            return Err(SpecError::new("name", "must not be empty"));
        }
        let mut layer = CustomAuthzLayer::new(self.name, authority).fail_open(self.fail_open);
        if let Some(status) = self.status_on_error {
            layer = layer.status_on_error(refusal(status, "statusOnError")?);
        }
        match self.timeout {
            Some(Span(timeout)) if timeout.is_zero() => {
                Err(SpecError::new("timeout", "must be more than 0s"))
            }
            Some(Span(timeout)) => Ok(layer.timeout(timeout)),
            None => Ok(layer),
        }
    }
}

fn number_or_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Status {
        Number(u16),
        Text(String),
    }
    match Option::deserialize(from)? {
        None => Ok(None),
        Some(Status::Number(status)) => Ok(Some(status)),
        Some(Status::Text(text)) if text.is_empty() => Ok(None),
        Some(Status::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}
