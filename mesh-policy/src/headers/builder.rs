//! Changes from plain values, one call each.

use super::NewAuthority;
use super::layer::HeadersLayer;
use super::spec::{header, is_authority, new_authority, text};
use crate::SpecError;
use http::{HeaderName, HeaderValue};
use mesh_core::model::route::{HeaderChanges, HeaderEdit};

/// Collects what a [`HeadersLayer`] changes; made by [`HeadersLayer::builder`].
///
/// Whatever the order of the calls, headers are removed first, then set, then added. Values are Envoy's format
/// strings: a percent sign is written `%%`. To set `host` or `:authority` of requests is to set their authority.
#[derive(Clone, Debug, Default)]
#[must_use = "build() makes the layer"]
pub struct HeadersBuilder {
    changes: HeaderChanges,
    authority: Option<NewAuthority>,
    /// The first value that cannot be used.
    wrong: Option<SpecError>,
}

impl HeadersBuilder {
    /// Replaces all values of a request's header.
    pub fn set_request(mut self, name: &str, value: &str) -> Self {
        if !is_authority(name) {
            return self.write("request", "set", name, value, |changes| &mut changes.request.set);
        }
        match new_authority("set", name, value) {
            Ok(authority) => self.authority = Some(authority),
            Err(error) => self.wrong = self.wrong.or(Some(error.under("request"))),
        }
        self
    }

    /// Adds a value to a request's header.
    pub fn add_request(self, name: &str, value: &str) -> Self {
        self.write("request", "add", name, value, |changes| &mut changes.request.add)
    }

    /// Removes all values of a request's header.
    pub fn remove_request(self, name: &str) -> Self {
        self.remove("request", name, |changes| &mut changes.request)
    }

    /// Replaces all values of a response's header.
    pub fn set_response(self, name: &str, value: &str) -> Self {
        self.write("response", "set", name, value, |changes| &mut changes.response.set)
    }

    /// Adds a value to a response's header.
    pub fn add_response(self, name: &str, value: &str) -> Self {
        self.write("response", "add", name, value, |changes| &mut changes.response.add)
    }

    /// Removes all values of a response's header.
    pub fn remove_response(self, name: &str) -> Self {
        self.remove("response", name, |changes| &mut changes.response)
    }

    /// The layer.
    ///
    /// # Errors
    /// The first name or value that cannot be used, by its path: `response.set.x-served: …`.
    pub fn build(self) -> Result<HeadersLayer, SpecError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let layer = HeadersLayer::new(&self.changes)?;
        Ok(match self.authority {
            Some(authority) => layer.authority(authority),
            None => layer,
        })
    }

    fn write(
        mut self,
        side: &str,
        verb: &str,
        name: &str,
        value: &str,
        of: impl FnOnce(&mut HeaderChanges) -> &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Self {
        let path = || format!("{side}.{verb}.{name}");
        match header(name, path).and_then(|name| Ok((name, text(value, path)?))) {
            Ok(pair) => of(&mut self.changes).push(pair),
            Err(error) => self.wrong = self.wrong.or(Some(error)),
        }
        self
    }

    fn remove(
        mut self,
        side: &str,
        name: &str,
        of: impl FnOnce(&mut HeaderChanges) -> &mut HeaderEdit,
    ) -> Self {
        let edit = of(&mut self.changes);
        match header(name, || format!("{side}.remove[{}]", edit.remove.len())) {
            Ok(name) => edit.remove.push(name),
            Err(error) => self.wrong = self.wrong.or(Some(error)),
        }
        self
    }
}
