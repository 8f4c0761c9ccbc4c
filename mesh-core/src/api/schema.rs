//! JSON Schemas of the kinds, generated from their types: what editors complete and check by.
//!
//! Behind the feature `schema`. Without it the types carry nothing extra.

#[cfg(feature = "schema")]
pub use generated::Described;
#[cfg(feature = "schema")]
pub(super) use generated::{Port, of_kind, port_names};
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
    use schemars::transform::RecursiveTransform;
    use schemars::{JsonSchema, Schema, SchemaGenerator};
    use serde_json::{Map, Value, json};

    /// A type with a JSON Schema.
    pub trait Described: JsonSchema {}

    impl<T: JsonSchema> Described for T {}

    /// The schema of whole documents of a kind.
    pub(in crate::api) fn of_kind<K: Kind>() -> Schema {
        let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(bound_numbers));
        let mut generator = settings.into_generator();
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

    /// Writes down what a number's format says, since editors do not know formats of numbers.
    fn bound_numbers(schema: &mut Schema) {
        let (least, most) = match schema.get("format").and_then(Value::as_str) {
            Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Some("uint32") => (0, i64::from(u32::MAX)),
            _ => return,
        };
        for (bound, value) in [("minimum", least), ("maximum", most)] {
            if schema.get(bound).is_none() {
                schema.insert(bound.to_owned(), value.into());
            }
        }
    }

    /// A port's number, where a schema cannot be had from the type.
    pub(in crate::api) struct Port;

    impl JsonSchema for Port {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "PortNumber".into()
        }

        fn inline_schema() -> bool {
            true
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": 65535 })
        }
    }

    /// Names of fields that are ports: 1 to 65535.
    pub(in crate::api) fn port_names() -> Value {
        let four = "[1-9][0-9]{0,3}|[1-5][0-9]{4}";
        let upper = "6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]";
        json!({ "pattern": format!("^({four}|{upper})$") })
    }

    /// A label of DNS, as Kubernetes asks for in names.
    const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

    /// As far as the mesh reads it; Kubernetes knows more.
    fn metadata() -> Value {
        let text = json!({ "type": "string" });
        let name =
            json!({ "type": "string", "maxLength": 253, "pattern": format!(r"^{LABEL}(\.{LABEL})*$") });
        let namespace = json!({ "type": "string", "maxLength": 253, "pattern": format!("^({LABEL})?$") });
        let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        json!({
            "type": "object",
            "properties": {
                "name": name,
                "generateName": text,
                "namespace": namespace,
                "labels": texts,
                "annotations": texts,
                "creationTimestamp": { "type": ["string", "null"] },
            },
        })
    }
}
