//! What an `Any` holds: a message of the type that its `@type` names.

use super::walk::{Walk, has_json_of_its_own};
use crate::json::type_of;
use mesh_core::diagnostic::{Finding, Level, code};
use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value};

/// A type in a help.
const SUCH_AS: &str = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua";
/// Names of types that differ by so much are taken for slips.
const SLIP: usize = 3;

impl Walk<'_> {
    pub(super) fn any(&mut self, fields: &Map<String, Value>, path: &str) {
        let at = format!("{path}.@type");
        let url = match fields.get("@type") {
            Some(Value::String(url)) => url,
            Some(other) => return self.other(&at, other, "the name of a type", format!("write {SUCH_AS}")),
            None => {
                let help = format!("write @type, such as {SUCH_AS}");
                return self.refuse(path, "a configuration without its type", help);
            }
        };
        match type_of(url) {
            "udpa.type.v1.TypedStruct" | "xds.type.v3.TypedStruct" => self.typed_struct(fields, path),
            name => {
                if let Some(of) = self.known(url, name, &at) {
                    self.content(&of, fields, path);
                }
            }
        }
    }

    fn content(&mut self, of: &MessageDescriptor, fields: &Map<String, Value>, path: &str) {
        if !has_json_of_its_own(of) {
            return self.fields_but(Some("@type"), of, fields, path);
        }
        match fields.get("value") {
            Some(value) => self.message(of, value, &format!("{path}.value")),
            None => {
                let message = format!("{} without its value", of.full_name());
                self.refuse(path, message, "write it as `value` beside @type");
            }
        }
    }

    /// A message as JSON, which Envoy reads by itself. Istio passes it on unseen.
    fn typed_struct(&mut self, fields: &Map<String, Value>, path: &str) {
        let field = |names: [&str; 2]| names.into_iter().find_map(|n| Some((n.to_owned(), fields.get(n)?)));
        for name in
            fields.keys().filter(|n| !matches!(n.as_str(), "@type" | "type_url" | "typeUrl" | "value"))
        {
            let message = format!("unknown field `{name}` in a TypedStruct");
            self.warn_key(&format!("{path}.{name}"), message, "the fields here are type_url, value");
        }
        let of = match field(["type_url", "typeUrl"]) {
            Some((name, Value::String(url))) => {
                let at = format!("{path}.{name}");
                match is_of_v2(type_of(url)) {
                    true => self.known(url, type_of(url), &at),
                    // Who writes a TypedStruct may well mean a type that only the proxy knows.
                    false => self.pool.get_message_by_name(type_of(url)),
                }
            }
            Some((name, other)) => {
                let at = format!("{path}.{name}");
                return self.other(&at, other, "the name of a type", format!("write {SUCH_AS}"));
            }
            None => None,
        };
        let at = format!("{path}.value");
        match fields.get("value") {
            Some(Value::Object(inner)) => {
                if let Some(of) = of {
                    let worst = std::mem::replace(&mut self.worst, Level::Warning);
                    self.fields(&of, inner, &at);
                    self.worst = worst;
                }
            }
            None | Some(Value::Null) => {}
            Some(other) => self.other(&at, other, "a map", "write the fields of the type"),
        }
    }

    /// The message of this name; what is to be said if there is none is said.
    fn known(&mut self, url: &str, name: &str, path: &str) -> Option<MessageDescriptor> {
        let found = self.pool.get_message_by_name(name);
        if found.is_some() {
            return found;
        }
        if is_of_v2(name) {
            let help = "use the type of the v3 API, in which names end in .v3.NAME";
            self.refuse(path, format!("`{url}` is of Envoy's v2 API, which is gone"), help);
        } else if name.starts_with("istio.") || name == "stats.PluginConfig" {
            let message = format!("`{name}` is a type of Istio's own filters: what it holds is not checked");
            self.note(Finding::info(code::SCHEMA_WARNING, message), path);
        } else {
            let help = match self.nearest(name) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "compare it with Envoy's documentation; the proxies have to know it".to_owned(),
            };
            let message = format!("`{name}` is a type that is not known here: what it holds is not checked");
            self.warn(path, message, help);
        }
        None
    }

    /// The type that was meant: a slip in its name, or its own name in another package.
    fn nearest(&mut self, wrong: &str) -> Option<String> {
        self.guesses = self.guesses.checked_sub(1)?;
        let distance = |name: &str| strsim::damerau_levenshtein(name, wrong);
        let own = |name: &str| name.rsplit('.').next().map(str::to_owned);
        let all = || self.pool.all_messages();
        let slips = all().filter(|m| m.full_name().len().abs_diff(wrong.len()) <= SLIP);
        let slip = slips.map(|m| (distance(m.full_name()), m)).filter(|(far, _)| *far <= SLIP);
        if let Some((_, found)) = slip.min_by_key(|(far, m)| (*far, m.full_name().to_owned())) {
            return Some(found.full_name().to_owned());
        }
        let elsewhere = all().filter(|m| own(m.full_name()) == own(wrong));
        elsewhere
            .min_by_key(|m| (distance(m.full_name()), m.full_name().to_owned()))
            .map(|m| m.full_name().to_owned())
    }
}

/// Filters had a package of their own before v3.
fn is_of_v2(name: &str) -> bool {
    name.starts_with("envoy.") && (name.contains(".v2.") || name.starts_with("envoy.config.filter."))
}
