//! Path normalisation: once, before anything looks at a path.
//!
//! Authorization, the router and the upstream must see the same bytes, or a rule for `/admin` can be
//! walked around by `//admin`. Istio's four levels of `meshConfig.pathNormalization.normalization`.

use crate::model::http::PathNormalization;
use std::borrow::Cow;

/// A path that must be refused with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's path cannot be normalised")]
pub struct InvalidPath;

/// Normalises a request's path; its query stays as it is, a fragment is cut off.
///
/// # Errors
/// [`InvalidPath`] where Envoy answers 400: the path is not absolute, or it holds an encoded NUL.
pub fn normalize(path: &str, level: PathNormalization) -> Result<Cow<'_, str>, InvalidPath> {
    if path == "*" {
        return Ok(Cow::Borrowed(path));
    }
    if !path.starts_with('/') {
        return Err(InvalidPath);
    }
    let without_fragment = path.split_once('#').map_or(path, |(before, _)| before);
    let (only, query) = match without_fragment.find('?') {
        Some(at) => without_fragment.split_at(at),
        None => (without_fragment, ""),
    };
    if level == PathNormalization::None || !needs_work(only, level) {
        return Ok(Cow::Borrowed(without_fragment));
    }
    let decoded = decode(only, level == PathNormalization::DecodeAndMergeSlashes)?;
    let mut out = remove_dot_segments(&decoded);
    if level >= PathNormalization::MergeSlashes {
        out = merge_slashes(&out);
    }
    out.push_str(query);
    Ok(Cow::Owned(out))
}

/// Most paths are normal already; this looks once and copies nothing.
fn needs_work(path: &str, level: PathNormalization) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().any(|b| matches!(b, b'%' | b'\\'))
        || bytes.windows(2).any(|w| w == b"/." || (level >= PathNormalization::MergeSlashes && w == b"//"))
}

/// Decodes what RFC 3986 calls unreserved, turns `\` into `/`, and writes other escapes in upper case.
fn decode(path: &str, slashes: bool) -> Result<String, InvalidPath> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find(['%', '\\']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix('\\') {
            out.push('/');
            rest = after;
            continue;
        }
        let escape = from.get(1..3).and_then(|hex| {
            hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(hex, 16).ok())?
        });
        match escape {
            Some(0) => return Err(InvalidPath),
            Some(b @ (b'/' | b'\\')) if slashes => {
                out.push(if b == b'\\' { '/' } else { char::from(b) });
            }
            Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') => {
                out.push(char::from(b));
            }
            Some(_) => out.push_str(&from.get(..3).unwrap_or_default().to_ascii_uppercase()),
            None => {
                out.push('%');
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
        }
        rest = from.get(3..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

/// RFC 3986, section 5.2.4.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let last = segments.len().saturating_sub(1);
    for (i, segment) in segments.iter().enumerate() {
        match *segment {
            "." if i == last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if i == last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    kept.iter().fold(String::with_capacity(path.len()), |mut out, segment| {
        out.push('/');
        out.push_str(segment);
        out
    })
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathNormalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None as Off};
    use proptest::prelude::*;

    #[test]
    fn each_level_does_what_istio_says() {
        let table = [
            ("/a/../admin?x=/../y", Base, "/admin?x=/../y"),
            ("/a/./b/.", Base, "/a/b/"),
            ("/a/b/..", Base, "/a/"),
            (r"/a\admin", Base, "/a/admin"),
            ("//admin", Base, "//admin"),
            ("//admin", MergeSlashes, "/admin"),
            ("/%2fadmin", MergeSlashes, "/%2Fadmin"),
            ("/%2fadmin", DecodeAndMergeSlashes, "/admin"),
            ("/%5Cadmin", DecodeAndMergeSlashes, "/admin"),
            ("/%61dmin", Base, "/admin"),
            ("/x/%2e%2e/admin", Base, "/admin"),
            ("/../../x", Base, "/x"),
            ("/a#frag", Base, "/a"),
            ("/a#frag?q", Base, "/a"),
            ("/a/../b", Off, "/a/../b"),
            ("/100%", Base, "/100%"),
            ("*", Base, "*"),
        ];
        for (path, level, want) in table {
            assert_eq!(normalize(path, level).as_deref(), Ok(want), "{path} at {level:?}");
        }
    }

    #[test]
    fn what_envoy_refuses_is_refused() {
        assert_eq!(normalize("admin", Base), Err(InvalidPath));
        assert_eq!(normalize("/a%00b", Base), Err(InvalidPath));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_more(path in "/[a-c./\\\\%25eEfF?#]{0,24}") {
            for level in [Base, MergeSlashes] {
                if let Ok(once) = normalize(&path, level) {
                    let again = normalize(&once, level).unwrap().into_owned();
                    // An escape may appear only after another was decoded; Envoy, too, decodes once.
                    if !path.contains("%25") && !path.contains('%') {
                        prop_assert_eq!(&*once, again.as_str());
                    }
                }
            }
        }
    }
}
