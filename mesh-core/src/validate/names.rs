//! The syntax of names: labels of DNS, hosts, and the labels of workloads.
//!
//! What Istio's validation checks them by. [`Hostname`](crate::hostname::Hostname) is laxer, since names reach the
//! mesh from elsewhere too: from a request, from a certificate, from a server name with underscores.

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

/// What keeps a text from being a host, exact or with a leading wildcard.
pub(super) fn problem_of_host(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > 255 {
        return Some(format!("a name has 1 to 255 bytes, not {}", text.len()));
    }
    let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let bare = first.strip_prefix('*').map_or(first, |rest| rest.strip_prefix('-').unwrap_or(rest));
    let is_first = first.len() <= 63 && (first == "*" || is_label(bare));
    if !is_first {
        return Some(not_a_label(first));
    }
    let rest = rest?;
    let last = rest.rsplit('.').next().unwrap_or(rest);
    if !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()) {
        return Some("the last label of a name is not a number".to_owned());
    }
    // A dot at the end says that nothing is to be added.
    let mut labels = rest.strip_suffix('.').unwrap_or(rest).split('.');
    let wrong = if rest.is_empty() { None } else { labels.find(|label| !is_label(label)) };
    wrong.map(not_a_label)
}

fn not_a_label(text: &str) -> String {
    match text {
        "" => "a label of it is empty".to_owned(),
        text if text.len() > 63 => format!("a label of it has {} bytes, more than 63", text.len()),
        text => format!("{text:?} is not made of letters, digits and inner dashes"),
    }
}

/// The name of a workload's label: Kubernetes' syntax, with an optional domain before a slash.
pub(super) fn is_label_key(key: &str) -> bool {
    match key.rsplit_once('/') {
        Some((domain, name)) => {
            domain.len() <= 253 && domain.split('.').all(is_label) && name.len() <= 63 && is_qualified(name)
        }
        None => key.len() <= 63 && is_qualified(key),
    }
}

/// The value of a workload's label; it may be empty.
pub(super) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_qualified(value)
}

fn is_qualified(text: &str) -> bool {
    let at_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    at_end(text.chars().next()) && at_end(text.chars().next_back()) && text.bytes().all(legal)
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
    fn labels_of_workloads_are_those_that_kubernetes_takes() {
        for good in ["app", "app.kubernetes.io/name", "a_b", "A-1.b"] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a b", "-a", "a/b/c", "*"] {
            assert!(!is_label_key(bad), "{bad}");
        }
        assert!(
            is_label_value("") && is_label_value("v1.2_3") && !is_label_value("v1/2") && !is_label_value("*")
        );
    }
}
