//! TLS at both ends. Certificates and roots come by SDS from the agent, under Istio's names.

use super::matcher::string;
use super::{pack, value};
use crate::convert::{names, pb};
use mesh_core::model::tls::{ClientAuth, DownstreamTls, PeerValidation, SanMatch, UpstreamTls};
use pb::core::transport_socket::ConfigType;
use pb::tls::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType};
use pb::tls::subject_alt_name_matcher::SanType;

pub(super) fn downstream(tls: &DownstreamTls) -> pb::core::TransportSocket {
    let client = match &tls.client {
        ClientAuth::Required(validation) => Some(validation),
        ClientAuth::NotAsked => None,
    };
    socket(pack(&pb::tls::DownstreamTlsContext {
        common_tls_context: Some(common(Some(&tls.certificate), client, &tls.alpn)),
        require_client_certificate: Some(value::boolean(client.is_some())),
        ..Default::default()
    }))
}

pub(super) fn upstream(tls: &UpstreamTls) -> pb::core::TransportSocket {
    socket(pack(&pb::tls::UpstreamTlsContext {
        common_tls_context: Some(common(tls.certificate.as_deref(), Some(&tls.server), &tls.alpn)),
        sni: tls.sni.clone(),
        ..Default::default()
    }))
}

pub(super) fn raw_buffer() -> pb::core::TransportSocket {
    pb::core::TransportSocket {
        name: names::RAW_BUFFER_SOCKET.to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack(&pb::raw_buffer::RawBuffer::default()))),
    }
}

fn socket(config: pb::Any) -> pb::core::TransportSocket {
    pb::core::TransportSocket {
        name: names::TLS_SOCKET.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
    }
}

fn common(
    certificate: Option<&str>,
    peer: Option<&PeerValidation>,
    alpn: &[String],
) -> pb::tls::CommonTlsContext {
    pb::tls::CommonTlsContext {
        tls_certificate_sds_secret_configs: certificate.map(sds).into_iter().collect(),
        alpn_protocols: alpn.to_vec(),
        validation_context_type: peer
            .map(|peer| ValidationContextType::CombinedValidationContext(validation(peer))),
        ..Default::default()
    }
}

fn validation(peer: &PeerValidation) -> CombinedCertificateValidationContext {
    let san = |san: &SanMatch| {
        let (kind, matcher) = match san {
            SanMatch::Uri(want) => (SanType::Uri, want),
            SanMatch::Dns(want) => (SanType::Dns, want),
        };
        pb::tls::SubjectAltNameMatcher {
            san_type: kind.into(),
            matcher: Some(string(matcher)),
            oid: String::new(),
        }
    };
    CombinedCertificateValidationContext {
        default_validation_context: Some(pb::tls::CertificateValidationContext {
            match_typed_subject_alt_names: peer.subject_alt_names.iter().map(san).collect(),
            ..Default::default()
        }),
        validation_context_sds_secret_config: Some(sds(&peer.roots)),
        ..Default::default()
    }
}

/// A secret, from the agent that Istio's bootstrap names.
fn sds(name: &str) -> pb::tls::SdsSecretConfig {
    let service = pb::core::GrpcService {
        target_specifier: Some(pb::core::grpc_service::TargetSpecifier::EnvoyGrpc(
            pb::core::grpc_service::EnvoyGrpc {
                cluster_name: names::SDS_CLUSTER.to_owned(),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let api = pb::core::ApiConfigSource {
        api_type: pb::core::api_config_source::ApiType::Grpc.into(),
        transport_api_version: pb::core::ApiVersion::V3.into(),
        grpc_services: vec![service],
        set_node_on_first_message_only: true,
        ..Default::default()
    };
    pb::tls::SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(pb::core::ConfigSource {
            initial_fetch_timeout: Some(pb::Duration::default()),
            resource_api_version: pb::core::ApiVersion::V3.into(),
            config_source_specifier: Some(pb::core::config_source::ConfigSourceSpecifier::ApiConfigSource(
                api,
            )),
            ..Default::default()
        }),
    }
}
