//! One value of a rule: `exact`, `pre*`, `*suf`, `*`, an address, or a name inside an identity.

use crate::model::matcher::{HeaderKey, HeaderMatch, Pattern, Regex, StringMatch, UriTemplate, ValueMatch};
use crate::model::rbac::{MetadataMatch, MetadataValue, Permission, Principal};
use http::HeaderName;
use ipnet::IpNet;
use std::net::IpAddr;

type Read<T> = Result<T, String>;

/// Istio's wildcards at one end; `*` takes anything but nothing.
pub(super) fn string(text: &str) -> StringMatch {
    pattern(text).into()
}

fn pattern(text: &str) -> Pattern {
    match (text.strip_prefix('*'), text.strip_suffix('*')) {
        (Some(""), _) => Regex::new(".+").map_or_else(|_| Pattern::Prefix(String::new()), Pattern::Regex),
        (Some(suffix), _) => Pattern::Suffix(suffix.to_owned()),
        (None, Some(prefix)) => Pattern::Prefix(prefix.to_owned()),
        (None, None) => Pattern::Exact(text.to_owned()),
    }
}

fn header_match(name: HeaderKey, text: &str, ignore_case: bool) -> HeaderMatch {
    if text == "*" {
        return HeaderMatch { name, value: ValueMatch::Present(true), invert: false, absent_is_empty: false };
    }
    HeaderMatch::string(name, StringMatch { pattern: pattern(text), ignore_case })
}

/// A host; names have no case. One without a port means every port: the router takes `secret.com:80` for
/// `secret.com`, and a rule that did not would be walked around by writing the port. Stricter than Istio,
/// which asks its users to list `secret.com:*` as well.
pub(super) fn host(text: &str) -> Read<Permission> {
    let as_written = Permission::Header(header_match(HeaderKey::Authority, text, true));
    let with_port = match pattern(text) {
        Pattern::Exact(host) if !has_port(&host) => compile(&format!("(?i){}:[0-9]*", regex::escape(&host)))?,
        Pattern::Suffix(end) if !has_port(&end) => compile(&format!("(?i).*{}:[0-9]*", regex::escape(&end)))?,
        _ => return Ok(as_written),
    };
    let with_port = HeaderMatch::string(HeaderKey::Authority, Pattern::Regex(with_port).into());
    Ok(Permission::Or(vec![as_written, Permission::Header(with_port)]))
}

/// Whether a host ends in `:PORT`; the colons of an IPv6 address in brackets are none.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

pub(super) fn method(text: &str) -> Read<Permission> {
    Ok(Permission::Header(header_match(HeaderKey::Method, text, false)))
}

/// A path, or a template of one: `{*}` is one segment, `{**}` any number of them.
pub(super) fn path(text: &str) -> Read<Permission> {
    if !text.contains("{*}") && !text.contains("{**}") {
        return Ok(Permission::Path(string(text)));
    }
    let template = text.replace("{*}", "*").replace("{**}", "**");
    match UriTemplate::new(&template) {
        Ok(template) => Ok(Permission::UriTemplate(template)),
        Err(error) => Err(format!("{text:?} is not a template of paths: {error}")),
    }
}

pub(super) fn port(text: &str) -> Read<Permission> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(Permission::DestinationPort(port)),
        _ => Err(format!("{text:?} is not a port")),
    }
}

/// A network, or one address.
pub(super) fn net(text: &str) -> Read<IpNet> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.into());
    }
    text.parse().map_err(|_| format!("{text:?} is not an IP address or a CIDR block"))
}

pub(super) fn header(name: &str, text: &str) -> Read<Principal> {
    let key = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())
        .map_err(|_| format!("{name:?} is not the name of a header"))?;
    Ok(Principal::Header(header_match(HeaderKey::Name(key), text, false)))
}

/// An identity without `spiffe://`. `cluster.local`, and any of our trust domains, stands for all of them.
pub(super) fn principal(text: &str, trust_domains: &[String]) -> Vec<Principal> {
    let identity = |pattern| Principal::Authenticated(Some(StringMatch::from(pattern)));
    if text == "*" {
        return vec![Principal::Authenticated(None)];
    }
    if let Some(suffix) = text.strip_prefix('*') {
        return vec![identity(Pattern::Suffix(suffix.to_owned()))];
    }
    let ours = text
        .split_once('/')
        .filter(|(domain, _)| *domain == "cluster.local" || trust_domains.iter().any(|d| d == domain));
    let names: Vec<String> = match ours {
        Some((_, rest)) => trust_domains.iter().map(|d| format!("spiffe://{d}/{rest}")).collect(),
        None => vec![format!("spiffe://{text}")],
    };
    names
        .into_iter()
        .map(|name| match name.strip_suffix('*') {
            Some(prefix) => identity(Pattern::Prefix(prefix.to_owned())),
            None => identity(Pattern::Exact(name)),
        })
        .collect()
}

/// The identity of a token, `ISSUER/SUBJECT`. An issuer may be a URL, so that the last slash parts them; a wildcard
/// stands at one end, and what it leaves open must still be there.
pub(super) fn request_principal(text: &str) -> Principal {
    let (issuer, subject) = match text.rsplit_once('/') {
        Some((issuer, subject)) => (issuer, Some(subject)),
        None => (text, None),
    };
    let (issuer, subject) = match (text, subject) {
        ("*", _) => (string("*"), string("*")),
        (_, Some(subject)) if text.starts_with('*') => (string(issuer), StringMatch::exact(subject)),
        (_, None) if text.starts_with('*') => (string("*"), string(text)),
        (_, Some(subject)) => (StringMatch::exact(issuer), string(subject)),
        (_, None) if text.ends_with('*') => (string(text), string("*")),
        (_, None) => (StringMatch::exact(issuer), StringMatch::exact("")),
    };
    let claim = |name, want| Principal::Metadata(MetadataMatch::claim([name], MetadataValue::String(want)));
    Principal::And(vec![claim("iss", issuer), claim("sub", subject)])
}

/// A claim that is one of these texts, or a list with one of them.
pub(super) fn claim(path: &[String], values: &[String]) -> Principal {
    let any = values.iter().map(|text| string(text)).collect();
    let path = path.iter().map(String::as_str);
    Principal::Metadata(MetadataMatch::claim(path, MetadataValue::text_or_list(any)))
}

/// A namespace anywhere in an identity, as Istio looks for it. Whatever else stands in the name is text:
/// a dot in it is a dot.
pub(super) fn namespace(text: &str) -> Read<Principal> {
    identity_like(&format!(".*/ns/{}/.*", escaped(text)))
}

/// A service account: `name` in the policy's own namespace, or `namespace/name`.
pub(super) fn service_account(text: &str, own: &str) -> Read<Principal> {
    let (namespace, name) = text.split_once('/').unwrap_or((own, text));
    identity_like(&format!("spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?", escaped(namespace), escaped(name)))
}

pub(super) fn trust_domain(text: &str) -> Read<Principal> {
    identity_like(&format!("spiffe://{}/.*", escaped(text)))
}

fn identity_like(pattern: &str) -> Read<Principal> {
    Ok(Principal::Authenticated(Some(Pattern::Regex(compile(pattern)?).into())))
}

/// Text as itself, but for `*`, which stands for anything inside one part of an identity.
fn escaped(text: &str) -> String {
    text.split('*').map(regex::escape).collect::<Vec<_>>().join("[^/]*")
}

fn compile(pattern: &str) -> Read<Regex> {
    Regex::new(pattern).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn believes(principal: &Principal, uri: &str) -> bool {
        match principal {
            Principal::Authenticated(Some(name)) => name.matches(uri),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_dot_in_a_service_account_is_a_dot() {
        let account = service_account("a.b", "shop").unwrap();
        assert!(believes(&account, "spiffe://td/ns/shop/sa/a.b"));
        assert!(!believes(&account, "spiffe://td/ns/shop/sa/axb"));
        assert!(!believes(&account, "spiffe://td/ns/other/sa/a.b"));
        let account = service_account("bank/teller*", "shop").unwrap();
        assert!(believes(&account, "spiffe://td/ns/bank/sa/teller-1"));
        assert!(!believes(&account, "spiffe://td/ns/bank/sa/cart"));
    }

    #[test]
    fn a_host_without_a_port_means_every_port() {
        let denied = |rule: &str, authority: &str| {
            let headers = http::HeaderMap::new();
            let head = crate::model::matcher::RequestHead {
                method: &http::Method::GET,
                scheme: "http",
                authority,
                path: "/",
                headers: &headers,
            };
            let takes = |permission: &Permission| match permission {
                Permission::Header(header) => header.matches(&head),
                other => panic!("{other:?}"),
            };
            match host(rule).unwrap() {
                Permission::Or(parts) => parts.iter().any(takes),
                one => takes(&one),
            }
        };
        for authority in ["secret.com", "Secret.com:80", "secret.com:"] {
            assert!(denied("secret.com", authority), "{authority}");
        }
        assert!(denied("*.secret.com", "a.secret.com:8080") && !denied("*.secret.com", "secret.com"));
        assert!(!denied("secret.com", "secret.com.evil:80") && !denied("secret.com:80", "secret.com:81"));
    }

    #[test]
    fn a_namespace_is_found_as_a_whole() {
        let shop = namespace("shop").unwrap();
        assert!(believes(&shop, "spiffe://cluster.local/ns/shop/sa/cart"));
        assert!(!believes(&shop, "spiffe://cluster.local/ns/shop2/sa/cart"));
        assert!(!believes(&namespace("a.c").unwrap(), "spiffe://td/ns/abc/sa/x"));
        assert!(believes(&namespace("te*").unwrap(), "spiffe://td/ns/test/sa/x"));
        assert!(!believes(&namespace("te*").unwrap(), "spiffe://td/ns/prod/sa/ns/test"));
    }

    #[test]
    fn a_principal_of_our_trust_domain_is_one_of_every_alias() {
        let domains = ["new.td".to_owned(), "old.td".to_owned()];
        let read = |text| principal(text, &domains);
        let both = read("cluster.local/ns/a/sa/b");
        assert_eq!(both.len(), 2);
        assert!(
            believes(&both[0], "spiffe://new.td/ns/a/sa/b")
                && believes(&both[1], "spiffe://old.td/ns/a/sa/b")
        );
        assert!(believes(&read("far.td/ns/a/*")[0], "spiffe://far.td/ns/a/sa/b"));
        assert!(believes(&read("*/sa/b")[0], "spiffe://far.td/ns/a/sa/b"));
        assert_eq!(read("*"), [Principal::Authenticated(None)]);
    }

    #[test]
    fn a_path_template_takes_segments() {
        let takes = |template: &str, text: &str| match path(template).unwrap() {
            Permission::Path(m) => m.matches(text),
            Permission::UriTemplate(m) => m.matches(text),
            other => panic!("{other:?}"),
        };
        assert!(takes("/a/{*}/c", "/a/b/c") && !takes("/a/{*}/c", "/a/b/b/c") && !takes("/a/{*}/c", "/a//c"));
        assert!(takes("/a/{**}", "/a/b/c") && takes("/a/{**}", "/a/"));
        assert!(takes("/a.b/{*}", "/a.b/x") && !takes("/a.b/{*}", "/axb/x"));
        assert!(takes("/pre*", "/prefix") && takes("*fix", "/prefix") && takes("*", "/"));
        assert!(path("/a/{*").is_ok(), "without a wildcard it is a text");
        assert!(path("/a/{**}/{*}").is_err() && path("/a/x{*}").is_err());
    }

    #[test]
    fn the_last_slash_parts_issuer_and_subject() {
        let takes = |rule: &str, issuer: &str, subject: &str| match request_principal(rule) {
            Principal::And(parts) => parts.iter().zip([issuer, subject]).all(|(part, text)| match part {
                Principal::Metadata(MetadataMatch { value: MetadataValue::String(want), .. }) => {
                    want.matches(text)
                }
                other => panic!("{other:?}"),
            }),
            other => panic!("{other:?}"),
        };
        assert!(takes("https://a.b/c/sub", "https://a.b/c", "sub"));
        assert!(takes("*", "i", "s") && !takes("*", "i", "") && !takes("*", "", "s"));
        assert!(takes("*/sub", "i", "sub") && !takes("*/sub", "", "sub") && !takes("*/sub", "i", "x-sub"));
        assert!(takes("*.b/sub", "https://a.b", "sub") && takes("*sub", "i", "x-sub"));
        assert!(takes("i/*", "i", "s") && !takes("i/*", "i", "") && takes("i/s*", "i", "sub"));
        assert!(takes("iss*", "issuer", "s") && !takes("iss*", "issuer", ""));
        assert!(!takes("i/s", "i", "s2") && !takes("i/s", "j", "s"));
    }

    #[test]
    fn what_is_no_address_or_port_is_an_error() {
        assert_eq!(net("10.0.0.1"), Ok("10.0.0.1/32".parse().unwrap()));
        assert_eq!(net("10.0.0.0/8"), Ok("10.0.0.0/8".parse().unwrap()));
        assert!(net("10.0.0.0/33").is_err() && net("ten").is_err());
        assert!(port("0").is_err() && port("65536").is_err() && port("80").is_ok());
    }
}
