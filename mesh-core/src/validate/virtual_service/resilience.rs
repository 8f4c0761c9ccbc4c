//! Retries and faults of a rule.

use crate::api::networking::virtual_service::{HttpFaultInjection, HttpRetry};
use crate::api::value::grpc_status;
use crate::validate::report::Report;

/// Envoy's conditions for a retry, in the form of `retryOn`.
const RETRY_ON: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

pub(super) fn retry(retries: &HttpRetry, path: &str, report: &mut Report<'_>) {
    let HttpRetry { attempts, per_try_timeout, retry_on, backoff, retry_remote_localities, .. } = retries;
    let configured = per_try_timeout.is_some() || !retry_on.is_empty() || retry_remote_localities.is_some();
    if *attempts == 0 && configured {
        report.refuse(
            &format!("{path}.attempts"),
            "retries are configured, but attempts is 0",
            "write attempts: 1 or more",
        );
    }
    report.duration(&format!("{path}.perTryTimeout"), *per_try_timeout);
    report.duration(&format!("{path}.backoff"), *backoff);
    for condition in retry_on.split(',').map(str::trim).filter(|c| !c.is_empty()) {
        let is_status = condition.parse::<u16>().is_ok_and(|code| (100..600).contains(&code));
        if !is_status && !RETRY_ON.contains(&condition) {
            let near = RETRY_ON.iter().max_by(|a, b| {
                strsim::jaro_winkler(a, condition).total_cmp(&strsim::jaro_winkler(b, condition))
            });
            let help = format!("did you mean `{}`?", near.copied().unwrap_or_default());
            report.refuse(
                &format!("{path}.retryOn"),
                format!("`{condition}` is not a condition to retry on"),
                help,
            );
        }
    }
}

/// Istio reads a share that is not written as none, which is seldom what is meant.
const ALL_REQUESTS: &str = "write percentage: {value: 100} to have it for all requests";

pub(super) fn inject(fault: &HttpFaultInjection, path: &str, report: &mut Report<'_>) {
    if fault.delay.is_none() && fault.abort.is_none() {
        report.refuse(path, "a fault that is none", "write delay or abort");
    }
    if let Some(delay) = &fault.delay {
        let path = format!("{path}.delay");
        report.percent(&format!("{path}.percentage"), delay.percentage);
        if let Some(percent) = delay.percent {
            let path = format!("{path}.percent");
            report.whole_percent(&path, Some(i64::from(percent)));
            if percent <= 100 {
                let help = format!("write percentage: {{value: {percent}}}");
                report.deprecated(&path, "`percent` is deprecated", help);
            }
        }
        if delay.fixed_delay.is_some() && delay.percentage.is_none() && delay.percent.is_none() {
            report.warn(&path, "a delay without a percentage holds no request back", ALL_REQUESTS);
        }
        match (delay.fixed_delay, delay.exponential_delay) {
            (None, None) => {
                report.warn(&path, "a delay without a length holds no request back", "write fixedDelay");
            }
            (fixed, _) => report.duration(&format!("{path}.fixedDelay"), fixed),
        }
        if delay.exponential_delay.is_some() {
            report.refuse_key(
                &format!("{path}.exponentialDelay"),
                "not supported by any mesh",
                "write fixedDelay",
            );
        }
    }
    let Some(abort) = &fault.abort else { return };
    let path = format!("{path}.abort");
    report.percent(&format!("{path}.percentage"), abort.percentage);
    let answers = abort.http_status.is_some() || abort.grpc_status.is_some();
    if answers && abort.percentage.is_none() {
        report.warn(&path, "an abort without a percentage answers no request", ALL_REQUESTS);
    }
    if let Some(status) = abort.http_status.filter(|s| !(200..=599).contains(s)) {
        let message = format!("{status} is not an HTTP status");
        report.refuse(&format!("{path}.httpStatus"), message, "a status is between 200 and 599");
    }
    if let Some(status) = &abort.grpc_status
        && grpc_status(status).is_none()
    {
        let message = format!("{status:?} is not a gRPC status");
        report.refuse(&format!("{path}.grpcStatus"), message, "write its name, such as UNAVAILABLE");
    }
    if abort.http2_error.is_some() {
        report.refuse_key(&format!("{path}.http2Error"), "not supported by any mesh", "write httpStatus");
    }
    let ways = [abort.http_status.is_some(), abort.grpc_status.is_some()];
    match ways.iter().filter(|is| **is).count() {
        1 => {}
        0 if abort.http2_error.is_some() => {}
        0 => {
            let help = "write httpStatus or grpcStatus";
            report.warn(&path, "an abort without a status answers no request", help);
        }
        _ => report.refuse(&path, "httpStatus beside grpcStatus", "keep one of them"),
    }
}
