//! The Gateway API's texts with a form: names, groups, kinds, hosts, headers; and bounds on lists.

use crate::validate::names::is_longer_than;
use crate::validate::report::Report;
use crate::yaml::is_subdomain;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

impl Report<'_> {
    /// The name of a resource, which must be written.
    pub(super) fn object_name(&mut self, path: &str, name: &str) {
        let path = format!("{path}.name");
        if name.is_empty() {
            self.refuse(&path, "the name is missing", "name the resource");
        } else if is_longer_than(name, 253) {
            self.refuse(&path, "a name of more than 253 characters", "no resource has so long a name");
        }
    }

    /// The group and kind of a resource.
    pub(super) fn group_kind(&mut self, path: &str, group: &str, kind: &str) {
        if !group.is_empty() && !is_subdomain(group) {
            let help =
                "write a group without its version, such as gateway.networking.k8s.io, or \"\" for the core";
            self.refuse(&format!("{path}.group"), format!("{group:?} is not an API group"), help);
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let path = format!("{path}.kind");
        if kind.is_empty() {
            self.refuse(&path, "the kind is missing", "name the kind, such as Service");
        } else if kind.len() > 63
            || !kind.chars().all(legal)
            || !kind.starts_with(|c: char| c.is_ascii_alphabetic())
            || kind.ends_with('-')
        {
            self.refuse(
                &path,
                format!("{kind:?} is not a kind"),
                "name the kind without its group and version, such as Service",
            );
        }
    }

    /// A group that must be written, be it empty.
    pub(super) fn required_group(&mut self, path: &str, group: Option<&String>, kind: &str) {
        if group.is_none() {
            let help = "write the kind's API group, or \"\" for the core group, which has Service and Secret";
            self.refuse(&format!("{path}.group"), "the group is missing", help);
        }
        self.group_kind(path, group.map_or("", String::as_str), kind);
    }

    /// A namespace, where one is written.
    pub(super) fn namespace(&mut self, path: &str, namespace: &str) {
        self.filled(&format!("{path}.namespace"), namespace);
        if !namespace.is_empty()
            && (namespace.len() > 63 || namespace.contains('.') || !is_subdomain(namespace))
        {
            let help = "a namespace has lower-case letters, digits and '-', at most 63";
            self.refuse(&format!("{path}.namespace"), format!("{namespace:?} is not a namespace"), help);
        }
    }

    /// The name of a listener, a rule or a port, where one is written.
    pub(super) fn section_name(&mut self, path: &str, name: &str) {
        self.filled(path, name);
        if !name.is_empty() && !is_subdomain(name) {
            let help =
                "it has lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit";
            self.refuse(path, format!("{name:?} is not a legal name"), help);
        }
    }

    /// A host in lower case, perhaps with a leading `*.`. Whether it may be missing is for the caller to say.
    pub(super) fn dns_name(&mut self, path: &str, host: &str, wildcard: bool) {
        let rest = if wildcard { host.strip_prefix("*.").unwrap_or(host) } else { host };
        if is_subdomain(rest) && host.len() <= 253 {
            return;
        }
        let help = match wildcard {
            true => "write a lower-case name such as shop.example.com or *.example.com, without a port",
            false => "write a lower-case name such as shop.example.com, without a port or a wildcard",
        };
        self.refuse(path, format!("{host:?} is not a host name"), help);
    }

    /// The hosts of a route. An address matches as text, which is seldom meant.
    pub(super) fn hostnames(&mut self, hosts: &[String], most: usize, addresses: Addresses) {
        self.at_most("spec.hostnames", hosts.len(), most, "host");
        for (i, host) in hosts.iter().enumerate() {
            let path = format!("spec.hostnames[{i}]");
            match (host.parse::<IpAddr>().is_ok(), addresses) {
                (true, Addresses::Refused) => {
                    let help = "a client that calls an address sends no server name; write a name";
                    self.refuse(&path, format!("{host:?} is an address"), help);
                }
                (true, Addresses::Warned) if host.contains(':') => self.dns_name(&path, host, true),
                (true, Addresses::Warned) => {
                    self.warn(
                        &path,
                        format!("{host:?} is an address"),
                        "write a name, such as shop.example.com",
                    );
                }
                (false, _) => self.dns_name(&path, host, true),
            }
        }
    }

    /// The name of a header or of a query parameter.
    pub(super) fn header_name(&mut self, path: &str, name: &str) {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() {
            self.refuse(path, "the name is missing", "name the header or parameter");
        } else if name.len() > 256 || !name.bytes().all(legal) {
            let help = "it has letters, digits and !#$%&'*+-.^_`|~ only, at most 256; pseudo-headers cannot be named";
            self.refuse(path, format!("{name:?} is not a name of a header or parameter"), help);
        }
    }

    /// Names that must differ, as the API server compares them.
    pub(super) fn header_names<'s>(&mut self, path: &str, names: impl IntoIterator<Item = &'s str>) {
        let mut seen = HashSet::new();
        for (i, name) in names.into_iter().enumerate() {
            let path = format!("{path}[{i}].name");
            self.header_name(&path, name);
            if !seen.insert(name) && !name.is_empty() {
                self.refuse(&path, format!("{name:?} is there twice"), "one entry for each name");
            }
        }
    }

    /// A text that must be written and is bounded.
    pub(super) fn value(&mut self, path: &str, value: &str, most: usize) {
        let path = format!("{path}.value");
        if value.is_empty() {
            self.refuse(&path, "the value is missing", "write the value");
        } else if is_longer_than(value, most) {
            self.refuse(&path, format!("a value of more than {most} characters"), "write a shorter one");
        }
    }

    /// A list with both bounds.
    pub(super) fn between(&mut self, path: &str, len: usize, most: usize, what: &str) {
        if len == 0 {
            self.refuse(path, format!("no {what} is written"), format!("write at least one {what}"));
        }
        self.at_most(path, len, most, what);
    }

    /// Annotations and options, with their keys.
    pub(super) fn annotations(&mut self, path: &str, all: &BTreeMap<String, String>, most: usize) {
        self.qualified_keys(path, all, most);
        for key in all.iter().filter(|(_, value)| is_longer_than(value, 4096)).map(|(key, _)| key) {
            let message = "a value of more than 4096 characters";
            self.refuse(&format!("{path}.{key}"), message, "write a shorter one");
        }
    }

    /// Keys of annotations, labels and options.
    pub(super) fn qualified_keys(&mut self, path: &str, all: &BTreeMap<String, String>, most: usize) {
        self.at_most(path, all.len(), most, "entry");
        for key in all.keys().filter(|key| !is_qualified_key(key)) {
            let help = "a key is a name of at most 63 letters, digits, '-', '_' and '.', perhaps behind a domain and '/'";
            self.refuse_key(&format!("{path}.{key}"), format!("{key:?} is not a legal key"), help);
        }
    }
}

/// What becomes of an address in place of a host name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Addresses {
    Refused,
    Warned,
}

fn is_qualified_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let ends = |c: char| c.is_ascii_alphanumeric();
    prefix.is_none_or(|p| p.len() < 253 && is_subdomain(p))
        && (1..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && name.starts_with(ends)
        && name.ends_with(ends)
}

/// A domain, a slash and a path, as controllers and types of the implementation are named.
pub(in crate::validate) fn is_domain_prefixed(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    text.len() <= 253
        && text
            .split_once('/')
            .is_some_and(|(domain, path)| is_subdomain(domain) && !path.is_empty() && path.bytes().all(legal))
}

/// A protocol by its own name, or by a domain, a slash and letters and digits.
pub(super) fn is_protocol(text: &str) -> bool {
    let letters = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric());
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    text.len() <= 255
        && match text.rsplit_once('/') {
            Some((domain, name)) => is_subdomain(domain) && letters(name),
            None => {
                !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
            }
        }
}

/// A path as `Exact` and `PathPrefix` have it, without what proxies normalise away. What is wrong with it, if
/// anything is.
pub(super) fn wrong_in_path(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("does not begin with '/'");
    }
    for (part, what) in [
        ("//", "has '//' in it"),
        ("/./", "has '/./' in it"),
        ("/../", "has '/../' in it"),
        ("%2f", "has an encoded '/' in it"),
        ("%2F", "has an encoded '/' in it"),
        ("#", "has a '#' in it, which no request sends"),
    ] {
        if path.contains(part) {
            return Some(what);
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        return Some("ends with a '.' element");
    }
    (!is_path_text(path)).then_some("has characters in it that a path has only encoded")
}

/// The characters of a path, with whole `%xx`.
pub(super) fn is_path_text(path: &str) -> bool {
    let mut rest = path.bytes();
    while let Some(b) = rest.next() {
        let legal = match b {
            b'%' => {
                let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
                hex(rest.next()) && hex(rest.next())
            }
            _ => b.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(&b),
        };
        if !legal {
            return false;
        }
    }
    true
}
