//! What a verified token says.
//!
//! Who verified it is the data plane's business; rules only ever see claims that somebody did verify, so that
//! there is no way from a request's bytes to a [`Claims`] but through a signature.

use serde_json::{Map, Value};
use std::fmt;

/// The payload of a token whose signature, issuer and times were found good.
#[derive(Clone, PartialEq)]
pub struct Claims {
    payload: Map<String, Value>,
    principal: Option<Box<str>>,
}

impl Claims {
    /// The payload of a token that **has been verified**.
    pub fn verified(payload: Map<String, Value>) -> Self {
        let text = |name| payload.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let principal = match (text("iss"), text("sub")) {
            (Some(issuer), Some(subject)) => Some(format!("{issuer}/{subject}").into()),
            _ => None,
        };
        Self { payload, principal }
    }

    /// `ISSUER/SUBJECT`, Istio's `request.auth.principal`; `None` where the token lacks either.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// Who issued it: `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// About whom it speaks: `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// For whom it was issued: `aud`, a text or a list of them.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        let (one, list) = match self.payload.get("aud") {
            Some(Value::String(one)) => (Some(one.as_str()), &[] as &[Value]),
            Some(Value::Array(list)) => (None, list.as_slice()),
            _ => (None, &[] as &[Value]),
        };
        one.into_iter().chain(list.iter().filter_map(Value::as_str))
    }

    /// A claim, or one inside another: `["realm_access", "roles"]`.
    pub fn get<S: AsRef<str>>(&self, path: &[S]) -> Option<&Value> {
        let (first, inner) = path.split_first()?;
        let claim = self.payload.get(first.as_ref())?;
        inner.iter().try_fold(claim, |value, name| value.as_object()?.get(name.as_ref()))
    }

    /// All of them.
    pub fn payload(&self) -> &Map<String, Value> {
        &self.payload
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.payload.get(name).and_then(Value::as_str)
    }
}

/// Claims are people's data: logs get whose they are, and no more.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// What is known of a request's token.
#[derive(Clone, Copy, Debug, Default)]
pub enum Token<'a> {
    /// Nobody has looked: rules about tokens cannot be evaluated.
    #[default]
    Unverified,
    /// The request has none.
    Absent,
    /// It has a good one.
    Verified(&'a Claims),
}

#[cfg(test)]
mod tests {
    use super::Claims;
    use serde_json::json;

    fn claims(payload: serde_json::Value) -> Claims {
        Claims::verified(payload.as_object().cloned().unwrap())
    }

    #[test]
    fn a_principal_needs_an_issuer_and_a_subject() {
        assert_eq!(claims(json!({"iss": "https://a", "sub": "b"})).principal(), Some("https://a/b"));
        for lacking in [json!({"iss": "a"}), json!({"sub": "b"}), json!({"iss": "", "sub": "b"})] {
            assert_eq!(claims(lacking).principal(), None);
        }
    }

    #[test]
    fn claims_are_found_inside_of_claims() {
        let claims = claims(json!({"a": {"b": ["c"]}, "aud": ["x", 1, "y"]}));
        assert_eq!(claims.get(&["a", "b"]), Some(&json!(["c"])));
        assert_eq!(claims.get(&["a", "c"]), None);
        assert_eq!(claims.get::<&str>(&[]), None);
        assert_eq!(claims.audiences().collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn a_log_tells_nothing_but_the_principal() {
        let text = format!("{:?}", claims(json!({"iss": "i", "sub": "s", "email": "secret"})));
        assert!(text.contains("i/s") && !text.contains("secret"), "{text}");
    }
}
