//! Layers from a configuration file: what is wrong with a spec, and where.
//!
//! Each layer has a spec beside its constructors: plain serde fields under the names that Istio (or, where it
//! has none, Envoy) gives them, so that a service reads its policy from whatever file it already has. The spec's
//! shape is the deserialiser's to check; what the values must be is checked by `TryFrom`, which names the field.

#[cfg(any(feature = "authz", feature = "shed"))]
use http::StatusCode;
#[cfg(any(feature = "outlier", feature = "breaker"))]
use mesh_core::model::values::Denominator;
#[cfg(any(feature = "outlier", feature = "breaker", feature = "fault", feature = "retry"))]
use mesh_core::model::values::Fraction;
use std::fmt;

/// A field of a spec whose value cannot be used.
///
/// Its text is one line, `retries.backoff: must be at least 1ms`, to print after the file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    path: String,
    message: String,
}

impl SpecError {
    /// A field, from the spec's root (`http[0].match`), and what its value must be.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The field, from the spec's root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What its value must be.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same field, seen from a spec that holds this one at `parent`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => parent.to_owned(),
            index if index.starts_with('[') => format!("{parent}{index}"),
            field => format!("{parent}.{field}"),
        };
        self
    }
}

/// A whole percentage.
#[cfg(any(feature = "outlier", feature = "breaker"))]
pub(crate) fn percent(percent: u32, path: &str) -> Result<Fraction, SpecError> {
    match percent {
        0..=100 => Ok(Denominator::Hundred.fraction(percent)),
        _ => Err(SpecError::new(path, "must be from 0 to 100")),
    }
}

/// A percentage that need not be whole.
#[cfg(any(feature = "fault", feature = "retry"))]
pub(crate) fn fraction(percent: f64, path: &str) -> Result<Fraction, SpecError> {
    Fraction::percent(percent).ok_or_else(|| SpecError::new(path, "must be from 0 to 100"))
}

/// A percentage, no less than this one, as a share of one.
#[cfg(feature = "shed")]
pub(crate) fn share(percent: f64, least: f64, path: &str) -> Result<f64, SpecError> {
    let fits = (least..=100.0).contains(&percent);
    let must = || format!("must be a percentage from {least} to 100");
    fits.then_some(percent / 100.0).ok_or_else(|| SpecError::new(path, must()))
}

/// The status of a refusal.
#[cfg(any(feature = "authz", feature = "shed"))]
pub(crate) fn refusal(status: u16, path: &str) -> Result<StatusCode, SpecError> {
    let status = StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
    status.ok_or_else(|| SpecError::new(path, "must be a status from 400 to 599"))
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for SpecError {}

#[cfg(test)]
mod tests {
    use super::SpecError;

    #[test]
    fn a_field_is_named_from_the_root_of_the_file() {
        let error = SpecError::new("backoff", "must be at least 1ms");
        assert_eq!(error.to_string(), "backoff: must be at least 1ms");
        assert_eq!(error.under("retries").to_string(), "retries.backoff: must be at least 1ms");
        assert_eq!(SpecError::new("[1].weight", "over 100").under("routes").path(), "routes[1].weight");
        assert_eq!(SpecError::new("", "empty").to_string(), "empty");
    }
}
