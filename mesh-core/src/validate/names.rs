//! Names as Istio checks them: DNS names, labels of workloads, names of ports, lengths.
//!
//! [`Hostname`](crate::hostname::Hostname) is what the compiler can work with; the rules here are narrower, so
//! that a resource is accepted here exactly if Istio accepts it.

use super::report::{Report, is_label};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is wrong with a DNS name, if anything is; a trailing dot is legal.
pub(super) fn fqdn_error(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name is missing".to_owned());
    }
    if name.len() > 255 {
        return Some("a name is at most 255 bytes long".to_owned());
    }
    labels_error(name)
}

/// The same of a name whose first label may be a wildcard.
pub(super) fn wildcard_error(name: &str) -> Option<String> {
    match name.strip_prefix("*.") {
        _ if name == "*" => None,
        Some(_) if name.len() > 255 => Some("a name is at most 255 bytes long".to_owned()),
        Some("") => Some("nothing follows the wildcard".to_owned()),
        Some(rest) => labels_error(rest),
        None if name.contains('*') => Some("a wildcard stands for the whole first label only".to_owned()),
        // A single label of digits is no address yet: only behind a dot would it be one.
        None if is_label(name) => None,
        None => fqdn_error(name),
    }
}

fn labels_error(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    if !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()) {
        return Some(format!("its last label `{last}` is a number, as of an address"));
    }
    name.split('.').find(|label| !is_label(label)).map(|label| match label {
        "" => "a label of it is empty".to_owned(),
        label => format!("`{label}` is not a label of a DNS name"),
    })
}

/// Whether a text is an IP address, of either family.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

impl Report<'_> {
    /// The name of a port, which metrics and endpoints go by.
    pub(super) fn port_name(&mut self, path: &str, name: &str) {
        if !is_label(name) {
            let help = "a name has up to 63 letters, digits and dashes, such as http-web";
            self.refuse(path, format!("{name:?} is not the name of a port"), help);
        }
    }

    /// The same, where it is the key of a mapping.
    pub(super) fn port_key(&mut self, path: &str, name: &str) {
        // Kubernetes' own rule is a byte narrower than that of names.
        if name.len() > 62 || !is_label(name) {
            let help = "a name has up to 62 letters, digits and dashes, such as http-web";
            self.refuse_key(path, format!("{name:?} is not the name of a port"), help);
        }
    }

    /// Whether a text is one that Kubernetes accepts for its length, in bytes.
    pub(super) fn at_most(&mut self, path: &str, text: &str, max: usize) -> bool {
        if text.len() > max {
            let message = format!("{} bytes are too long", text.len());
            self.refuse(path, message, format!("at most {max} are accepted"));
        }
        text.len() <= max
    }

    /// A list or mapping that Kubernetes would refuse for its length.
    pub(super) fn no_more_than(&mut self, path: &str, count: usize, max: usize) {
        if count > max {
            let message = format!("{count} are too many");
            self.refuse(path, message, format!("at most {max} are accepted"));
        }
    }

    /// Labels of a workload, by Kubernetes' rules.
    pub(super) fn labels(&mut self, path: &str, labels: &BTreeMap<String, String>) {
        self.no_more_than(path, labels.len(), 256);
        for (key, value) in labels {
            let path = format!("{path}.{key}");
            if !is_label_key(key) {
                let help = "a key is a name such as app or example.com/app";
                self.refuse_key(&path, format!("{key:?} is not the key of a label"), help);
            }
            if !value.is_empty() && !is_qualified(value) {
                let help = "a value has up to 63 letters, digits, dashes, dots and underscores";
                self.refuse(&path, format!("{value:?} is not the value of a label"), help);
            }
        }
    }

    /// `labels` that select workloads, as networking kinds write them.
    pub(super) fn workload_labels(&mut self, path: &str, labels: &BTreeMap<String, String>, help: &str) {
        let path = format!("{path}.labels");
        if labels.is_empty() {
            self.warn(&path, "a selector without labels: it selects all of the namespace", help);
        }
        self.no_more_than(&path, labels.len(), 256);
        self.selector(&path, labels);
        for (key, value) in labels {
            self.at_most(&format!("{path}.{key}"), value, 63);
        }
    }
}

/// An optional DNS name before a slash, then a name.
fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => prefix.len() <= 253 && prefix.split('.').all(is_label) && is_qualified(name),
        None => is_qualified(key),
    }
}

/// Letters, digits, `-`, `_` and `.`; the first and the last a letter or digit.
fn is_qualified(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= 63 && name.bytes().all(legal) && edge(name.chars().next()) && edge(name.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dns_name_has_labels_of_which_the_last_is_not_a_number() {
        let longest = format!("{}.com", "a".repeat(63));
        for good in ["a", "a.b", "a.b.", "A-1.b2", "1.a", longest.as_str()] {
            assert_eq!(fqdn_error(good), None, "{good}");
        }
        let too_long = format!("{}.com", "a".repeat(64));
        for bad in ["", "a..b", "a_b.c", "-a.b", "a.1", "10.0.0.256", "*.b", too_long.as_str()] {
            assert!(fqdn_error(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_is_the_whole_first_label_or_all() {
        for good in ["*", "*.b", "*.b.c", "a", "1", "a.b"] {
            assert_eq!(wildcard_error(good), None, "{good}");
        }
        for bad in ["", "*a.b", "a.*.b", "*.", "*.1", "**", "*.*.b"] {
            assert!(wildcard_error(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_label_has_the_form_that_kubernetes_gives_it() {
        for good in ["app", "app.kubernetes.io/name", "a_b", "example.com/a.b-c_d"] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "-a", "a/b/c", "a*"] {
            assert!(!is_label_key(bad), "{bad}");
        }
    }
}
