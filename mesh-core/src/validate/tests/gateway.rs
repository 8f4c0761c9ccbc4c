//! What a Gateway may just say; what it may not stands in `tests/broken/validate/gateway`.

use super::{is_fine, only};

fn with(server: &str) -> String {
    format!("{{selector: {{istio: ingressgateway}}, servers: [{server}]}}")
}

fn on_https(tls: &str) -> String {
    with(&format!("{{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: ['*'], tls: {{{tls}}}}}"))
}

#[test]
fn a_host_is_a_full_name_a_wildcard_or_an_address_of_a_namespace_or_of_any() {
    let hosts = "'*', shop.example.com, '*.example.com', shop/*, ./shop.example.com, '*/*.example.com', \
                 10.0.0.1, 'fd00::1', shop.example.com., a.b";
    is_fine("Gateway", &with(&format!("{{port: {{number: 1, name: a, protocol: http}}, hosts: [{hosts}]}}")));
}

#[test]
fn a_unix_socket_has_port_0_and_may_be_abstract() {
    for bind in ["unix:///run/a.sock", "unix://@a"] {
        is_fine(
            "Gateway",
            &with(&format!("{{port: {{number: 0, name: a, protocol: HTTP}}, bind: '{bind}', hosts: ['*']}}")),
        );
    }
}

#[test]
fn ports_reach_from_1_to_65535_and_bind_to_any_address() {
    for number in [1, 65_535] {
        is_fine(
            "Gateway",
            &with(&format!(
                "{{port: {{number: {number}, name: a, protocol: TCP}}, bind: '::', hosts: ['*']}}"
            )),
        );
    }
}

#[test]
fn plain_http_may_be_redirected_and_nothing_else() {
    for tls in ["httpsRedirect: true", "httpsRedirect: true, mode: PASSTHROUGH"] {
        is_fine(
            "Gateway",
            &with(&format!(
                "{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*'], tls: {{{tls}}}}}"
            )),
        );
    }
}

#[test]
fn certificates_come_from_a_secret_from_two_or_from_files() {
    let files = "serverCertificate: /a.pem, privateKey: /a.key";
    let hash = "0123456789abcdef".repeat(4);
    for tls in [
        "mode: SIMPLE, credentialName: a".to_owned(),
        "mode: MUTUAL, credentialNames: [a, b]".to_owned(),
        "mode: OPTIONAL_MUTUAL, credentialName: a, caCertCredentialName: b".to_owned(),
        format!("mode: SIMPLE, {files}"),
        format!("mode: MUTUAL, {files}, caCertificates: /ca.pem, caCrl: /crl.pem"),
        format!("mode: SIMPLE, tlsCertificates: [{{{files}}}, {{{files}}}]"),
        "mode: ISTIO_MUTUAL".to_owned(),
        "mode: AUTO_PASSTHROUGH".to_owned(),
        // As in Istio, without a mode TLS is passed through.
        String::new(),
        format!("mode: MUTUAL, credentialName: a, verifyCertificateHash: ['{hash}']"),
        "mode: MUTUAL, credentialName: a, verifyCertificateSpki: ['NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=']"
            .to_owned(),
        "mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_2".to_owned(),
        "mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLS_AUTO".to_owned(),
        "mode: SIMPLE, credentialName: a, cipherSuites: [AES128-SHA, '-ALL', ALL], ecdhCurves: [P-256, X25519]"
            .to_owned(),
        "mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_0, cipherSuites: [AES128-SHA]".to_owned(),
    ] {
        is_fine("Gateway", &on_https(&tls));
    }
}

#[test]
fn what_is_wrong_with_a_socket_is_said_of_its_number_and_its_path() {
    let server = "{port: {number: 80, name: a, protocol: HTTP}, bind: unix:///a.sock, hosts: ['*']}";
    assert_eq!(
        only("Gateway", &with(server)),
        "spec.servers[0].port.number: a port's number for a Unix socket"
    );
}
