//! What a certificate says of its time, and which Secrets are no news.

use super::der::{is_private_key, validity};
use crate::analyze::analyze_at;
use crate::world::World;
use std::time::{Duration, SystemTime};

/// Self-signed by a key of Ed25519, from 2025-01-01 (as UTCTime) until 2099-01-01 (as GeneralizedTime).
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIHkMIGXoAMCAQICAQcwBQYDK2VwMBsxGTAXBgNVBAMMEHNob3AuZXhhbXBsZS5j
b20wIBcNMjUwMTAxMDAwMDAwWhgPMjA5OTAxMDEwMDAwMDBaMBsxGTAXBgNVBAMM
EHNob3AuZXhhbXBsZS5jb20wKjAFBgMrZXADIQDH4D9Woo1haEHw1x43TZKWxTOb
qx6veP46f8apEnwJyTAFBgMrZXADQQBoqodL/66akBG8VKylbWK4Im2qeBc8t6cC
kkz7Y6rAb+CisB81TemgP3OovE1vhx7UbwEgq1YvyxhW+2I56S0P
-----END CERTIFICATE-----
";

const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIbbPo3YLPY+aTn6sG+83FjvOemRPW8Jh6PqMZPye6LB
-----END PRIVATE KEY-----
";

fn date(year: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_556_952)
}

#[test]
fn a_certificate_says_since_when_and_until_when_it_is_valid() {
    let found = validity(CERTIFICATE.as_bytes()).unwrap();
    assert_eq!((&*found.from_date, &*found.until_date), ("2025-01-01", "2099-01-01"));
    assert!(found.from < date(2026) && date(2024) < found.from);
    // Text before it, and the end of lines, are no matter; the first certificate counts.
    let chain = format!("subject=/CN=shop\n{CERTIFICATE}{CERTIFICATE}").replace('\n', "\r\n");
    assert_eq!(validity(chain.as_bytes()), Ok(found));
    assert!(is_private_key(KEY.as_bytes()) && !is_private_key(CERTIFICATE.as_bytes()));
}

#[test]
fn what_is_no_certificate_is_an_error_wherever_it_ends() {
    assert_eq!(validity(b"shop"), Err("is no PEM"));
    assert_eq!(validity(b"\xff\xfe"), Err("is no PEM"));
    assert_eq!(validity(KEY.as_bytes()), Err("is no PEM"));
    let body: String = CERTIFICATE.lines().filter(|l| !l.starts_with('-')).collect();
    let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    assert!(validity(pem(&body).as_bytes()).is_ok());
    for cut in (0..body.len()).step_by(4) {
        let found = validity(pem(body.get(..cut).unwrap()).as_bytes());
        assert!(found.is_err(), "{cut}");
    }
    // Lengths of lengths that are no certificate's.
    for der in ["MIX/////", "MID//w==", "MIT/////", "MA=="] {
        assert_eq!(validity(pem(der).as_bytes()), Err("is no X.509"), "{der}");
    }
}

fn said(text: &str, year: u64) -> Vec<String> {
    let parsed = crate::yaml::resources("a.yaml", text, &Default::default());
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    let world = World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1");
    analyze_at(&world, date(year)).iter().map(|f| format!("{} {}", f.code, f.message)).collect()
}

fn gateway(tls: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: shop, namespace: shop}}\n\
         spec: {{selector: {{istio: x}}, servers: [{{port: {{number: 443, name: https, protocol: HTTPS}}, \
         hosts: [a.example.com], tls: {{mode: SIMPLE, {tls}}}}}]}}\n---\n"
    )
}

fn secret(namespace: &str, name: &str, keys: [&str; 2]) -> String {
    let indented = |text: &str| text.lines().map(|l| format!("    {l}\n")).collect::<String>();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\nstringData:\n  \
         {}: |\n{}  {}: |\n{}---\n",
        keys[0],
        indented(CERTIFICATE),
        keys[1],
        indented(KEY)
    )
}

const PROXY: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x, namespace: edge}\n\
                     spec: {template: {metadata: {labels: {istio: x}}}}\n---\n";

#[test]
fn a_certificate_is_judged_at_the_time_of_the_analysis() {
    let text = gateway("credentialName: cert") + &secret("istio-system", "cert", ["tls.crt", "tls.key"]);
    assert_eq!(said(&text, 2026), [""; 0]);
    let late = said(&text, 2100);
    assert_eq!(
        late,
        ["IST0161 Secret istio-system/cert holds a certificate in `tls.crt` that expired on 2099-01-01"]
    );
    assert!(said(&text, 2020)[0].contains("is not valid before 2025-01-01"));
}

#[test]
fn secrets_that_may_be_made_elsewhere_are_not_missing() {
    let named = gateway("credentialName: cert");
    // Neither the proxies nor their Secrets are known.
    assert_eq!(said(&named, 2026), [""; 0]);
    assert_eq!(said(&format!("{PROXY}{named}"), 2026), [""; 0]);
    let older = secret("edge", "cert", ["cert", "key"]);
    assert_eq!(said(&format!("{PROXY}{named}{older}"), 2026), [""; 0]);
    // A Secret of another kind of source is nobody's to look for.
    let by_file = gateway("credentialName: 'file:///etc/certs'");
    let other = secret("edge", "other", ["tls.crt", "tls.key"]);
    assert_eq!(said(&format!("{PROXY}{by_file}{other}"), 2026), [""; 0]);
}

#[test]
fn every_secret_that_a_server_names_is_looked_for() {
    let several = gateway("credentialNames: [cert, crt, 'kubernetes://shop/cert', 'shop/none']");
    let text = format!("{PROXY}{several}{}", secret("edge", "cert", ["tls.crt", "tls.key"]));
    assert_eq!(
        said(&text, 2026),
        [
            "IST0101 there is no Secret `crt` in namespace `edge`",
            "IST0101 there is no Secret `cert` in namespace `shop`"
        ]
    );
}
