//! Delay and abort on purpose.

use super::RuleOf;
use crate::api::networking::virtual_service::{FaultAbort as ApiAbort, HttpFaultInjection};
use crate::api::value::Percent;
use crate::api::value::grpc_status;
use crate::compile::report::Report;
use crate::model::http::{AbortBy, AbortWith, DelayBy, Fault, FaultAbort, FaultDelay};
use crate::model::values::Fraction;

/// The fault of a rule; `None` where nothing of it can be done.
pub(super) fn fault(rule: &RuleOf<'_>, said: &HttpFaultInjection, report: &mut Report) -> Option<Fault> {
    let path = format!("{}.fault", rule.path);
    let delay = said.delay.as_ref().and_then(|delay| {
        // Where no share is written, none is held back, as in Istio; validation says so.
        let fraction = delay
            .percentage
            .and_then(|p| share(rule, p, &format!("{path}.delay.percentage"), report))
            .or_else(|| delay.percent.and_then(|p| Fraction::percent(f64::from(p))))
            .unwrap_or(Fraction::ZERO);
        Some(FaultDelay { by: DelayBy::Fixed(delay.fixed_delay?.into()), fraction })
    });
    let abort = said.abort.as_ref().and_then(|abort| {
        let fraction = abort
            .percentage
            .and_then(|p| share(rule, p, &format!("{path}.abort.percentage"), report))
            .unwrap_or(Fraction::ZERO);
        let with = error(rule, abort, &format!("{path}.abort"), report)?;
        Some(FaultAbort { by: AbortBy::Fixed(with), fraction })
    });
    (delay.is_some() || abort.is_some()).then(|| Fault { delay, abort, ..Fault::default() })
}

/// A percentage, unless it is none.
pub(super) fn share(
    rule: &RuleOf<'_>,
    percent: Percent,
    path: &str,
    report: &mut Report,
) -> Option<Fraction> {
    let fraction = Fraction::percent(percent.value);
    if fraction.is_none() {
        report.invalid(rule.vs, format!("{path}.value"), format!("{} is not a percentage", percent.value));
    }
    fraction
}

fn error(rule: &RuleOf<'_>, abort: &ApiAbort, path: &str, report: &mut Report) -> Option<AbortWith> {
    if let Some(status) = abort.http_status {
        let valid = http::StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
        if valid.is_none() {
            report.invalid(rule.vs, format!("{path}.httpStatus"), format!("{status} is not an HTTP status"));
        }
        return valid.map(AbortWith::Http);
    }
    if let Some(status) = &abort.grpc_status {
        let number = grpc_status(status);
        if number.is_none() {
            report.invalid(rule.vs, format!("{path}.grpcStatus"), format!("{status:?} is not a gRPC status"));
        }
        return number.map(AbortWith::Grpc);
    }
    None
}
