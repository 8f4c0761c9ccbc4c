//! Resources as JSON, in the shape of Envoy's admin page.
//!
//! ```text
//! Snapshot ──encode──▶ protobuf ──[json]──▶ /config_dump, /debug/configz
//! bootstrap file ──[json]──▶ protobuf
//! ```
//!
//! The canonical JSON of protobuf with the fields' own names (`route_config_name`), as Envoy prints it. What
//! an `Any` holds is written out beside its `@type`, so the descriptors of all messages that may stand in one
//! must be at hand: `json/descriptors.bin`, which `examples/descriptors.rs` makes.

mod dump;

pub use dump::{config_dump, resource};

use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::de::DeserializeSeed;
use serde_json::Value;
use std::sync::OnceLock;

/// Why a text is not a message, or a message cannot be written as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{type_name}: {message}")]
pub struct JsonError {
    type_name: String,
    message: String,
}

impl JsonError {
    fn new(type_name: &str, message: impl ToString) -> Self {
        Self { type_name: type_name.to_owned(), message: message.to_string() }
    }

    /// The message that was read or written.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }
}

/// The descriptors, read once.
fn pool() -> &'static Result<DescriptorPool, String> {
    static POOL: OnceLock<Result<DescriptorPool, String>> = OnceLock::new();
    POOL.get_or_init(|| {
        let bytes: &[u8] = include_bytes!("json/descriptors.bin");
        DescriptorPool::decode(bytes).map_err(|e| e.to_string())
    })
}

fn descriptor(name: &str) -> Result<MessageDescriptor, JsonError> {
    let pool = pool().as_ref().map_err(|e| JsonError::new(name, e))?;
    pool.get_message_by_name(name).ok_or_else(|| JsonError::new(name, "is not a message that we know"))
}

/// The name of a type in a URL such as `type.googleapis.com/envoy.config.cluster.v3.Cluster`.
pub(crate) fn type_of(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, name)| name)
}

/// A message as JSON, without an `@type`.
///
/// # Errors
/// If it, or what an `Any` in it holds, is of a type that we do not know.
pub fn to_json<T: Message + Name>(message: &T) -> Result<Value, JsonError> {
    write(&T::full_name(), &message.encode_to_vec())
}

/// What an `Any` holds as JSON, with its `@type` first.
///
/// # Errors
/// If it, or what an `Any` in it holds, is of a type that we do not know, or its bytes are not of its type.
pub fn any_to_json(any: &Any) -> Result<Value, JsonError> {
    let mut value = write(type_of(&any.type_url), &any.value)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("@type".to_owned(), any.type_url.clone().into());
    }
    Ok(value)
}

fn write(name: &str, bytes: &[u8]) -> Result<Value, JsonError> {
    let message = DynamicMessage::decode(descriptor(name)?, bytes).map_err(|e| JsonError::new(name, e))?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|e| JsonError::new(name, e))
}

/// A message that was written as JSON; field names in either spelling. A field that the message does not have
/// is an error.
///
/// # Errors
/// If the JSON is not this message.
pub fn from_json<T: Message + Name + Default>(json: &Value) -> Result<T, JsonError> {
    let name = T::full_name();
    let bytes = read(&name, json.clone())?;
    T::decode(&*bytes).map_err(|e| JsonError::new(&name, e))
}

/// A message of the type that its `@type` names.
///
/// # Errors
/// If there is no `@type`, if we do not know it, or if the JSON is not that message.
pub fn any_from_json(json: &Value) -> Result<Any, JsonError> {
    let mut json = json.clone();
    let url = json.as_object_mut().and_then(|fields| fields.remove("@type"));
    let Some(Value::String(type_url)) = url else {
        return Err(JsonError::new("google.protobuf.Any", "@type is missing"));
    };
    let value = read(type_of(&type_url), json)?;
    Ok(Any { value, type_url })
}

fn read(name: &str, json: Value) -> Result<Vec<u8>, JsonError> {
    let message = descriptor(name)?.deserialize(json).map_err(|e| JsonError::new(name, e))?;
    Ok(message.encode_to_vec())
}

#[cfg(test)]
mod tests;
