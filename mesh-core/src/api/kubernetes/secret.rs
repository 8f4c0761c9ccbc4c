//! Secret: certificates, keys and passwords.
//!
//! What it holds is wiped when the last holder drops it, is never printed, and never stands in a message: neither
//! here, nor in the text that diagnostics quote from, out of which the reader of YAML blots it.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// The data of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Secret {
    /// What it is for, such as `kubernetes.io/tls` or `Opaque`. Default: `Opaque`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Values by key, in base64.
    #[serde(deserialize_with = "texts")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub data: BTreeMap<String, SecretText>,
    /// Values by key, as they are; they beat those of `data`.
    #[serde(deserialize_with = "texts")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub string_data: BTreeMap<String, SecretText>,
    /// Whether the data never changes.
    pub immutable: bool,
}

impl Secret {
    /// The value of a key: of `stringData`, or of `data` decoded. `None` too where that is not base64.
    pub fn get(&self, key: &str) -> Option<Zeroizing<Vec<u8>>> {
        match self.string_data.get(key) {
            Some(text) => Some(Zeroizing::new(text.0.as_bytes().to_vec())),
            None => self.data.get(key).and_then(SecretText::decoded),
        }
    }
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The bytes that it stands for in base64, if it is base64. Line ends inside are no matter.
    pub fn decoded(&self) -> Option<Zeroizing<Vec<u8>>> {
        use base64::Engine as _;
        let joined: Zeroizing<String> =
            Zeroizing::new(self.0.chars().filter(|c| !matches!(c, '\n' | '\r')).collect());
        base64::engine::general_purpose::STANDARD.decode(joined.as_bytes()).ok().map(Zeroizing::new)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    /// serde's own message about a wrong type would repeat the value.
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Value::deserialize(d)? {
            Value::String(text) => Ok(Self(Zeroizing::new(text))),
            _ => Err(D::Error::custom("a secret's value must be a text; quote it")),
        }
    }
}

/// Texts by key; a message never repeats what stands in their place.
fn texts<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, SecretText>, D::Error> {
    struct Texts;

    impl<'de> Visitor<'de> for Texts {
        type Value = BTreeMap<String, SecretText>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mapping of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            BTreeMap::deserialize(serde::de::value::MapAccessDeserializer::new(map))
        }

        fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(E::custom(NOT_A_MAPPING))
        }

        fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Err(E::custom(NOT_A_MAPPING))
        }

        fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Err(E::custom(NOT_A_MAPPING))
        }

        fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Err(E::custom(NOT_A_MAPPING))
        }

        fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Err(E::custom(NOT_A_MAPPING))
        }
    }

    d.deserialize_any(Texts)
}

const NOT_A_MAPPING: &str = "a secret's data must be a mapping of keys to texts";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kind::from_value_at;
    use serde_json::json;

    #[test]
    fn a_value_is_decoded_and_string_data_beats_data() {
        let secret: Secret =
            from_value_at("", json!({"data": {"a": "aGk=", "b": "aGk="}, "stringData": {"b": "ho"}}))
                .unwrap();
        assert_eq!(secret.get("a").as_deref().map(Vec::as_slice), Some(&b"hi"[..]));
        assert_eq!(secret.get("b").as_deref().map(Vec::as_slice), Some(&b"ho"[..]));
        assert_eq!(secret.get("c"), None);
    }

    #[test]
    fn neither_debug_nor_an_error_repeats_a_value() {
        let secret: Secret = from_value_at("", json!({"stringData": {"password": "hunter2"}})).unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
        for wrong in [
            json!({"data": {"password": 1234567}}),
            json!({"data": {"password": ["hunter2"]}}),
            json!({"data": "hunter2"}),
            json!({"stringData": 1234567}),
            json!({"stringData": -1234567}),
            json!({"stringData": 1234567.5}),
            json!({"stringData": ["hunter2"]}),
        ] {
            let error = from_value_at::<Secret>("", wrong).unwrap_err();
            assert!(!error.message.contains("hunter2") && !error.message.contains("1234567"), "{error}");
        }
        let at = from_value_at::<Secret>("", json!({"data": {"password": 1}})).unwrap_err();
        assert_eq!(at.path, "data.password");
    }
}
