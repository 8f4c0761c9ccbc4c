//! Access logs in files.

use super::pack;
use super::value::inline;
use crate::convert::{names, pb};
use mesh_core::model::access_log::{AccessLog, LogFormat};
use pb::core::substitution_format_string::Format;

pub(super) fn access_log(log: &AccessLog) -> pb::access_log::AccessLog {
    let format = match &log.format {
        LogFormat::Text(text) => Format::TextFormatSource(inline(text)),
        LogFormat::Json(fields) => Format::JsonFormat(pb::Struct {
            fields: fields
                .iter()
                .map(|(key, value)| {
                    (key.clone(), pb::Value { kind: Some(pb::Kind::StringValue(value.clone())) })
                })
                .collect(),
        }),
    };
    let file = pb::file::FileAccessLog {
        path: (&*log.path).into(),
        access_log_format: Some(pb::file::file_access_log::AccessLogFormat::LogFormat(
            pb::core::SubstitutionFormatString { format: Some(format), ..Default::default() },
        )),
    };
    pb::access_log::AccessLog {
        name: names::FILE_ACCESS_LOG.to_owned(),
        filter: None,
        config_type: Some(pb::access_log::access_log::ConfigType::TypedConfig(pack(&file))),
    }
}
