//! Layers from a configuration file: what is wrong with a spec, and where.
//!
//! Each layer has a spec beside its constructors: plain serde fields under the names that Istio (or, where it
//! has none, Envoy) gives them, so that a service reads its policy from whatever file it already has. The spec's
//! shape is the deserialiser's to check; what the values must be is checked by `TryFrom`, which names the field.

#[cfg(any(feature = "outlier", feature = "breaker"))]
use mesh_core::model::values::{Denominator, Fraction};
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
