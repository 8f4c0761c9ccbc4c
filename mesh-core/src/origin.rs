//! Where a thing was declared: the resource, the file and the line.
//!
//! Every part of a Snapshot carries one, so that a tool, a log line or a NACK can name the text that a
//! person wrote. On the wire it is Envoy's `filter_metadata.istio.config`, as istiod writes it.

use std::fmt;
use std::sync::Arc;

/// The resource that something was compiled from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// API group, such as `networking.istio.io`; empty for Kubernetes' core group.
    pub group: Arc<str>,
    /// API version, such as `v1`.
    pub version: Arc<str>,
    /// Kind in camel case, such as `VirtualService`.
    pub kind: Arc<str>,
    /// Namespace; empty for cluster-scoped resources.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// File and line, where they are known.
    pub place: Option<Place>,
}

/// A place in a text file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the source names it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
}

impl Origin {
    /// Istio's path of the resource: `/apis/GROUP/VERSION/namespaces/NS/KIND-in-kebab/NAME`.
    pub fn api_path(&self) -> String {
        let Self { group, version, namespace, name, .. } = self;
        format!("/apis/{group}/{version}/namespaces/{namespace}/{}/{name}", kebab(&self.kind))
    }

    /// Reads what [`api_path`](Self::api_path) wrote.
    pub fn from_api_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/apis/")?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [group, version, "namespaces", namespace, kind, name] = parts.as_slice() else { return None };
        Some(Self {
            group: (*group).into(),
            version: (*version).into(),
            kind: camel(kind).into(),
            namespace: (*namespace).into(),
            name: (*name).into(),
            place: None,
        })
    }
}

impl fmt::Display for Origin {
    /// `VirtualService default/reviews (routes.yaml:3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}", self.name)?;
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

fn kebab(kind: &str) -> String {
    let mut out = String::with_capacity(kind.len() + 4);
    for (i, c) in kind.char_indices() {
        if c.is_ascii_uppercase() && i > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn camel(kebab: &str) -> String {
    kebab
        .split('-')
        .flat_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_path_is_istios_and_reads_back() {
        let origin = Origin {
            group: "networking.istio.io".into(),
            version: "v1".into(),
            kind: "VirtualService".into(),
            namespace: "default".into(),
            name: "reviews".into(),
            place: None,
        };
        let path = origin.api_path();
        assert_eq!(path, "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews");
        assert_eq!(Origin::from_api_path(&path), Some(origin));
        assert_eq!(Origin::from_api_path("/apis/x"), None);
    }
}
