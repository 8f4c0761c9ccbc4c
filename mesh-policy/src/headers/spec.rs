//! Changes of headers from a configuration file.

use super::NewAuthority;
use super::layer::HeadersLayer;
use crate::SpecError;
use http::{HeaderName, HeaderValue};
use mesh_core::model::route::{HeaderChanges, HeaderEdit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Changes to the headers of requests and responses: Istio's `http[].headers`.
///
/// ```
/// use mesh_policy::headers::{HeadersLayer, HeadersSpec};
///
/// let read = |json| -> Result<HeadersLayer, mesh_policy::BoxError> {
///     Ok(serde_json::from_str::<HeadersSpec>(json)?.try_into()?)
/// };
/// read(r#"{"request": {"set": {"host": "reviews", "x-was": "%REQ(:authority)%"}}}"#)?;
/// let wrong = read(r#"{"request": {"add": {"x-a": "by %UPSTREAM_HOST%"}}}"#).unwrap_err();
/// assert_eq!(
///     wrong.to_string(),
///     "request.add.x-a: byte 3: UPSTREAM_HOST is not known where requests are changed"
/// );
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HeadersSpec {
    /// Of requests; `host` and `:authority` set the authority.
    pub request: HeaderOperationsSpec,
    /// Of responses.
    pub response: HeaderOperationsSpec,
}

/// Changes to one set of headers. Istio's `HeaderOperations`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HeaderOperationsSpec {
    /// Replace all values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Add a value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Remove all values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

impl TryFrom<HeadersSpec> for HeadersLayer {
    type Error = SpecError;

    fn try_from(mut spec: HeadersSpec) -> Result<Self, SpecError> {
        let authority = authority(&mut spec.request).map_err(|e| e.under("request"))?;
        let layer = Self::new(&HeaderChanges {
            request: edit(&spec.request).map_err(|e| e.under("request"))?,
            response: edit(&spec.response).map_err(|e| e.under("response"))?,
        })?;
        Ok(match authority {
            Some(authority) => layer.authority(authority),
            None => layer,
        })
    }
}

/// Takes the authority out of what is set and added; in either place it is set, as in Istio.
fn authority(spec: &mut HeaderOperationsSpec) -> Result<Option<NewAuthority>, SpecError> {
    let mut found = None;
    for (verb, pairs) in [("set", &mut spec.set), ("add", &mut spec.add)] {
        let names: Vec<String> = pairs.keys().filter(|name| is_authority(name)).cloned().collect();
        for name in names {
            let Some(value) = pairs.remove(&name) else { continue };
            if found.replace(new_authority(verb, &name, &value)?).is_some() {
                let message = "must not set the authority for a second time";
                return Err(SpecError::new(format!("{verb}.{name}"), message));
            }
        }
    }
    Ok(found)
}

pub(super) fn new_authority(verb: &str, name: &str, value: &str) -> Result<NewAuthority, SpecError> {
    let message = "must be a host, with a port where it needs one";
    NewAuthority::new(value).ok_or_else(|| SpecError::new(format!("{verb}.{name}"), message))
}

pub(super) fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

fn edit(spec: &HeaderOperationsSpec) -> Result<HeaderEdit, SpecError> {
    let remove = spec.remove.iter().enumerate().map(|(i, name)| header(name, || format!("remove[{i}]")));
    Ok(HeaderEdit {
        set: pairs("set", &spec.set)?,
        add: pairs("add", &spec.add)?,
        remove: remove.collect::<Result<_, _>>()?,
    })
}

fn pairs(verb: &str, pairs: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, HeaderValue)>, SpecError> {
    let pair = |(name, value): (&String, &String)| {
        let path = || format!("{verb}.{name}");
        Ok((header(name, path)?, text(value, path)?))
    };
    pairs.iter().map(pair).collect()
}

pub(super) fn text(value: &str, path: impl FnOnce() -> String) -> Result<HeaderValue, SpecError> {
    HeaderValue::from_str(value)
        .map_err(|_| SpecError::new(path(), "must be text without control characters"))
}

pub(super) fn header(name: &str, path: impl FnOnce() -> String) -> Result<HeaderName, SpecError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| match name.starts_with(':') {
        true => SpecError::new(path(), "must not be a pseudo-header: it cannot be changed here"),
        false => SpecError::new(path(), "must be the name of a header"),
    })
}
