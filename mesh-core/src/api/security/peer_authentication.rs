//! PeerAuthentication: whether a workload takes mTLS, plain text or both.

use crate::api::value::Selector;
use serde::Deserialize;
use serde::de::{Deserializer, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// The spec of a PeerAuthentication: whether a workload takes mutual TLS, plain text or both.
///
/// What is said for a port counts before what is said for a workload, that before the namespace, and that
/// before the root namespace. Where nobody says anything, both are taken.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PeerAuthentication {
    /// The workloads that it holds for, by their labels. Without it, it holds for all workloads of its
    /// namespace; in the root namespace, of the mesh.
    pub selector: Option<Selector>,
    /// For all ports that `portLevelMtls` says nothing about.
    pub mtls: Option<MutualTls>,
    /// By ports of the workload (not of its Service), from 1 to 65535. Needs a selector.
    #[serde(deserialize_with = "by_port")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, MutualTls>", extend("propertyNames" = crate::api::schema::port_names())))]
    pub port_level_mtls: BTreeMap<u16, MutualTls>,
}

/// Ports are names of fields here: texts that must be numbers.
fn by_port<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<u16, MutualTls>, D::Error> {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    struct Port(u16);

    impl<'de> Deserialize<'de> for Port {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            d.deserialize_str(PortName).map(Self)
        }
    }

    struct PortName;

    impl Visitor<'_> for PortName {
        type Value = u16;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a port from 1 to 65535")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u16, E> {
            let port = text.parse().ok().filter(|port| *port > 0);
            port.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    let by_port = BTreeMap::<Port, MutualTls>::deserialize(d)?;
    Ok(by_port.into_iter().map(|(Port(port), mtls)| (port, mtls)).collect())
}

/// Whether mutual TLS is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MutualTls {
    /// `UNSET` where none is written.
    pub mode: MtlsMode,
}

/// What a workload takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MtlsMode {
    /// What the namespace, or else the mesh, says.
    #[default]
    Unset,
    /// Plain text.
    Disable,
    /// Both plain text and mutual TLS.
    Permissive,
    /// Mutual TLS only: callers need a certificate of the mesh.
    Strict,
}
