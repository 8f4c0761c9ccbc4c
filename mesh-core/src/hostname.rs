//! Host names as the mesh uses them: exact, or with one leading wildcard.
//!
//! Istio's rules: `*.example.com` covers every name that ends in `.example.com`; a wildcard may stand for a part of
//! the first label, as in `*-blue.example.com`; a bare `*` covers all; a more specific name sorts first. Names
//! compare without case, as DNS does.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A host name, lower-case, possibly with a leading `*`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Hostname(Arc<str>);

/// Why a text is not a [`Hostname`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostname {
    /// DNS allows 1 to 255 bytes.
    #[error("a host name has 1 to 255 bytes, not {0}")]
    Length(usize),
    /// A `*` anywhere but at the very beginning.
    #[error("'*' may only stand at the beginning, as in *.example.com")]
    Wildcard,
    /// A label is empty, longer than 63 bytes, or holds another byte than a letter, digit, `-` or `_`.
    #[error("{0:?} is not a legal label of a host name")]
    Label(String),
}

impl Hostname {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it starts with a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// Whether every name that `other` stands for is one that `self` stands for.
    ///
    /// ```
    /// use mesh_core::hostname::Hostname;
    /// let wild: Hostname = "*.example.com".parse()?;
    /// assert!(wild.covers(&"a.example.com".parse()?));
    /// assert!(!wild.covers(&"example.com".parse()?));
    /// # Ok::<(), mesh_core::hostname::InvalidHostname>(())
    /// ```
    pub fn covers(&self, other: &Hostname) -> bool {
        match self.0.strip_prefix('*') {
            None => self == other,
            Some(suffix) => {
                let theirs = other.0.strip_prefix('*').unwrap_or(&other.0);
                let longer =
                    theirs.len() > suffix.len() || (other.is_wildcard() && theirs.len() == suffix.len());
                longer && theirs.ends_with(suffix)
            }
        }
    }

    /// Whether some name is covered by both.
    pub fn overlaps(&self, other: &Hostname) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Resolves a short name as Istio does: a name without a dot is one of the given namespace.
    ///
    /// `reviews` in `shop` with the domain `cluster.local` becomes `reviews.shop.svc.cluster.local`.
    ///
    /// # Errors
    /// If the result is not a legal host name.
    pub fn resolve(name: &str, namespace: &str, domain: &str) -> Result<Self, InvalidHostname> {
        if name.contains('.') || name.starts_with('*') {
            name.parse()
        } else {
            format!("{name}.{namespace}.svc.{domain}").parse()
        }
    }
}

impl FromStr for Hostname {
    type Err = InvalidHostname;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if !(1..=255).contains(&s.len()) {
            return Err(InvalidHostname::Length(s.len()));
        }
        let rest = match s.strip_prefix('*') {
            Some("") => return Ok(Self("*".into())),
            Some(rest) => rest.strip_prefix('.').unwrap_or(rest),
            None => s,
        };
        if rest.contains('*') {
            return Err(InvalidHostname::Wildcard);
        }
        for label in rest.strip_suffix('.').unwrap_or(rest).split('.') {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if !(1..=63).contains(&label.len()) || !label.bytes().all(legal) {
                return Err(InvalidHostname::Label(label.to_owned()));
            }
        }
        Ok(Self(s.to_ascii_lowercase().into()))
    }
}

impl Ord for Hostname {
    /// Most specific first: exact names before wildcards, longer wildcards before shorter.
    fn cmp(&self, other: &Self) -> Ordering {
        self.is_wildcard()
            .cmp(&other.is_wildcard())
            .then_with(|| if self.is_wildcard() { other.0.len().cmp(&self.0.len()) } else { Ordering::Equal })
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Hostname {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h(s: &str) -> Hostname {
        s.parse().unwrap()
    }

    #[test]
    fn a_wildcard_covers_deeper_names_and_narrower_wildcards_only() {
        assert!(h("*").covers(&h("a")));
        assert!(h("*").covers(&h("*.b.c")));
        assert!(h("*.b.c").covers(&h("x.y.b.c")));
        assert!(h("*.b.c").covers(&h("*.b.c")));
        assert!(!h("*.b.c").covers(&h("*.c")));
        assert!(h("*.b.c").overlaps(&h("*.c")));
        assert!(!h("*.b.c").covers(&h("xb.c")));
        assert!(h("A.b").covers(&h("a.B")));
        assert!(h("*-blue.c").covers(&h("a-blue.c")) && !h("*-blue.c").covers(&h("a-red.c")));
        assert!(h("*.c").covers(&h("*-blue.c")) && !h("*-blue.c").covers(&h("*.c")));
    }

    #[test]
    fn specific_names_sort_before_wildcards() {
        let mut all = vec![h("*"), h("*.com"), h("b.com"), h("*.a.com"), h("a.com")];
        all.sort();
        assert_eq!(all, [h("a.com"), h("b.com"), h("*.a.com"), h("*.com"), h("*")]);
    }

    #[test]
    fn short_names_belong_to_the_namespace() {
        assert_eq!(
            Hostname::resolve("reviews", "shop", "cluster.local").unwrap(),
            h("reviews.shop.svc.cluster.local")
        );
        assert_eq!(Hostname::resolve("reviews.other", "shop", "cluster.local").unwrap(), h("reviews.other"));
    }

    #[test]
    fn what_dns_refuses_is_refused() {
        for bad in ["", "a..b", "a b", "a*.com", "a.*.com", "**.com", &"x".repeat(64), "a/b"] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }
}
