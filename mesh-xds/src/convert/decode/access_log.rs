//! Access logs in files.

use super::{refuse, unpack};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::pb;
use mesh_core::model::access_log::{AccessLog, LogFormat};
use pb::core::substitution_format_string::Format;
use pb::file::file_access_log::AccessLogFormat;

pub(super) fn access_logs(logs: &[pb::access_log::AccessLog]) -> Result<Vec<AccessLog>, ConvertError> {
    each(logs, access_log)
}

fn access_log(log: &pb::access_log::AccessLog) -> Result<AccessLog, ConvertError> {
    refuse!(log; filter);
    let Some(pb::access_log::access_log::ConfigType::TypedConfig(any)) = &log.config_type else {
        return Err(ConvertError::missing("typed_config"));
    };
    file(&unpack(any).at("typed_config")?).at("typed_config")
}

#[expect(deprecated)]
fn file(file: &pb::file::FileAccessLog) -> Result<AccessLog, ConvertError> {
    let format = match &file.access_log_format {
        None => return Err(ConvertError::missing("log_format")),
        Some(AccessLogFormat::LogFormat(format)) => substitution(format).at("log_format")?,
        Some(AccessLogFormat::Format(text)) => LogFormat::Text(text.clone()),
        Some(AccessLogFormat::JsonFormat(fields)) => json(fields).at("json_format")?,
        Some(AccessLogFormat::TypedJsonFormat(fields)) => json(fields).at("typed_json_format")?,
    };
    Ok(AccessLog { path: file.path.as_str().into(), format })
}

#[expect(deprecated)]
fn substitution(format: &pb::core::SubstitutionFormatString) -> Result<LogFormat, ConvertError> {
    refuse!(format; formatters);
    match &format.format {
        Some(Format::TextFormat(text)) => Ok(LogFormat::Text(text.clone())),
        Some(Format::TextFormatSource(source)) => {
            text(source).map(|text| LogFormat::Text(text.to_owned())).at("text_format_source")
        }
        Some(Format::JsonFormat(fields)) => json(fields).at("json_format"),
        None => Err(ConvertError::missing("text_format_source")),
    }
}

fn text(source: &pb::core::DataSource) -> Result<&str, ConvertError> {
    match &source.specifier {
        Some(pb::core::data_source::Specifier::InlineString(text)) => Ok(text),
        _ => Err(ConvertError::new("only inline_string is supported")),
    }
}

/// By name, since the message keeps no order.
fn json(fields: &pb::Struct) -> Result<LogFormat, ConvertError> {
    let mut out = Vec::with_capacity(fields.fields.len());
    for (key, value) in &fields.fields {
        let Some(pb::Kind::StringValue(text)) = &value.kind else {
            return Err(ConvertError::new("only a text is supported").within(key));
        };
        out.push((key.clone(), text.clone()));
    }
    out.sort();
    Ok(LogFormat::Json(out))
}
