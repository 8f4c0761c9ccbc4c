//! Goes through a value and the message that it should be, side by side.

use super::scalar;
use mesh_core::api::Resource;
use mesh_core::api::networking::EnvoyFilter;
use mesh_core::diagnostic::{Finding, Findings, Level, code, did_you_mean};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use serde_json::{Map, Value};

/// So many fields are named in a help; of more the reference tells.
const NAMED: usize = 12;

/// One value of a patch, and what was found in it so far.
pub(super) struct Walk<'a> {
    filter: &'a Resource<EnvoyFilter>,
    pub(super) pool: &'static DescriptorPool,
    findings: Findings,
    /// Whether the value is all that there will be, rather than merged into something.
    is_whole: bool,
    /// The worst that anything is said to be.
    pub(super) worst: Level,
    /// How many more names of types are looked for among all; a file may hold any number of unknown ones.
    pub(super) guesses: u8,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        filter: &'a Resource<EnvoyFilter>,
        pool: &'static DescriptorPool,
        is_whole: bool,
    ) -> Self {
        Self { filter, pool, findings: Findings::new(), is_whole, worst: Level::Error, guesses: 8 }
    }

    pub(super) fn into_findings(self) -> Findings {
        self.findings
    }

    /// What Envoy cannot read.
    pub(super) fn refuse(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let finding = match self.worst {
            Level::Error => Finding::error(code::SCHEMA, message),
            _ => Finding::warning(code::SCHEMA_WARNING, message),
        };
        self.findings.push(finding.at(self.filter, path).help(help));
    }

    pub(super) fn warn(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let finding = Finding::warning(code::SCHEMA_WARNING, message).at(self.filter, path);
        self.findings.push(finding.help(help));
    }

    /// A field by its name, whatever its value.
    pub(super) fn warn_key(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let finding = Finding::warning(code::SCHEMA_WARNING, message).at(self.filter, path);
        self.findings.push(finding.at_key().help(help));
    }

    pub(super) fn note(&mut self, finding: Finding, path: &str) {
        self.findings.push(finding.at(self.filter, path));
    }

    fn deprecated(&mut self, path: &str, name: &str, owner: &str, at_key: bool) {
        let message = format!("`{name}` is deprecated in Envoy");
        let help = format!("Envoy's reference of {owner} names what took its place");
        let finding = Finding::info(code::DEPRECATED, message).at(self.filter, path).help(help);
        self.findings.push(if at_key { finding.at_key() } else { finding });
    }

    /// A message that has no JSON of its own kind, by its fields.
    pub(super) fn fields(&mut self, of: &MessageDescriptor, fields: &Map<String, Value>, path: &str) {
        self.fields_but(None, of, fields, path);
    }

    /// The same where one name is not that of a field.
    pub(super) fn fields_but(
        &mut self,
        left_out: Option<&str>,
        of: &MessageDescriptor,
        fields: &Map<String, Value>,
        path: &str,
    ) {
        for (name, value) in fields.iter().filter(|(name, _)| Some(name.as_str()) != left_out) {
            let path = format!("{path}.{name}");
            let Some(field) = of.get_field_by_name(name).or_else(|| of.get_field_by_json_name(name)) else {
                self.unknown(of, name, &path);
                continue;
            };
            let options = field.field_descriptor_proto().options.as_ref();
            if options.is_some_and(prost_reflect::prost_types::FieldOptions::deprecated) {
                self.deprecated(&path, name, of.full_name(), true);
            }
            if field.name() == name && field.json_name() != name && fields.contains_key(field.json_name()) {
                let message = format!("`{name}` has no effect beside `{}`", field.json_name());
                self.warn_key(&path, message, "they are one field; keep one of them");
            }
            self.field(&field, value, &path);
        }
        for oneof in of.oneofs().filter(|o| !o.is_synthetic()) {
            self.oneof(&oneof, fields, path);
        }
        self.by_name_alone(of, fields, path);
    }

    fn unknown(&mut self, of: &MessageDescriptor, name: &str, path: &str) {
        // In the spelling that the user has chosen.
        let is_camel = !name.contains('_') && name.contains(|c: char| c.is_ascii_uppercase());
        let spelled =
            |f: FieldDescriptor| if is_camel { f.json_name().to_owned() } else { f.name().to_owned() };
        let known: Vec<String> = of.fields().map(spelled).collect();
        let help = did_you_mean(name, known.iter().map(String::as_str)).unwrap_or_else(|| match known.len() {
            0 => "there are no fields here".to_owned(),
            1..=NAMED => format!("the fields here are {}", known.join(", ")),
            _ => "take it out, or see whether it belongs elsewhere: an Envoy that does not know it ignores or \
                  refuses it"
                .to_owned(),
        });
        self.warn_key(path, format!("unknown field `{name}` in {}", of.full_name()), help);
    }

    fn field(&mut self, field: &FieldDescriptor, value: &Value, path: &str) {
        match value {
            // As if it were not written.
            Value::Null => {}
            Value::Object(entries) if field.is_map() => self.map(field, entries, path),
            Value::Array(items) if field.is_list() => {
                for (i, item) in items.iter().enumerate() {
                    self.single(&field.kind(), item, &format!("{path}[{i}]"));
                }
            }
            _ if field.is_map() => self.other(path, value, "a map", "write a map of names to values"),
            _ if field.is_list() => {
                self.other(path, value, "a list", "begin each entry of the list with `- `");
            }
            _ => self.single(&field.kind(), value, path),
        }
    }

    fn map(&mut self, field: &FieldDescriptor, entries: &Map<String, Value>, path: &str) {
        let Kind::Message(entry) = field.kind() else { return };
        let (key, of) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        for (name, value) in entries {
            let path = format!("{path}.{name}");
            if let Some(wrong) = scalar::problem_of_key(&key, name) {
                self.refuse(&path, wrong.message, wrong.help);
            }
            self.single(&of, value, &path);
        }
    }

    /// A value that is not in a list or map of its own.
    fn single(&mut self, kind: &Kind, value: &Value, path: &str) {
        if value.is_null() {
            return;
        }
        if let Kind::Message(of) = kind {
            return self.message(of, value, path);
        }
        if let Some(wrong) = scalar::problem(kind, value) {
            return self.refuse(path, wrong.message, wrong.help);
        }
        if let (Kind::Enum(of), Value::String(name)) = (kind, value)
            && let Some(found) = of.get_value_by_name(name)
            && let Some(options) = &found.enum_value_descriptor_proto().options
            && options.deprecated()
        {
            self.deprecated(path, name, of.full_name(), false);
        }
    }

    /// A message of any kind, of which some have a JSON of their own.
    pub(super) fn message(&mut self, of: &MessageDescriptor, value: &Value, path: &str) {
        let own = of.full_name().strip_prefix("google.protobuf.").unwrap_or_default();
        if let Some(wrong) = scalar::problem_of_message(own, value) {
            return self.refuse(path, wrong.message, wrong.help);
        }
        match (own, value) {
            ("Any", Value::Object(fields)) => self.any(fields, path),
            ("Value" | "Struct" | "ListValue" | "Duration" | "Timestamp", _) => {}
            (own, value) if is_wrapper(own) => {
                if let Some(field) = of.get_field(1) {
                    self.single(&field.kind(), value, path);
                }
            }
            (_, Value::Object(fields)) => self.fields(of, fields, path),
            _ => {
                let names: Vec<String> = of.fields().take(4).map(|f| f.name().to_owned()).collect();
                let help = match (value, names.is_empty()) {
                    (Value::Array(_), _) => "there is one of it: write its fields without `- `".to_owned(),
                    (_, true) => "write {}".to_owned(),
                    (_, false) => format!("write its fields, such as {}", names.join(", ")),
                };
                self.other(path, value, &format!("the fields of {}", of.full_name()), help);
            }
        }
    }

    /// A value of another shape.
    pub(super) fn other(&mut self, path: &str, value: &Value, wanted: &str, help: impl Into<String>) {
        self.refuse(path, format!("{} where Envoy has {wanted}", scalar::shape(value)), help);
    }

    /// Fields of which a message holds one: the last one by the schema's order is taken.
    fn oneof(&mut self, oneof: &OneofDescriptor, fields: &Map<String, Value>, path: &str) {
        let is_set = |name: &str| fields.get(name).is_some_and(|v| !v.is_null());
        let written =
            |f: FieldDescriptor| [f.name(), f.json_name()].into_iter().find(|n| is_set(n)).map(str::to_owned);
        let mut all: Vec<String> = oneof.fields().filter_map(written).collect();
        let Some(taken) = all.pop() else { return };
        for name in all {
            let message = format!("`{name}` has no effect beside `{taken}`");
            self.warn_key(&format!("{path}.{name}"), message, "Envoy has one of them; keep one");
        }
    }

    /// An extension that Envoy could only find by its name, which it no longer does.
    fn by_name_alone(&mut self, of: &MessageDescriptor, fields: &Map<String, Value>, path: &str) {
        const TYPES: [&str; 4] = ["typed_config", "typedConfig", "config_discovery", "configDiscovery"];
        let is_extension = of.get_field_by_name("typed_config").is_some();
        let is_set = |name: &&str| fields.get(*name).is_some_and(|v| !v.is_null());
        if self.is_whole && is_extension && !TYPES.iter().any(is_set) {
            let message = "an extension by its name alone: Envoy finds extensions by their type";
            self.warn(path, message, "write typed_config with its @type");
        }
    }
}

/// A scalar that tells whether it is written; its JSON is the scalar's.
fn is_wrapper(own: &str) -> bool {
    matches!(
        own,
        "BoolValue"
            | "BytesValue"
            | "StringValue"
            | "Int32Value"
            | "UInt32Value"
            | "FloatValue"
            | "Int64Value"
            | "UInt64Value"
            | "DoubleValue"
    )
}

/// Whether a message's JSON is not a map of its fields, so that an `Any` has it as `value`.
pub(super) fn has_json_of_its_own(of: &MessageDescriptor) -> bool {
    let own = of.full_name().strip_prefix("google.protobuf.").unwrap_or_default();
    is_wrapper(own)
        || matches!(own, "Any" | "Empty" | "Value" | "Struct" | "ListValue" | "Duration" | "Timestamp")
}
