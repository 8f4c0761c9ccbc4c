//! RequestAuthentication.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | `jwksUri` of a link-local or loopback address, or of a cloud's metadata service | accepted; partly blocked when it is fetched | refused | the control plane would be made to ask what its owner alone may ask |
//! | names in `fromHeaders` and `outputPayloadToHeader` that no header can have | accepted; Envoy refuses the listener | refused | tokens would not be verified |
//! | `jwks` that is a single key | accepted; Envoy reads no key | refused | as above |
//! | two claims into one header | accepted | a warning | one of them is lost |

use super::super::report::Report;
use crate::api::security::RequestAuthentication;
use crate::api::security::request_authentication::JwtRule;
use http::{HeaderName, Uri};
use serde_json::Value;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};

/// Bounds of Istio's schema.
const MOST_RULES: usize = 4096;
const MOST_SPACED_CLAIMS: usize = 64;
const LONGEST_URI: usize = 2048;

/// Names by which clouds answer about the machine that asks.
const METADATA_HOSTS: &[&str] =
    &["metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"];

pub(in crate::validate) fn check(spec: &RequestAuthentication, report: &mut Report<'_>) {
    report.targets(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    if spec.jwt_rules.len() > MOST_RULES {
        let message = format!("{} rules", spec.jwt_rules.len());
        return report.refuse("spec.jwtRules", message, "at most 4096; write another policy for the rest");
    }
    for (i, rule) in spec.jwt_rules.iter().enumerate() {
        check_rule(rule, &format!("spec.jwtRules[{i}]"), report);
    }
}

fn check_rule(rule: &JwtRule, path: &str, report: &mut Report<'_>) {
    let at = |field: &str| format!("{path}.{field}");
    if rule.issuer.is_empty() && (rule.jwks_uri.is_empty() || report.is_written(&at("issuer"))) {
        let help = "write the claim `iss` of its tokens; only beside jwksUri may it be left out";
        report.refuse(&at("issuer"), "the issuer is missing", help);
    }
    check_keys(rule, path, report);
    let lists = [
        ("audiences", &rule.audiences),
        ("fromParams", &rule.from_params),
        ("fromCookies", &rule.from_cookies),
        ("spaceDelimitedClaims", &rule.space_delimited_claims),
    ];
    for (field, list) in lists {
        for (i, _) in list.iter().enumerate().filter(|(_, text)| text.is_empty()) {
            let path = format!("{path}.{field}[{i}]");
            report.refuse(&path, "an empty value", "write a value, or leave it out");
        }
    }
    if rule.space_delimited_claims.len() > MOST_SPACED_CLAIMS {
        let message = format!("{} claims", rule.space_delimited_claims.len());
        report.refuse(&at("spaceDelimitedClaims"), message, "at most 64");
    }
    for (i, header) in rule.from_headers.iter().enumerate() {
        header_name(&header.name, &format!("{path}.fromHeaders[{i}].name"), report);
    }
    if !rule.output_payload_to_header.is_empty() {
        header_name(&rule.output_payload_to_header, &at("outputPayloadToHeader"), report);
    }
    check_outputs(rule, path, report);
    report.duration(&at("timeout"), rule.timeout);
}

fn check_outputs(rule: &JwtRule, path: &str, report: &mut Report<'_>) {
    let mut seen = HashSet::new();
    for (i, output) in rule.output_claim_to_headers.iter().enumerate() {
        let path = format!("{path}.outputClaimToHeaders[{i}]");
        let at = format!("{path}.header");
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if output.header.is_empty() {
            report.refuse(&at, "the header is missing", "name the header that gets the claim");
        } else if !output.header.bytes().all(legal) {
            let message = format!("{:?} is not a header that a claim can be written to", output.header);
            report.refuse(&at, message, "use letters, digits and `-`");
        } else if !seen.insert(output.header.to_ascii_lowercase()) {
            let message = format!("{:?} gets more than one claim", output.header);
            report.warn(&at, message, "give each claim a header of its own");
        }
        if output.claim.is_empty() {
            report.refuse(&format!("{path}.claim"), "the claim is missing", "name a claim of the token");
        }
    }
}

/// Where the keys are from.
fn check_keys(rule: &JwtRule, path: &str, report: &mut Report<'_>) {
    // Both spellings of the field are Istio's.
    let spelled = format!("{path}.jwks_uri");
    let uri_path = if report.is_written(&spelled) { spelled } else { format!("{path}.jwksUri") };
    let keys_path = format!("{path}.jwks");
    if report.is_written(&uri_path) && report.is_written(&keys_path) {
        let help = "keep one of them: where the keys are, or the keys themselves";
        report.refuse(&keys_path, "jwks beside jwksUri", help);
    }
    if report.is_written(&uri_path) || !rule.jwks_uri.is_empty() {
        jwks_uri(&rule.jwks_uri, &uri_path, report);
    }
    if !rule.jwks.is_empty()
        && let Err(message) = key_set(&rule.jwks)
    {
        report.refuse(&keys_path, message, KEYS_HELP);
    }
}

fn jwks_uri(text: &str, path: &str, report: &mut Report<'_>) {
    let https = "write where the issuer's keys are, as https://…";
    if text.len() > LONGEST_URI {
        return report.refuse(path, format!("a URL of {} bytes", text.len()), "at most 2048");
    }
    let uri = text.parse::<Uri>().ok();
    let is_web = |u: &Uri| matches!(u.scheme_str(), Some("http" | "https"));
    let Some(host) = uri.as_ref().filter(|u| is_web(u)).and_then(Uri::host).filter(|h| !h.is_empty()) else {
        return report.refuse(path, format!("{text:?} is not a URL of http or https"), https);
    };
    if is_of_this_machine(host) {
        let message = format!("{host} is not where an issuer's keys are");
        report.refuse(
            path,
            message,
            "the machine that fetches them would ask itself; write the issuer's host",
        );
    }
}

/// Whether a host is the machine that asks, or answers about it: loopback, link-local, metadata services.
fn is_of_this_machine(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let v4 = |v4: std::net::Ipv4Addr| v4.is_loopback() || v4.is_link_local() || v4.is_unspecified();
    match address {
        Ok(IpAddr::V4(address)) => v4(address),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address == METADATA_V6
                || address.to_ipv4_mapped().is_some_and(v4)
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost") || METADATA_HOSTS.contains(&&*host),
    }
}

/// EC2's metadata service, `fd00:ec2::254`.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

const KEYS_HELP: &str =
    r#"write the issuer's keys as {"keys": [{"kty": …}, …]}; types are RSA, EC, OKP and oct"#;

/// A JSON Web Key Set: RFC 7517.
fn key_set(text: &str) -> Result<(), String> {
    let set: Value = serde_json::from_str(text).map_err(|error| format!("the keys are not JSON: {error}"))?;
    let Some(keys) = set.get("keys").and_then(Value::as_array) else {
        return Err("not a set of keys".to_owned());
    };
    for (i, key) in keys.iter().enumerate() {
        match key.get("kty").and_then(Value::as_str) {
            Some("RSA" | "EC" | "oct" | "OKP") => {}
            Some(other) => return Err(format!("keys[{i}] is of the unknown type {other:?}")),
            None => return Err(format!("keys[{i}] does not say its type: `kty` is missing")),
        }
    }
    Ok(())
}

fn header_name(name: &str, path: &str, report: &mut Report<'_>) {
    if name.is_empty() {
        report.refuse(path, "the header's name is missing", "name the header");
    } else if name.parse::<HeaderName>().is_err() {
        report.refuse(
            path,
            format!("{name:?} is not the name of a header"),
            "a header's name has letters, digits and dashes",
        );
    }
}
