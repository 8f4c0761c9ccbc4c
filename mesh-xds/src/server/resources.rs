//! What a server has to offer at one version: every resource encoded once, with a version of its own.
//!
//! ```text
//! Snapshot ──encode──▶ [Resources] ──▶ session (what does this client need of it?) ──▶ response
//! ```
//!
//! A resource's version is the hash of its content, so that a compile that changed nothing sends nothing, and
//! a client that comes back to another replica need not be sent what it holds.

use crate::ResourceType;
use bytes::Bytes;
use envoy_types::pb::google::protobuf::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A resource's name.
pub(crate) type Name = Arc<str>;

/// The hash of a content; prints as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Version(u64);

/// 64-bit FNV-1a: the same on every machine and in every build, which versions that outlive a process must be.
#[derive(Debug)]
pub(crate) struct Hasher(u64);

impl Default for Hasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(crate) fn finish(&self) -> Version {
        Version(self.0)
    }
}

impl Version {
    /// The version of a content.
    pub(crate) fn of(content: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.write(content);
        hasher.finish()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version")]
pub(crate) struct InvalidVersion;

impl std::str::FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(s: &str) -> Result<Self, InvalidVersion> {
        if s.len() != 16 {
            return Err(InvalidVersion);
        }
        u64::from_str_radix(s, 16).map(Self).map_err(|_| InvalidVersion)
    }
}

/// One encoded resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    /// Hash of the body.
    pub(crate) version: Version,
    /// The encoded message.
    pub(crate) body: Bytes,
    /// The endpoints that a cluster asks for: a cluster that changed warms again and waits for them.
    pub(crate) endpoints: Option<Name>,
}

impl Resource {
    /// A resource whose body is in canonical form.
    pub(crate) fn new(body: Bytes, endpoints: Option<Name>) -> Self {
        Self { version: Version::of(&body), body, endpoints }
    }

    /// As responses carry it.
    pub(crate) fn any(&self, kind: ResourceType) -> Any {
        Any { type_url: kind.url().to_owned(), value: self.body.to_vec() }
    }
}

/// All resources of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ResourceSet {
    /// Hash over names and versions.
    pub(crate) version: Version,
    /// By name.
    pub(crate) by_name: BTreeMap<Name, Resource>,
}

impl FromIterator<(Name, Resource)> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = (Name, Resource)>>(iter: I) -> Self {
        let by_name: BTreeMap<Name, Resource> = iter.into_iter().collect();
        let mut hasher = Hasher::default();
        for (name, resource) in &by_name {
            hasher.write(name.as_bytes());
            hasher.write(&[0]);
            hasher.write(&resource.version.0.to_be_bytes());
        }
        Self { version: hasher.finish(), by_name }
    }
}

/// What a server has to offer to one client at one version.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Resources {
    /// The snapshot's version, for people.
    pub(crate) version: Arc<str>,
    pub(crate) clusters: Arc<ResourceSet>,
    pub(crate) endpoints: Arc<ResourceSet>,
    pub(crate) listeners: Arc<ResourceSet>,
    pub(crate) routes: Arc<ResourceSet>,
}

impl Resources {
    /// The resources of one kind.
    pub(crate) fn of(&self, kind: ResourceType) -> &Arc<ResourceSet> {
        match kind {
            ResourceType::Cluster => &self.clusters,
            ResourceType::Endpoint => &self.endpoints,
            ResourceType::Listener => &self.listeners,
            ResourceType::Route => &self.routes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_fnv_1a_and_so_the_same_everywhere() {
        assert_eq!(Version::of(b"").to_string(), "cbf29ce484222325");
        assert_eq!(Version::of(b"foobar").to_string(), "85944171f73967e8");
        assert_eq!("85944171f73967e8".parse(), Ok(Version::of(b"foobar")));
        assert_eq!("v1".parse::<Version>(), Err(InvalidVersion));
    }

    #[test]
    fn a_set_changes_its_version_with_a_name_or_a_content() {
        let set = |name: &str, body: &'static [u8]| {
            ResourceSet::from_iter([(Name::from(name), Resource::new(Bytes::from_static(body), None))])
                .version
        };
        assert_eq!(set("a", b"1"), set("a", b"1"));
        assert_ne!(set("a", b"1"), set("b", b"1"));
        assert_ne!(set("a", b"1"), set("a", b"2"));
        assert_ne!(set("a", b"1"), ResourceSet::default().version);
    }
}
