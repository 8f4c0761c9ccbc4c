//! Durations, fractions, addresses: the small messages that all resources use.

use crate::convert::pb;
use ipnet::IpNet;
use mesh_core::addr::Address;
use mesh_core::model::values::{Denominator, Fraction};
use std::time::Duration;

/// The longest duration that protobuf's JSON form admits: ten thousand years.
const LONGEST: i64 = 315_576_000_000;

pub(super) fn duration(d: Duration) -> pb::Duration {
    match i64::try_from(d.as_secs()) {
        Ok(seconds) if seconds < LONGEST => {
            pb::Duration { seconds, nanos: i32::try_from(d.subsec_nanos()).unwrap_or(i32::MAX) }
        }
        _ => pb::Duration { seconds: LONGEST, nanos: 0 },
    }
}

/// Zero, which is how Envoy writes "never", for `None`.
pub(super) fn or_zero(d: Option<Duration>) -> pb::Duration {
    duration(d.unwrap_or_default())
}

pub(super) fn uint(value: u32) -> pb::UInt32Value {
    pb::UInt32Value { value }
}

pub(super) fn boolean(value: bool) -> pb::BoolValue {
    pb::BoolValue { value }
}

pub(super) fn fraction(f: Fraction) -> pb::values::FractionalPercent {
    fraction_in(f, Denominator::Million)
}

/// A fraction in a unit; what is finer is cut off.
pub(super) fn fraction_in(f: Fraction, unit: Denominator) -> pb::values::FractionalPercent {
    use pb::values::fractional_percent::DenominatorType;
    let denominator = match unit {
        Denominator::Hundred => DenominatorType::Hundred,
        Denominator::TenThousand => DenominatorType::TenThousand,
        Denominator::Million => DenominatorType::Million,
    };
    pb::values::FractionalPercent {
        numerator: f.as_millionths() / unit.as_millionths(),
        denominator: denominator.into(),
    }
}

pub(super) fn runtime_fraction(f: Fraction) -> pb::core::RuntimeFractionalPercent {
    pb::core::RuntimeFractionalPercent { default_value: Some(fraction(f)), runtime_key: String::new() }
}

pub(super) fn percent(f: Fraction) -> pb::values::Percent {
    pb::values::Percent { value: f64::from(f.as_millionths()) / 10_000.0 }
}

pub(super) fn cidr(net: &IpNet) -> pb::core::CidrRange {
    pb::core::CidrRange {
        address_prefix: net.addr().to_string(),
        prefix_len: Some(uint(net.prefix_len().into())),
    }
}

/// A host, by IP address or by name, and a port.
pub(super) fn host_and_port(host: impl Into<String>, port: u16) -> pb::core::Address {
    pb::core::Address {
        address: Some(pb::core::address::Address::SocketAddress(pb::core::SocketAddress {
            address: host.into(),
            port_specifier: Some(pb::core::socket_address::PortSpecifier::PortValue(port.into())),
            ..Default::default()
        })),
    }
}

pub(super) fn address(address: &Address) -> pb::core::Address {
    match address {
        Address::Socket(socket) => host_and_port(socket.ip().to_string(), socket.port()),
        Address::Unix(path) => pb::core::Address {
            address: Some(pb::core::address::Address::Pipe(pb::core::Pipe {
                path: (&**path).into(),
                mode: 0,
            })),
        },
    }
}

/// The stream that the resource itself came over. Waiting for what it names has no bound, as in Istio's
/// own resources: a slow control plane delays traffic and never loses a route.
pub(super) fn ads() -> pb::core::ConfigSource {
    pb::core::ConfigSource {
        initial_fetch_timeout: Some(pb::Duration::default()),
        resource_api_version: pb::core::ApiVersion::V3.into(),
        config_source_specifier: Some(
            pb::core::config_source::ConfigSourceSpecifier::Ads(Default::default()),
        ),
        ..Default::default()
    }
}

pub(super) fn inline(text: impl Into<String>) -> pb::core::DataSource {
    pb::core::DataSource {
        specifier: Some(pb::core::data_source::Specifier::InlineString(text.into())),
        watched_directory: None,
    }
}
