//! JSON Schemas of the kinds, generated from their types: what editors complete and check by.
//!
//! Behind the feature `schema`. Without it the types carry nothing extra.

#[cfg(feature = "schema")]
pub use generated::Described;
#[cfg(feature = "schema")]
pub(super) use generated::of_kind;
#[cfg(not(feature = "schema"))]
pub use plain::Described;

#[cfg(not(feature = "schema"))]
mod plain {
    /// A type with a JSON Schema, where the feature `schema` is on: so every type.
    pub trait Described {}

    impl<T> Described for T {}
}

#[cfg(feature = "schema")]
mod generated {
    use crate::api::kind::{Body, Kind};
    use schemars::generate::SchemaSettings;
    use schemars::{JsonSchema, Schema};
    use serde_json::{Map, Value, json};

    /// A type with a JSON Schema.
    pub trait Described: JsonSchema {}

    impl<T: JsonSchema> Described for T {}

    /// The schema of whole documents of a kind.
    pub(in crate::api) fn of_kind<K: Kind>() -> Schema {
        let mut generator = SchemaSettings::draft07().into_generator();
        let body = generator.subschema_for::<K>();
        let versions: Vec<String> = K::VERSIONS
            .iter()
            .map(|version| match K::GROUP {
                "" => (*version).to_owned(),
                group => format!("{group}/{version}"),
            })
            .collect();
        let mut fields = Map::new();
        fields.insert("apiVersion".into(), json!({ "type": "string", "enum": versions }));
        fields.insert("kind".into(), json!({ "const": K::KIND }));
        fields.insert("metadata".into(), metadata());
        let mut document = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": K::KIND,
            "type": "object",
            "required": ["apiVersion", "kind", "metadata"],
        });
        match K::BODY {
            Body::Spec | Body::LenientSpec => {
                fields.insert("spec".into(), body.to_value());
                fields.insert("status".into(), json!({ "type": "object" }));
                document["properties"] = Value::Object(fields);
                if K::BODY == Body::Spec {
                    document["additionalProperties"] = Value::Bool(false);
                }
            }
            Body::Document => {
                document["properties"] = Value::Object(fields);
                document["allOf"] = json!([body.to_value()]);
            }
        }
        document["definitions"] = Value::Object(generator.take_definitions(true));
        Schema::try_from(document).unwrap_or_default()
    }

    /// As far as the mesh reads it; Kubernetes knows more.
    fn metadata() -> Value {
        let text = json!({ "type": "string" });
        let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        json!({
            "type": "object",
            "properties": {
                "name": text,
                "generateName": text,
                "namespace": text,
                "labels": texts,
                "annotations": texts,
                "creationTimestamp": { "type": ["string", "null"] },
            },
        })
    }
}
