//! TLS at both ends. What is refused here would otherwise be a check of a peer that is not made.

use super::matcher::string;
use super::value::enumeration;
use super::{refuse, unpack, value};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::{names, pb};
use mesh_core::model::Name;
use mesh_core::model::matcher::StringMatch;
use mesh_core::model::tls::{ClientAuth, DownstreamTls, PeerValidation, SanMatch, UpstreamTls};
use pb::core::config_source::ConfigSourceSpecifier;
use pb::core::transport_socket::ConfigType;
use pb::tls::common_tls_context::ValidationContextType;
use pb::tls::subject_alt_name_matcher::SanType;
use pb::tls::tls_parameters::TlsProtocol;

/// The configuration of a transport socket.
fn config(socket: &pb::core::TransportSocket) -> Result<&pb::Any, ConvertError> {
    match &socket.config_type {
        Some(ConfigType::TypedConfig(any)) => Ok(any),
        None => Err(ConvertError::missing("typed_config")),
    }
}

/// Whether a socket carries bytes as they are.
pub(super) fn is_raw_buffer(socket: &pb::core::TransportSocket) -> bool {
    match &socket.config_type {
        Some(ConfigType::TypedConfig(any)) => super::holds::<pb::raw_buffer::RawBuffer>(any),
        None => socket.name == names::RAW_BUFFER_SOCKET,
    }
}

pub(super) fn downstream(socket: &pb::core::TransportSocket) -> Result<DownstreamTls, ConvertError> {
    let context = unpack(config(socket)?).at("typed_config")?;
    downstream_context(&context).at("typed_config")
}

fn downstream_context(tls: &pb::tls::DownstreamTlsContext) -> Result<DownstreamTls, ConvertError> {
    refuse!(tls; require_sni, ocsp_staple_policy);
    let common = common(tls.common_tls_context.as_ref()).at("common_tls_context")?;
    let required = value::boolean(tls.require_client_certificate.as_ref(), false);
    let client = match (required, common.peer) {
        (true, Some(peer)) => ClientAuth::Required(peer),
        (false, None) => ClientAuth::NotAsked,
        (true, None) => {
            return Err(ConvertError::missing("validation_context_type").within("common_tls_context"));
        }
        (false, Some(_)) => {
            let message = "a client certificate that is looked at must be required";
            return Err(ConvertError::new(message).within("require_client_certificate"));
        }
    };
    let certificate = common.certificate.ok_or_else(|| {
        ConvertError::missing("tls_certificate_sds_secret_configs").within("common_tls_context")
    })?;
    Ok(DownstreamTls { certificate, client, alpn: common.alpn })
}

pub(super) fn upstream(socket: &pb::core::TransportSocket) -> Result<UpstreamTls, ConvertError> {
    let context = unpack(config(socket)?).at("typed_config")?;
    upstream_context(&context).at("typed_config")
}

fn upstream_context(tls: &pb::tls::UpstreamTlsContext) -> Result<UpstreamTls, ConvertError> {
    refuse!(tls; auto_host_sni, auto_sni_san_validation, allow_renegotiation);
    let common = common(tls.common_tls_context.as_ref()).at("common_tls_context")?;
    let server = common
        .peer
        .ok_or_else(|| ConvertError::missing("validation_context_type").within("common_tls_context"))?;
    Ok(UpstreamTls { certificate: common.certificate, server, sni: tls.sni.clone(), alpn: common.alpn })
}

struct Common {
    certificate: Option<Name>,
    peer: Option<PeerValidation>,
    alpn: Vec<String>,
}

#[expect(deprecated)]
fn common(tls: Option<&pb::tls::CommonTlsContext>) -> Result<Common, ConvertError> {
    let Some(tls) = tls else { return Err(ConvertError::new("is missing")) };
    refuse!(
        tls;
        tls_certificates,
        custom_tls_certificate_selector,
        tls_certificate_certificate_provider,
        tls_certificate_certificate_provider_instance,
        custom_handshaker,
    );
    if let Some(params) = &tls.tls_params {
        parameters(params).at("tls_params")?;
    }
    let secrets = tls.tls_certificate_sds_secret_configs.as_slice();
    let certificate = match (secrets, &tls.tls_certificate_provider_instance) {
        ([], None) => None,
        ([secret], None) => Some(sds(secret).at("tls_certificate_sds_secret_configs[0]")?),
        ([], Some(instance)) => Some(provider(instance)),
        _ => {
            let field = "tls_certificate_sds_secret_configs";
            return Err(ConvertError::new("only one certificate is supported").within(field));
        }
    };
    let peer = match &tls.validation_context_type {
        None => None,
        Some(ValidationContextType::ValidationContext(context)) => {
            Some(validation(context, None).at("validation_context")?)
        }
        Some(ValidationContextType::ValidationContextSdsSecretConfig(secret)) => {
            let roots = sds(secret).at("validation_context_sds_secret_config")?;
            Some(PeerValidation { roots, subject_alt_names: vec![] })
        }
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            Some(combined_validation(combined).at("combined_validation_context")?)
        }
        Some(_) => return Err(ConvertError::unsupported("validation_context_certificate_provider")),
    };
    Ok(Common { certificate, peer, alpn: tls.alpn_protocols.clone() })
}

#[expect(deprecated)]
fn combined_validation(
    combined: &pb::tls::common_tls_context::CombinedCertificateValidationContext,
) -> Result<PeerValidation, ConvertError> {
    refuse!(
        combined;
        validation_context_certificate_provider,
        validation_context_certificate_provider_instance,
    );
    let secret = combined.validation_context_sds_secret_config.as_ref();
    let roots = secret.map(sds).transpose().at("validation_context_sds_secret_config")?;
    let context = combined.default_validation_context.clone().unwrap_or_default();
    validation(&context, roots).at("default_validation_context")
}

/// Versions: TLS 1.2 and 1.3 are what we speak. A list of cipher suites or curves only narrows what both
/// ends agree on.
fn parameters(params: &pb::tls::TlsParameters) -> Result<(), ConvertError> {
    match enumeration(params.tls_minimum_protocol_version).at("tls_minimum_protocol_version")? {
        TlsProtocol::TlSv13 => {
            return Err(
                ConvertError::new("TLS 1.2 cannot be excluded").within("tls_minimum_protocol_version")
            );
        }
        TlsProtocol::TlsAuto | TlsProtocol::TlSv10 | TlsProtocol::TlSv11 | TlsProtocol::TlSv12 => {}
    }
    match enumeration(params.tls_maximum_protocol_version).at("tls_maximum_protocol_version")? {
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11 => {
            let message = "TLS below 1.2 is not supported";
            Err(ConvertError::new(message).within("tls_maximum_protocol_version"))
        }
        TlsProtocol::TlsAuto | TlsProtocol::TlSv12 | TlsProtocol::TlSv13 => Ok(()),
    }
}

#[expect(deprecated)]
fn validation(
    context: &pb::tls::CertificateValidationContext,
    roots: Option<Name>,
) -> Result<PeerValidation, ConvertError> {
    refuse!(
        context;
        trusted_ca,
        system_root_certs,
        verify_certificate_spki,
        verify_certificate_hash,
        require_signed_certificate_timestamp,
        crl,
        allow_expired_certificate,
        trust_chain_verification,
        custom_validator_config,
        only_verify_leaf_cert_crl,
        max_verify_depth,
    );
    let roots = roots
        .or_else(|| context.ca_certificate_provider_instance.as_ref().map(provider))
        .ok_or_else(|| ConvertError::new("no secret with roots is named"))?;
    let mut names = each(&context.match_typed_subject_alt_names, san).at("match_typed_subject_alt_names")?;
    // Without a type any kind of name may match; of those, we look at these two.
    for untyped in each(&context.match_subject_alt_names, string).at("match_subject_alt_names")? {
        names.extend([SanMatch::Uri(untyped.clone()), SanMatch::Dns(untyped)]);
    }
    Ok(PeerValidation { roots, subject_alt_names: names })
}

fn san(san: &pb::tls::SubjectAltNameMatcher) -> Result<SanMatch, ConvertError> {
    let matcher = || -> Result<StringMatch, ConvertError> {
        let matcher = san.matcher.as_ref().ok_or_else(|| ConvertError::missing("matcher"))?;
        string(matcher).at("matcher")
    };
    match enumeration(san.san_type).at("san_type")? {
        SanType::Uri => Ok(SanMatch::Uri(matcher()?)),
        SanType::Dns => Ok(SanMatch::Dns(matcher()?)),
        kind => Err(ConvertError::new(format!("{} is not supported", kind.as_str_name())).within("san_type")),
    }
}

/// A secret's name. Whoever brings secrets looks them up by it, so where Envoy would ask does not matter, as
/// long as it is not a file that we would have to read.
fn sds(secret: &pb::tls::SdsSecretConfig) -> Result<Name, ConvertError> {
    if secret.name.is_empty() {
        return Err(ConvertError::missing("name"));
    }
    match secret.sds_config.as_ref().and_then(|c| c.config_source_specifier.as_ref()) {
        None
        | Some(
            ConfigSourceSpecifier::ApiConfigSource(_)
            | ConfigSourceSpecifier::Ads(_)
            | ConfigSourceSpecifier::Self_(_),
        ) => Ok(secret.name.as_str().into()),
        Some(_) => Err(ConvertError::new("a secret in a file is not supported").within("sds_config")),
    }
}

/// The name that a gRPC client's certificate provider knows a secret by.
fn provider(instance: &pb::tls::CertificateProviderPluginInstance) -> Name {
    match instance.certificate_name.as_str() {
        "" => instance.instance_name.as_str().into(),
        name => name.into(),
    }
}
