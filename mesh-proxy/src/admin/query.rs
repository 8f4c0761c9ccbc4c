//! The parameters of a page.

use super::reply::Reply;
use regex::Regex;

/// The query of a URL, decoded, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|part| !part.is_empty()).map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    /// The first value of a parameter; empty if it stands there without one.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// A parameter that is a regular expression; the page's answer if it is not one.
    pub(super) fn regex(&self, key: &str) -> Result<Option<Regex>, Reply> {
        let Some(text) = self.get(key).filter(|text| !text.is_empty()) else { return Ok(None) };
        // The library's message draws the place on several lines; the last one says what is wrong.
        let what = |error: regex::Error| {
            let message = error.to_string();
            let reason =
                message.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            Reply::bad_request(format!("Invalid regex: {reason}: {text}\n"))
        };
        Regex::new(text).map(Some).map_err(what)
    }
}

/// Undoes percent-encoding. A plus stays a plus: people type regular expressions here.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_a_plus_stays_a_plus() {
        let query = Query::parse("filter=cluster%5C.a.+&usedonly&&x=%zz%4");
        assert_eq!(query.get("filter"), Some("cluster\\.a.+"));
        assert_eq!(query.get("usedonly"), Some(""));
        assert_eq!(query.get("x"), Some("%zz%4"));
        assert!(!query.has("format") && Query::parse("").is_empty());
    }

    #[test]
    fn a_broken_expression_is_the_callers_mistake() {
        let refused = Query::parse("filter=(").regex("filter").unwrap_err();
        assert_eq!(refused.status, 400);
        assert_eq!(refused.body, "Invalid regex: unclosed group: (\n");
        assert!(Query::parse("filter=").regex("filter").unwrap().is_none());
    }
}
