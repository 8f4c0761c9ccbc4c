//! What a request must be like: Istio's match as Envoy's.

use super::RuleOf;
use crate::api::networking::virtual_service::HttpMatch;
use crate::api::value::StringMatch as Wanted;
use crate::compile::report::Report;
use crate::model::matcher::{HeaderKey, HeaderMatch, Pattern, QueryMatch, Regex, StringMatch, ValueMatch};
use crate::model::route::{PathMatch, RouteMatch};
use http::HeaderName;

/// The match, or `None` where a part of it cannot be evaluated: then the route is left out.
pub(super) fn matches(
    rule: &RuleOf<'_>,
    index: usize,
    wanted: &HttpMatch,
    report: &mut Report,
) -> Option<RouteMatch> {
    let mut reader = Reader { rule, path: format!("{}.match[{index}]", rule.path), report, sound: true };
    let mut out = RouteMatch { case_sensitive: !wanted.ignore_uri_case, ..RouteMatch::default() };
    for (name, value) in &wanted.headers {
        out.headers.extend(reader.header("headers", name, value, false));
    }
    for (name, value) in &wanted.without_headers {
        out.headers.extend(reader.header("withoutHeaders", name, value, true));
    }
    out.headers.sort_by_cached_key(|h| key_name(&h.name));
    if let Some(uri) = &wanted.uri {
        out.path = match uri {
            Wanted::Exact(path) => PathMatch::Exact(path.clone()),
            Wanted::Prefix(prefix) => PathMatch::Prefix(prefix.clone()),
            Wanted::Regex(_) => match reader.pattern("uri", uri) {
                Some(Pattern::Regex(re)) => PathMatch::Regex(re),
                _ => out.path,
            },
            Wanted::Present => out.path,
        };
    }
    for (field, key, value) in [
        ("method", HeaderKey::Method, &wanted.method),
        ("authority", HeaderKey::Authority, &wanted.authority),
        ("scheme", HeaderKey::Scheme, &wanted.scheme),
    ] {
        if let Some(value) = value {
            out.headers.extend(reader.value(field, key, value, false));
        }
    }
    for (name, value) in &wanted.query_params {
        let field = format!("queryParams.{name}");
        let value = match value {
            any if is_present(any) => None,
            other => match reader.pattern(&field, other) {
                Some(pattern) => Some(StringMatch::from(pattern)),
                None => continue,
            },
        };
        out.query.push(QueryMatch { name: name.clone(), value });
    }
    reader.sound.then_some(out)
}

/// `{}`, and `*`, which is no RE2 but means "there" to Istio.
fn is_present(wanted: &Wanted) -> bool {
    matches!(wanted, Wanted::Present) || matches!(wanted, Wanted::Regex(re) if re == "*")
}

fn key_name(key: &HeaderKey) -> String {
    match key {
        HeaderKey::Method => ":method".to_owned(),
        HeaderKey::Authority => ":authority".to_owned(),
        HeaderKey::Scheme => ":scheme".to_owned(),
        HeaderKey::Path => ":path".to_owned(),
        HeaderKey::Name(name) => name.as_str().to_owned(),
    }
}

struct Reader<'a> {
    rule: &'a RuleOf<'a>,
    path: String,
    report: &'a mut Report,
    /// Whether everything could be read.
    sound: bool,
}

impl Reader<'_> {
    fn header(&mut self, list: &str, name: &str, value: &Wanted, invert: bool) -> Option<HeaderMatch> {
        let field = format!("{list}.{name}");
        if name.starts_with("@request.auth.claims") {
            self.sound = false;
            let path = format!("{}.{field}", self.path);
            self.report.not_honoured(
                self.rule.vs,
                path,
                "matching on a token's claims",
                "the match is left out, so that its route takes nothing",
            );
            return None;
        }
        let key = match name.to_ascii_lowercase().as_str() {
            ":method" => HeaderKey::Method,
            ":authority" | "host" => HeaderKey::Authority,
            ":scheme" => HeaderKey::Scheme,
            ":path" => HeaderKey::Path,
            other => match HeaderName::from_bytes(other.as_bytes()) {
                Ok(name) => HeaderKey::Name(name),
                Err(_) => {
                    self.invalid(&field, format!("{name:?} is not the name of a header"));
                    return None;
                }
            },
        };
        self.value(&field, key, value, invert)
    }

    fn value(&mut self, field: &str, name: HeaderKey, value: &Wanted, invert: bool) -> Option<HeaderMatch> {
        if is_present(value) {
            let value = ValueMatch::Present(true);
            return Some(HeaderMatch { name, value, invert, absent_is_empty: false });
        }
        let value = ValueMatch::String(self.pattern(field, value)?.into());
        // "Not this value" holds where the header is absent, too.
        Some(HeaderMatch { name, value, invert, absent_is_empty: invert })
    }

    fn pattern(&mut self, field: &str, wanted: &Wanted) -> Option<Pattern> {
        Some(match wanted {
            Wanted::Exact(text) => Pattern::Exact(text.clone()),
            Wanted::Prefix(text) => Pattern::Prefix(text.clone()),
            Wanted::Regex(text) => match Regex::new(text) {
                Ok(re) => Pattern::Regex(re),
                Err(e) => {
                    self.invalid(&format!("{field}.regex"), e.to_string());
                    return None;
                }
            },
            Wanted::Present => Pattern::Prefix(String::new()),
        })
    }

    fn invalid(&mut self, field: &str, message: String) {
        self.sound = false;
        self.report.invalid(self.rule.vs, format!("{}.{field}", self.path), message);
    }
}
