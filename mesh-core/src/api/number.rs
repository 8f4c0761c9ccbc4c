//! Numbers within their bounds, as the fields of kinds read them.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected};
use std::collections::BTreeMap;

/// A port number from 1 to 65535; 0 where none is written.
pub(crate) fn port_number<'de, D: Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    let n = u64::deserialize(d)?;
    match u16::try_from(n) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(D::Error::invalid_value(Unexpected::Unsigned(n), &"a port from 1 to 65535")),
    }
}

/// A port number from 1 to 65535, or 0 where a Unix socket stands for it.
pub(crate) fn port_or_zero<'de, D: Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    let n = u64::deserialize(d)?;
    u16::try_from(n).map_err(|_| D::Error::invalid_value(Unexpected::Unsigned(n), &"a port from 1 to 65535"))
}

/// Port numbers from 1 to 65535 by name.
pub(crate) fn ports_by_name<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, u16>, D::Error> {
    #[derive(Deserialize)]
    struct One(#[serde(deserialize_with = "port_number")] u16);
    let ports = BTreeMap::<String, One>::deserialize(d)?;
    Ok(ports.into_iter().map(|(name, One(port))| (name, port)).collect())
}

/// A port number from 1 to 65535, where it is optional.
pub(crate) fn optional_port_number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
    port_number(d).map(Some)
}

/// A count: 0 or more, as far as a signed number of 32 bits goes, which it is on the wire.
pub(crate) fn count<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    let n = i64::deserialize(d)?;
    let fits = i32::try_from(n).is_ok();
    u32::try_from(n)
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| D::Error::invalid_value(Unexpected::Signed(n), &"a number from 0 to 2147483647"))
}

/// The same, where the count is optional.
pub(crate) fn optional_count<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    count(d).map(Some)
}
