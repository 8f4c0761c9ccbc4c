//! Where a line per request is written, and what stands in it.

use super::Name;

/// Istio's default text format.
pub const DEFAULT_FORMAT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
);

/// One access log. Envoy's `file_access_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// The file; `/dev/stdout` is standard output.
    pub path: Name,
    /// What stands in a line.
    pub format: LogFormat,
}

/// What stands in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Envoy's format string.
    Text(String),
    /// A JSON object: keys with format strings, in order.
    Json(Vec<(String, String)>),
}

impl LogFormat {
    /// Istio's default text.
    pub fn default_text() -> Self {
        Self::Text(DEFAULT_FORMAT.to_owned())
    }

    /// Istio's default JSON.
    pub fn default_json() -> Self {
        let fields = [
            ("start_time", "%START_TIME%"),
            ("route_name", "%ROUTE_NAME%"),
            ("method", "%REQ(:METHOD)%"),
            ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
            ("protocol", "%PROTOCOL%"),
            ("response_code", "%RESPONSE_CODE%"),
            ("response_flags", "%RESPONSE_FLAGS%"),
            ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
            ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
            ("bytes_received", "%BYTES_RECEIVED%"),
            ("bytes_sent", "%BYTES_SENT%"),
            ("duration", "%DURATION%"),
            ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
            ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
            ("user_agent", "%REQ(USER-AGENT)%"),
            ("request_id", "%REQ(X-REQUEST-ID)%"),
            ("authority", "%REQ(:AUTHORITY)%"),
            ("upstream_host", "%UPSTREAM_HOST%"),
            ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
            ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
            ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
            ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
            ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
            ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
        ];
        Self::Json(fields.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}
