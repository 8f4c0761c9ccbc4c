//! `--suppress CODE=RESOURCE`, in the syntax of `istioctl analyze`.

use mesh_core::diagnostic::Finding;
use std::str::FromStr;

/// A code, and the resources for which it is silenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suppression {
    code: String,
    /// `KIND NAME.NAMESPACE`, with `*` for any text.
    resource: String,
}

impl FromStr for Suppression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let help = "write CODE=RESOURCE, such as 'IST0101=VirtualService reviews.default' or 'IST0101=*'";
        let (code, resource) = text.split_once('=').ok_or(help)?;
        let is_code =
            code.trim_start_matches(|c: char| c.is_ascii_uppercase()).bytes().all(|b| b.is_ascii_digit())
                && code.starts_with(|c: char| c.is_ascii_uppercase())
                && code.ends_with(|c: char| c.is_ascii_digit());
        if !is_code {
            return Err(format!("{code:?} is not a code; {help}"));
        }
        if resource.is_empty() {
            return Err(format!("the resource is missing; {help}"));
        }
        Ok(Self { code: code.to_owned(), resource: resource.to_owned() })
    }
}

impl Suppression {
    /// Whether a finding is one of these.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        self.code == finding.code && matches(&self.resource, &subject(finding))
    }
}

/// What a finding is about: `Kind name.namespace`, `Kind name`, or else the file.
fn subject(finding: &Finding) -> String {
    let resource = &finding.resource;
    match (&*resource.kind, &*resource.name, &*resource.namespace) {
        ("", ..) => finding.file().unwrap_or_default().to_owned(),
        (kind, name, "") => format!("{kind} {name}"),
        (kind, name, namespace) => format!("{kind} {name}.{namespace}"),
    }
}

/// Whether a text is what a pattern says, where `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The earliest place for each leaves most for those that follow.
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::api::Meta;

    fn about(kind: &str, namespace: &str, name: &str) -> Finding {
        let meta =
            Meta { kind: kind.into(), namespace: namespace.into(), name: name.into(), ..Meta::default() };
        Finding::warning("IST0101", "x").about(&meta, &Default::default(), "spec")
    }

    fn silences(text: &str, finding: &Finding) -> bool {
        text.parse::<Suppression>().is_ok_and(|s| s.covers(finding))
    }

    #[test]
    fn a_suppression_is_a_code_and_a_resource_as_istioctl_writes_them() {
        let finding = about("VirtualService", "default", "reviews");
        for text in [
            "IST0101=VirtualService reviews.default",
            "IST0101=VirtualService *",
            "IST0101=*.default",
            "IST0101=Virtual*reviews*",
            "IST0101=*",
            "IST0101=**",
        ] {
            assert!(silences(text, &finding), "{text}");
        }
        for text in [
            "IST0102=*",
            "IST0101=VirtualService reviews",
            "IST0101=Gateway *",
            "IST0101=*.default.",
            "IST0101=reviews",
            "IST0101=*reviews*reviews*",
        ] {
            assert!(!silences(text, &finding), "{text}");
        }
        assert!(silences("IST0101=Namespace shop", &about("Namespace", "", "shop")));
    }

    #[test]
    fn what_is_no_suppression_says_how_one_is_written() {
        for text in ["IST0101", "=x", "IST0101=", "ist0101=*", "IST=*", "*=*"] {
            assert!(text.parse::<Suppression>().is_err_and(|e| e.contains("CODE=RESOURCE")), "{text}");
        }
    }
}
