//! Lines of an access log: [`mesh_core::format`]'s templates over records.
//!
//! What is missing prints as `-` in text and as `null` in JSON. In JSON a value that is one operator and
//! nothing else keeps its type.

use super::operator::{SERVICE_TIME, is_field, of_connection, of_request};
use crate::record::{ConnectionRecord, RequestRecord};
use http::HeaderName;
use mesh_core::format::{self, Operator, Piece, RequestHeader, Template, Value};
use mesh_core::model::access_log::LogFormat;
use std::io::Write as _;

/// What stands for what is missing.
const MISSING: &[u8] = b"-";

/// A compiled format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    shape: Shape,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<HeaderName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Text(Template),
    /// Keys as JSON strings, quotes included.
    Json(Vec<(String, Template)>),
}

/// What is wrong with a format string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{fault}")]
pub struct FormatError {
    place: String,
    fault: format::FormatError,
}

impl FormatError {
    /// Offset in the format string of the operator that is wrong.
    pub fn at(&self) -> usize {
        self.fault.at()
    }
}

impl Format {
    /// Compiles what the model carries.
    ///
    /// # Errors
    /// The first operator that is not known, with its position.
    pub fn compile(format: &LogFormat) -> Result<Self, FormatError> {
        match format {
            LogFormat::Text(text) => Self::text(text),
            LogFormat::Json(fields) => Self::json(fields.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
        }
    }

    /// Compiles a text format. It should end with a line break: none is added.
    ///
    /// # Errors
    /// The first operator that is not known, with its position.
    pub fn text(format: &str) -> Result<Self, FormatError> {
        let template =
            Template::parse(format).map_err(|fault| FormatError { place: String::new(), fault })?;
        Ok(Self::new(Shape::Text(template)))
    }

    /// Compiles a JSON object's fields; each record becomes one line.
    ///
    /// # Errors
    /// The first operator that is not known, with its key and position.
    pub fn json<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, FormatError> {
        let mut compiled = Vec::new();
        for (key, format) in fields {
            let template =
                Template::parse(format).map_err(|fault| FormatError { place: format!("{key}: "), fault })?;
            compiled.push((serde_json::Value::from(key).to_string(), template));
        }
        Ok(Self::new(Shape::Json(compiled)))
    }

    fn new(shape: Shape) -> Self {
        let templates: Vec<&Template> = match &shape {
            Shape::Text(template) => vec![template],
            Shape::Json(fields) => fields.iter().map(|(_, template)| template).collect(),
        };
        let (mut request_headers, mut response_headers) = (Vec::new(), Vec::new());
        for (_, operator) in templates.into_iter().flat_map(Template::operators) {
            match operator {
                Operator::Request(first, second) => {
                    for header in [Some(first), second.as_ref()].into_iter().flatten() {
                        match header {
                            RequestHeader::Named(name) if !is_field(name) => {
                                request_headers.push(name.clone());
                            }
                            RequestHeader::Scheme => {
                                request_headers.push(HeaderName::from_static("x-forwarded-proto"));
                            }
                            _ => {}
                        }
                    }
                }
                Operator::Response(first, second) => {
                    let named = [Some(first), second.as_ref()].into_iter().flatten();
                    response_headers.extend(named.filter(|n| *n != SERVICE_TIME).cloned());
                }
                _ => {}
            }
        }
        for names in [&mut request_headers, &mut response_headers] {
            names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
            names.dedup();
        }
        Self { shape, request_headers, response_headers }
    }

    /// The request headers that a record must carry in
    /// [`request_headers`](RequestRecord::request_headers) for this format, beyond its own fields.
    pub fn request_headers(&self) -> &[HeaderName] {
        &self.request_headers
    }

    /// The response headers that a record must carry for this format.
    pub fn response_headers(&self) -> &[HeaderName] {
        &self.response_headers
    }

    /// Appends the line of a request.
    pub fn request(&self, record: &RequestRecord, out: &mut Vec<u8>) {
        self.write(out, |operator| of_request(operator, record));
    }

    /// Appends the line of a connection; what only HTTP has is missing.
    pub fn connection(&self, record: &ConnectionRecord, out: &mut Vec<u8>) {
        self.write(out, |operator| of_connection(operator, record));
    }

    fn write<'a>(&'a self, out: &mut Vec<u8>, find: impl Fn(&'a Operator) -> Value<'a>) {
        match &self.shape {
            Shape::Text(template) => template.write(MISSING, out, find),
            Shape::Json(fields) => {
                let mut scratch = Vec::new();
                out.push(b'{');
                for (i, (key, template)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(key.as_bytes());
                    out.push(b':');
                    scratch.clear();
                    if let [Piece::Operator { operator, limit, .. }] = template.pieces() {
                        match find(operator) {
                            Value::Missing => {
                                out.extend_from_slice(b"null");
                                continue;
                            }
                            Value::Number(n) => {
                                _ = write!(out, "{n}");
                                continue;
                            }
                            value => value.write(*limit, MISSING, &mut scratch),
                        }
                    } else {
                        template.write(MISSING, &mut scratch, &find);
                    }
                    let text = String::from_utf8_lossy(&scratch);
                    // A string serialises without fail.
                    _ = serde_json::to_writer(&mut *out, &text);
                }
                out.extend_from_slice(b"}\n");
            }
        }
    }
}
