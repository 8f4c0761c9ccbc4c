//! The request may not pass.

use super::layer::Noted;
use crate::Reject;
use http::StatusCode;
use mesh_core::model::Name;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A request was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    reason: Reason,
    noted: Option<Box<Noted>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// By this rule.
    Rule(Name),
    /// By this rule, which could not be evaluated.
    Unevaluable(Name),
    /// There are ALLOW policies, and none matches.
    NoneMatched,
    /// Nobody said what connection the request came on, so that no rule can be evaluated.
    NoConnection,
}

impl Denied {
    pub(super) fn new(reason: Reason, noted: Option<Noted>) -> Self {
        Self { reason, noted: noted.map(Box::new) }
    }

    /// Whether the rule that denied could not be evaluated: it asks for something that nobody knows here.
    pub fn is_unevaluable(&self) -> bool {
        matches!(self.reason, Reason::Unevaluable(_) | Reason::NoConnection)
    }

    /// What policies say beside that.
    pub fn noted(&self) -> Option<&Noted> {
        self.noted.as_deref()
    }

    /// The rule that denied, by its name; `None` if no rule allowed.
    pub fn rule(&self) -> Option<&str> {
        match &self.reason {
            Reason::Rule(name) | Reason::Unevaluable(name) => Some(name),
            Reason::NoneMatched | Reason::NoConnection => None,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Rule(name) => write!(f, "denied by rule {name}"),
            Reason::Unevaluable(name) => write!(f, "denied by rule {name}, which cannot be evaluated here"),
            Reason::NoneMatched => f.write_str("denied, since no rule allows it"),
            Reason::NoConnection => f.write_str("denied, since nothing is known of its connection"),
        }
    }
}

impl Error for Denied {}

impl Reject for Denied {
    fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }

    /// None: Envoy's RBAC filter speaks through the details alone.
    fn flag(&self) -> Option<ResponseFlag> {
        None
    }

    fn details(&self) -> Cow<'static, str> {
        // Blanks would break the columns of an access log; Envoy replaces them likewise.
        let rule: String = self
            .rule()
            .unwrap_or("none")
            .chars()
            .map(|c| if c.is_ascii_whitespace() { '_' } else { c })
            .collect();
        Cow::Owned(format!("rbac_access_denied_matched_policy[{rule}]"))
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed("RBAC: access denied")
    }
}
