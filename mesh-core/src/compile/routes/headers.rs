//! Changes of headers. Setting the authority is not one of them: it rewrites the host.

use crate::api::Resource;
use crate::api::networking::VirtualService;
use crate::api::networking::virtual_service::{HeaderOperations, Headers};
use crate::compile::report::Report;
use crate::diagnostic::{Finding, code};
use crate::model::route::{HeaderChanges, HeaderEdit};
use http::{HeaderName, HeaderValue};

/// Changes, as they come together from a rule and its destination.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) headers: HeaderChanges,
    /// The authority that is to be sent.
    pub(super) authority: Option<String>,
}

impl Changes {
    /// Adds what a rule or a destination says at a path.
    pub(super) fn add(
        &mut self,
        vs: &Resource<VirtualService>,
        said: Option<&Headers>,
        path: &str,
        report: &mut Report,
    ) {
        let Some(said) = said else { return };
        if let Some(request) = &said.request {
            let authority = edit(&mut self.headers.request, vs, request, &format!("{path}.request"), report);
            self.authority = self.authority.take().or(authority);
        }
        if let Some(response) = &said.response {
            edit(&mut self.headers.response, vs, response, &format!("{path}.response"), report);
        }
    }
}

/// Makes the changes and returns the authority, if one is set.
fn edit(
    out: &mut HeaderEdit,
    vs: &Resource<VirtualService>,
    said: &HeaderOperations,
    path: &str,
    report: &mut Report,
) -> Option<String> {
    let mut authority = None;
    for (verb, pairs) in [("add", &said.add), ("set", &said.set)] {
        for (name, value) in pairs {
            if is_authority(name) {
                authority = Some(value.clone());
                continue;
            }
            // As Istio does: pseudo-headers cannot be changed.
            if name.starts_with(':') {
                continue;
            }
            let at = || format!("{path}.{verb}.{name}");
            let (Ok(name), Ok(bytes)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
            else {
                report.invalid(vs, at(), "not a legal header");
                continue;
            };
            if value.matches('%').count() > 1 {
                let message = "format strings in headers are expanded by Envoy only";
                report.add(Finding::warning(code::NOT_HONOURED, message).at(vs, at()));
            }
            let list = if verb == "set" { &mut out.set } else { &mut out.add };
            list.push((name, bytes));
        }
    }
    for (i, name) in said.remove.iter().enumerate() {
        if name.starts_with(':') || is_authority(name) {
            continue;
        }
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => out.remove.push(name),
            Err(_) => report.invalid(vs, format!("{path}.remove[{i}]"), "not the name of a header"),
        }
    }
    authority
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host")
}
