//! Whether a page of another origin may have what it asks for.
//!
//! Envoy's `envoy.filters.http.cors` with two differences. Credentials are for origins that a policy takes by
//! more than `*`: any page of the web could act as its visitor otherwise. And an origin that is not allowed
//! learns nothing of the policy from an answer to its preflight.

use crate::model::cors::{CorsPolicy, UnmatchedPreflights};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};

/// What a policy says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// No page of another origin sent it: no `origin`.
    SameOrigin,
    /// It is sent on; its response tells the origin that it may be read, if it may.
    Forward(Option<Allowed>),
    /// It is a preflight and answered at once.
    Preflight(Option<Allowed>),
}

/// An origin that a policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The origin, as the request says it.
    pub origin: HeaderValue,
    /// Whether requests may come with credentials.
    pub credentials: bool,
}

/// Asks a policy about a request.
pub fn cors(policy: &CorsPolicy, method: &Method, headers: &HeaderMap) -> Cors {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next().filter(|origin| !origin.is_empty()) else { return Cors::SameOrigin };
    // Browsers send one. Of several nobody could say which is meant.
    let allowed = match origins.next() {
        None => allow(policy, origin),
        Some(_) => None,
    };
    let asks = headers.get(ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| !method.is_empty());
    let answers = allowed.is_some() || policy.unmatched_preflights == UnmatchedPreflights::Ignore;
    match method == Method::OPTIONS && asks && answers {
        true => Cors::Preflight(allowed),
        false => Cors::Forward(allowed),
    }
}

fn allow(policy: &CorsPolicy, origin: &HeaderValue) -> Option<Allowed> {
    let text = origin.to_str().ok()?;
    let mut any = false;
    for wanted in &policy.allow_origins {
        // As in Envoy, a pattern such as `.*` takes every origin, and so does what is written `*`.
        if wanted.matches("*") {
            any = true;
        } else if wanted.matches(text) {
            return Some(Allowed { origin: origin.clone(), credentials: policy.allow_credentials });
        }
    }
    any.then(|| Allowed { origin: origin.clone(), credentials: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::matcher::{Pattern, Regex, StringMatch};
    use proptest::prelude::*;

    fn policy(origins: impl IntoIterator<Item = StringMatch>) -> CorsPolicy {
        CorsPolicy {
            allow_origins: origins.into_iter().collect(),
            allow_credentials: true,
            ..CorsPolicy::default()
        }
    }

    fn request(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn allowed(origin: &'static str, credentials: bool) -> Option<Allowed> {
        Some(Allowed { origin: HeaderValue::from_static(origin), credentials })
    }

    const ASKS: (&str, &str) = ("access-control-request-method", "PUT");

    #[test]
    fn only_options_that_ask_for_a_method_are_preflights() {
        let policy = policy([StringMatch::exact("https://a.example")]);
        let of = |method, pairs: &[_]| cors(&policy, &method, &request(pairs));
        let origin = ("origin", "https://a.example");
        assert_eq!(of(Method::OPTIONS, &[ASKS]), Cors::SameOrigin);
        assert_eq!(of(Method::OPTIONS, &[("origin", ""), ASKS]), Cors::SameOrigin);
        assert_eq!(of(Method::OPTIONS, &[origin]), Cors::Forward(allowed("https://a.example", true)));
        assert_eq!(of(Method::PUT, &[origin, ASKS]), Cors::Forward(allowed("https://a.example", true)));
        assert_eq!(of(Method::OPTIONS, &[origin, ASKS]), Cors::Preflight(allowed("https://a.example", true)));
    }

    #[test]
    fn preflights_of_others_are_forwarded_unless_the_policy_ignores_them() {
        let mut policy = policy([StringMatch::prefix("https://a.")]);
        let other = request(&[("origin", "https://b.example"), ASKS]);
        assert_eq!(cors(&policy, &Method::OPTIONS, &other), Cors::Forward(None));
        policy.unmatched_preflights = UnmatchedPreflights::Ignore;
        assert_eq!(cors(&policy, &Method::OPTIONS, &other), Cors::Preflight(None));
    }

    #[test]
    fn two_origins_are_none() {
        let policy = policy([StringMatch::exact("https://a.example")]);
        let headers = request(&[("origin", "https://a.example"), ("origin", "https://a.example")]);
        assert_eq!(cors(&policy, &Method::GET, &headers), Cors::Forward(None));
    }

    #[test]
    fn an_origin_named_beside_a_star_has_credentials_and_others_have_not() {
        let policy = policy([StringMatch::exact("*"), StringMatch::exact("https://a.example")]);
        let of = |origin| cors(&policy, &Method::GET, &request(&[("origin", origin)]));
        assert_eq!(of("https://a.example"), Cors::Forward(allowed("https://a.example", true)));
        assert_eq!(of("https://b.example"), Cors::Forward(allowed("https://b.example", false)));
    }

    fn origins() -> impl Strategy<Value = StringMatch> {
        prop_oneof![
            Just(StringMatch::exact("*")),
            Just(StringMatch::prefix("")),
            Just(StringMatch::from(Pattern::Regex(Regex::new(".*").unwrap()))),
            Just(StringMatch::from(Pattern::Regex(Regex::new("https://.*").unwrap()))),
            "https://[ab]".prop_map(StringMatch::exact),
            "https://[ab]?".prop_map(StringMatch::prefix),
        ]
    }

    proptest! {
        #[test]
        fn credentials_are_never_sent_where_only_a_wildcard_allows_an_origin(
            origins in prop::collection::vec(origins(), 0..4), origin in "(https?://[ab]{1,2}|null|\\*)",
        ) {
            let policy = policy(origins);
            let answer = cors(&policy, &Method::GET, &request(&[("origin", &origin)]));
            let named = policy.allow_origins.iter().any(|o| !o.matches("*") && o.matches(&origin));
            let any = policy.allow_origins.iter().any(|o| o.matches("*"));
            let Cors::Forward(allowed) = answer else { panic!("{answer:?}") };
            prop_assert_eq!(allowed.is_some(), named || any);
            if let Some(allowed) = allowed {
                prop_assert_eq!(allowed.credentials, named);
                prop_assert_eq!(allowed.origin, origin);
            }
        }
    }
}
