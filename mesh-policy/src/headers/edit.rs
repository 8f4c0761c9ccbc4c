//! The changes of one side, compiled, and how they are made.

use super::find::Side;
use super::metrics::HeadersMetrics;
use crate::SpecError;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};
use mesh_core::format::{Operator, Template, Value};
use mesh_core::model::route::HeaderEdit;

/// Changes to one set of headers.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Text)>,
    add: Vec<(HeaderName, Text)>,
    formats: usize,
}

/// What a header is set to.
#[derive(Clone, Debug)]
enum Text {
    Plain(HeaderValue),
    Format(Template),
}

impl Edit {
    /// Compiles what the model carries.
    pub(super) fn new(side: Side, edit: &HeaderEdit) -> Result<Self, SpecError> {
        for (i, name) in edit.remove.iter().enumerate() {
            if name == HOST {
                return Err(SpecError::new(
                    format!("remove[{i}]"),
                    "must not be host: every request has one",
                ));
            }
        }
        let set = texts(side, "set", &edit.set)?;
        let add = texts(side, "add", &edit.add)?;
        let formats = set.iter().chain(&add).filter(|(_, text)| matches!(text, Text::Format(_))).count();
        Ok(Self { remove: edit.remove.clone(), set, add, formats })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// The operators of all its values.
    pub(super) fn operators(&self) -> impl Iterator<Item = &Operator> {
        let templates = self.set.iter().chain(&self.add).filter_map(|(_, text)| match text {
            Text::Format(template) => Some(template),
            Text::Plain(_) => None,
        });
        templates.flat_map(Template::operators).map(|(_, operator)| operator)
    }

    /// The first step.
    pub(super) fn remove(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
    }

    /// The second: values of all formats, in order. Allocates nothing where there is none.
    pub(super) fn evaluate<'a>(
        &'a self,
        metrics: &HeadersMetrics,
        find: impl Fn(&'a Operator) -> Value<'a>,
    ) -> Vec<Option<HeaderValue>> {
        let mut out = Vec::with_capacity(self.formats);
        let mut scratch = Vec::new();
        for (_, text) in self.set.iter().chain(&self.add) {
            let Text::Format(template) = text else { continue };
            scratch.clear();
            template.write(b"", &mut scratch, &find);
            out.push(match HeaderValue::from_bytes(&scratch) {
                Ok(value) => Some(value).filter(|value| !value.is_empty()),
                Err(_) => {
                    metrics.invalid_value();
                    None
                }
            });
        }
        out
    }

    /// The third: sets, then adds.
    pub(super) fn write(&self, headers: &mut HeaderMap, values: Vec<Option<HeaderValue>>) {
        let mut values = values.into_iter();
        let mut next = |text: &Text| match text {
            Text::Plain(value) => Some(value.clone()),
            Text::Format(_) => values.next().flatten(),
        };
        for (name, text) in &self.set {
            if let Some(value) = next(text) {
                headers.insert(name.clone(), value);
            }
        }
        for (name, text) in &self.add {
            if let Some(value) = next(text) {
                headers.append(name.clone(), value);
            }
        }
    }
}

fn texts(
    side: Side,
    verb: &str,
    pairs: &[(HeaderName, HeaderValue)],
) -> Result<Vec<(HeaderName, Text)>, SpecError> {
    let mut out = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let refuse = |message: String| SpecError::new(format!("{verb}.{name}"), message);
        if name == HOST {
            return Err(refuse("must not be host: set the authority".to_owned()));
        }
        let format = value.to_str().map_err(|_| refuse("must be text".to_owned()))?;
        let template = Template::parse(format).map_err(|e| refuse(e.to_string()))?;
        if let Some((at, _)) = template.operators().find(|(_, operator)| !side.knows(operator)) {
            let written = format.get(at..).unwrap_or_default();
            let name = written.trim_start_matches('%').split(|c: char| !c.is_ascii_uppercase() && c != '_');
            let name = name.take(1).collect::<String>();
            return Err(refuse(format!("byte {at}: {name} is not known where {side} are changed")));
        }
        let text = match template.as_literal() {
            // As in Envoy: nothing is written.
            Some("") => continue,
            Some(literal) => Text::Plain(HeaderValue::from_str(literal).map_err(|e| refuse(e.to_string()))?),
            None => Text::Format(template),
        };
        out.push((name.clone(), text));
    }
    Ok(out)
}
