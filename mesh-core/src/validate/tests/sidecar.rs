//! What a Sidecar may just say; what it may not stands in `tests/broken/validate/sidecar`.

use super::is_fine;

#[test]
fn any_one_of_its_parts_is_enough() {
    for spec in [
        "{egress: [{hosts: ['*/*']}]}",
        "{ingress: [{port: {number: 80}}]}",
        "{outboundTrafficPolicy: {}}",
        "{inboundConnectionPool: {tcp: {maxConnections: 0}}}",
    ] {
        is_fine("Sidecar", spec);
    }
}

#[test]
fn hosts_are_of_a_namespace_of_its_own_of_all_or_of_none() {
    let hosts = "'*/a.example.com', './*', '~/*', 'shop/*.example.com', 'istio-system/*'";
    is_fine("Sidecar", &format!("{{egress: [{{hosts: [{hosts}]}}]}}"));
    is_fine("Sidecar", "{egress: [{hosts: ['./a.example.com', 'other/a.example.com']}]}");
}

#[test]
fn a_tilde_before_a_namespace_leaves_hosts_out_of_what_others_select() {
    is_fine("Sidecar", "{egress: [{hosts: ['*/*', '~shop/*', '~./a.example.com']}]}");
}

#[test]
fn a_workload_listens_at_its_own_addresses_or_at_a_socket() {
    for endpoint in
        ["127.0.0.1:1", "0.0.0.0:65535", "[::1]:80", "[::]:80", ":80", "unix:///a.sock", "unix://@a"]
    {
        is_fine(
            "Sidecar",
            &format!("{{ingress: [{{port: {{number: 80}}, defaultEndpoint: '{endpoint}'}}]}}"),
        );
    }
}

#[test]
fn a_socket_to_call_through_has_a_protocol_and_no_number() {
    for port in ["{protocol: HTTP}", "{number: 0, protocol: TCP, name: out}"] {
        let listener = format!("{{port: {port}, bind: unix:///out.sock, captureMode: NONE, hosts: ['*/*']}}");
        is_fine("Sidecar", &format!("{{egress: [{listener}]}}"));
    }
}

#[test]
fn tls_with_own_certificates_is_for_ports_of_tls() {
    let files = "serverCertificate: /a.pem, privateKey: /a.key";
    for (protocol, tls) in [
        ("HTTPS", format!("{{mode: SIMPLE, {files}}}")),
        ("TLS", format!("{{mode: MUTUAL, {files}, caCertificates: /ca.pem}}")),
        ("HTTPS", "{mode: PASSTHROUGH}".to_owned()),
    ] {
        is_fine(
            "Sidecar",
            &format!("{{ingress: [{{port: {{number: 443, protocol: {protocol}}}, tls: {tls}}}]}}"),
        );
    }
}

#[test]
fn unknown_hosts_may_be_sent_to_a_proxy() {
    let proxy = "{host: out.example.com, subset: v1, port: {number: 65535}}";
    is_fine("Sidecar", &format!("{{outboundTrafficPolicy: {{mode: ALLOW_ANY, egressProxy: {proxy}}}}}"));
}
