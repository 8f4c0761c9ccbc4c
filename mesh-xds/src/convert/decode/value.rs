//! Durations, fractions, addresses: the small messages that all resources use, checked.

use super::refuse;
use crate::convert::error::{At, ConvertError};
use crate::convert::pb;
use http::{HeaderName, StatusCode};
use ipnet::IpNet;
use mesh_core::addr::Address;
use mesh_core::model::values::{Denominator, Fraction};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A duration that is not negative.
pub(super) fn duration(d: &pb::Duration) -> Result<Duration, ConvertError> {
    match (u64::try_from(d.seconds), u32::try_from(d.nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Ok(Duration::new(seconds, nanos)),
        _ if d.seconds < 0 || d.nanos < 0 => Err(ConvertError::new("negative duration")),
        _ => Err(ConvertError::new("a duration has less than a billion nanoseconds")),
    }
}

/// A duration that may be absent.
pub(super) fn optional(d: Option<&pb::Duration>) -> Result<Option<Duration>, ConvertError> {
    d.map(duration).transpose()
}

/// A duration with Envoy's default, where zero means never.
pub(super) fn unless_zero(
    d: Option<&pb::Duration>,
    default: Duration,
) -> Result<Option<Duration>, ConvertError> {
    let d = optional(d)?.unwrap_or(default);
    Ok((!d.is_zero()).then_some(d))
}

pub(super) fn uint(value: Option<&pb::UInt32Value>, default: u32) -> u32 {
    value.map_or(default, |v| v.value)
}

pub(super) fn boolean(value: Option<&pb::BoolValue>, default: bool) -> bool {
    value.map_or(default, |v| v.value)
}

pub(super) fn port(port: u32) -> Result<u16, ConvertError> {
    u16::try_from(port).map_err(|_| ConvertError::new(format!("{port} is not a port")))
}

pub(super) fn status(status: u32) -> Result<StatusCode, ConvertError> {
    let code = u16::try_from(status).ok().and_then(|s| StatusCode::from_u16(s).ok());
    code.ok_or_else(|| ConvertError::new(format!("{status} is not an HTTP status")))
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, ConvertError> {
    name.parse().map_err(|_| ConvertError::new(format!("{name:?} is not the name of a header")))
}

pub(super) fn fraction(f: &pb::values::FractionalPercent) -> Result<Fraction, ConvertError> {
    Ok(denominator(f)?.fraction(f.numerator))
}

/// What a fraction counts.
pub(super) fn denominator(f: &pb::values::FractionalPercent) -> Result<Denominator, ConvertError> {
    use pb::values::fractional_percent::DenominatorType;
    Ok(match enumeration::<DenominatorType>(f.denominator).at("denominator")? {
        DenominatorType::Hundred => Denominator::Hundred,
        DenominatorType::TenThousand => Denominator::TenThousand,
        DenominatorType::Million => Denominator::Million,
    })
}

/// A fraction that may be changed while Envoy runs, which we take at its default.
pub(super) fn runtime_fraction(f: &pb::core::RuntimeFractionalPercent) -> Result<Fraction, ConvertError> {
    let value = f.default_value.as_ref().ok_or_else(|| ConvertError::missing("default_value"))?;
    fraction(value).at("default_value")
}

pub(super) fn percent(p: &pb::values::Percent) -> Result<Fraction, ConvertError> {
    let fraction = Fraction::percent(p.value);
    fraction.ok_or_else(|| ConvertError::new(format!("{} is not a percentage", p.value)).within("value"))
}

pub(super) fn enumeration<E: TryFrom<i32>>(value: i32) -> Result<E, ConvertError> {
    E::try_from(value).map_err(|_| ConvertError::new(format!("{value} is not a value of this enumeration")))
}

fn ip(text: &str) -> Result<IpAddr, ConvertError> {
    text.parse().map_err(|_| ConvertError::new(format!("{text:?} is not an IP address")))
}

pub(super) fn cidr(range: &pb::core::CidrRange) -> Result<IpNet, ConvertError> {
    let address = ip(&range.address_prefix).at("address_prefix")?;
    let length = uint(range.prefix_len.as_ref(), 0);
    let net = u8::try_from(length).ok().and_then(|length| IpNet::new(address, length).ok());
    net.ok_or_else(|| {
        ConvertError::new(format!("{length} is not a prefix length of {address}")).within("prefix_len")
    })
}

/// A host, by IP address or by name, and a port.
pub(super) fn host_and_port(address: &pb::core::SocketAddress) -> Result<(&str, u16), ConvertError> {
    use pb::core::socket_address::PortSpecifier;
    refuse!(address; protocol, resolver_name, ipv4_compat, network_namespace_filepath);
    let number = match &address.port_specifier {
        Some(PortSpecifier::PortValue(number)) => port(*number).at("port_value")?,
        Some(PortSpecifier::NamedPort(_)) => return Err(ConvertError::unsupported("named_port")),
        None => return Err(ConvertError::missing("port_value")),
    };
    Ok((&address.address, number))
}

pub(super) fn address(address: &pb::core::Address) -> Result<Address, ConvertError> {
    use pb::core::address::Address as Kind;
    match &address.address {
        Some(Kind::SocketAddress(socket)) => {
            let (host, port) = host_and_port(socket).at("socket_address")?;
            let host = ip(host).at("socket_address.address")?;
            Ok(Address::Socket(SocketAddr::new(host, port)))
        }
        Some(Kind::Pipe(pipe)) => {
            refuse!(pipe; mode);
            Ok(Address::Unix(pipe.path.as_str().into()))
        }
        Some(Kind::EnvoyInternalAddress(_)) => Err(ConvertError::unsupported("envoy_internal_address")),
        None => Err(ConvertError::missing("socket_address")),
    }
}

/// That a part of this resource comes over the stream that the resource itself came over.
pub(super) fn over_ads(source: Option<&pb::core::ConfigSource>) -> Result<(), ConvertError> {
    use pb::core::config_source::ConfigSourceSpecifier;
    match source.and_then(|s| s.config_source_specifier.as_ref()) {
        Some(ConfigSourceSpecifier::Ads(_) | ConfigSourceSpecifier::Self_(_)) => Ok(()),
        Some(_) => Err(ConvertError::new("only ads is supported")),
        None => Err(ConvertError::missing("ads")),
    }
}
