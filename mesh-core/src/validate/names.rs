//! The syntax of names: labels of DNS, hosts, labels of workloads, names of ports; and bounds on lengths.
//!
//! What Istio's validation checks them by. [`Hostname`](crate::hostname::Hostname) is laxer, since names reach the
//! mesh from elsewhere too: from a request, from a certificate, from a server name with underscores.

use super::report::Report;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a host looks like.
pub(super) const HOST: &str =
    "a host is a name such as reviews, reviews.default.svc.cluster.local or *.example.com";

/// A label of a name as Istio checks it: RFC 1123's, in any case.
pub(super) fn is_label(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(legal)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text is an IP address, of either family.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// What keeps a text from being the host of a route: exact, or with a wildcard at the beginning of its first label.
pub(super) fn problem_of_host(text: &str) -> Option<String> {
    if let problem @ Some(_) = problem_of_length(text) {
        return problem;
    }
    let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let bare = first.strip_prefix('*').map_or(first, |rest| rest.strip_prefix('-').unwrap_or(rest));
    let is_first = first.len() <= 63 && (first == "*" || is_label(bare));
    if !is_first {
        return Some(not_a_label(first));
    }
    rest.filter(|rest| !rest.is_empty()).and_then(problem_of_labels)
}

/// What keeps a text from being the host of a service: exact, or with a wildcard for its whole first label.
pub(super) fn wildcard_error(name: &str) -> Option<String> {
    match name.strip_prefix("*.") {
        _ if name == "*" => None,
        Some("") => Some("nothing follows the wildcard".to_owned()),
        Some(rest) => problem_of_length(name).or_else(|| problem_of_labels(rest)),
        None if name.contains('*') => Some("a wildcard stands for the whole first label only".to_owned()),
        // A single label of digits is no address yet: only behind a dot would it be one.
        None if is_label(name) => None,
        None => fqdn_error(name),
    }
}

/// What keeps a text from being a name of DNS without any wildcard.
pub(super) fn fqdn_error(name: &str) -> Option<String> {
    problem_of_length(name).or_else(|| problem_of_labels(name))
}

fn problem_of_length(name: &str) -> Option<String> {
    let legal = (1..=255).contains(&name.len());
    (!legal).then(|| format!("a name has 1 to 255 bytes, not {}", name.len()))
}

/// A dot at the end says that nothing is to be added.
fn problem_of_labels(name: &str) -> Option<String> {
    let last = name.rsplit('.').next().unwrap_or(name);
    if !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()) {
        return Some("the last label of a name is not a number".to_owned());
    }
    let mut labels = name.strip_suffix('.').unwrap_or(name).split('.');
    labels.find(|label| !is_label(label)).map(not_a_label)
}

fn not_a_label(text: &str) -> String {
    match text {
        "" => "a label of it is empty".to_owned(),
        text if text.len() > 63 => format!("a label of it has {} bytes, more than 63", text.len()),
        text => format!("{text:?} is not made of letters, digits and inner dashes"),
    }
}

/// Whether a text has more characters than so many: schemas count these, not bytes.
pub(super) fn is_longer_than(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().nth(most).is_some()
}

/// The name of a workload's label: Kubernetes' syntax, with an optional domain before a slash.
pub(super) fn is_label_key(key: &str) -> bool {
    match key.rsplit_once('/') {
        Some((domain, name)) => domain.len() <= 253 && domain.split('.').all(is_label) && is_qualified(name),
        None => is_qualified(key),
    }
}

/// The value of a workload's label; it may be empty.
pub(super) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_qualified(value)
}

/// Letters, digits, `-`, `_` and `.`; the first and the last a letter or digit.
fn is_qualified(text: &str) -> bool {
    let at_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 63
        && text.bytes().all(legal)
        && at_end(text.chars().next())
        && at_end(text.chars().next_back())
}

impl Report<'_> {
    /// Labels of workloads, in Kubernetes' syntax: others no workload can have.
    pub(super) fn labels(&mut self, path: &str, labels: &BTreeMap<String, String>) {
        for (key, value) in labels {
            let path = format!("{path}.{key}");
            if !is_label_key(key) {
                let message = format!("{key:?} is not the name of a label");
                self.refuse_key(&path, message, "such as version or example.com/version");
            }
            if !is_label_value(value) {
                let help =
                    "up to 63 letters, digits, dashes, underscores and dots, a letter or digit at both ends";
                self.refuse(&path, format!("{value:?} is not the value of a label"), help);
            }
        }
    }

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
    pub(super) fn no_longer_than(&mut self, path: &str, text: &str, max: usize) -> bool {
        if text.len() > max {
            let message = format!("{} bytes are too long", text.len());
            self.refuse(path, message, format!("at most {max} are accepted"));
        }
        text.len() <= max
    }

    /// A text that may be left out, as `null` does too, but is not empty where it is written.
    pub(super) fn filled(&mut self, path: &str, text: &str) {
        if text.is_empty() && self.is_quoted(path) {
            self.refuse(path, "an empty text", "write it, or leave the field out");
        }
    }

    fn is_quoted(&self, path: &str) -> bool {
        let (Some(key), Some(value)) = (self.source.key(path), self.source.locate(path)) else {
            return false;
        };
        let written = self.source.text.get(value.start..value.end);
        key != value && written.is_some_and(|text| text.starts_with(['"', '\'']))
    }

    /// A list or mapping with an upper bound; `what` is one thing of it.
    pub(super) fn at_most(&mut self, path: &str, len: usize, most: usize, what: &str) {
        if len > most {
            let plural = match what.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None if what.ends_with('s') => format!("{what}es"),
                None => format!("{what}s"),
            };
            let message = format!("{len} {plural}; there may be {most}");
            self.refuse(path, message, format!("keep {most}, or split the resource in two"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_of_dns_and_never_addresses() {
        for good in ["a", "1", "a.b", "a-1.b", "A.b.", "*", "*.a", "*-a.b", "*a.b", "a.1b"] {
            assert_eq!(problem_of_host(good), None, "{good}");
        }
        for bad in [
            "",
            "a_b",
            "-a",
            "a-",
            "a..b",
            "10.0.0.1",
            "a.5",
            "*.*.a",
            "**",
            "*-",
            "a.*",
            "a b",
            &"a.".repeat(130),
        ] {
            assert!(problem_of_host(bad).is_some(), "{bad}");
        }
    }

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
    fn labels_of_workloads_are_those_that_kubernetes_takes() {
        for good in ["app", "app.kubernetes.io/name", "a_b", "A-1.b", "example.com/a.b-c_d"] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a b", "-a", "a/b/c", "a*", "*"] {
            assert!(!is_label_key(bad), "{bad}");
        }
        assert!(
            is_label_value("") && is_label_value("v1.2_3") && !is_label_value("v1/2") && !is_label_value("*")
        );
    }
}
