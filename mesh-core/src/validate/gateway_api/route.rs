//! What all routes share: parents, backends, names of rules, sessions.

use crate::api::gateway_api::reference::{
    BackendObjectReference, BackendRef, ParentReference, RouteBackendRef,
};
use crate::api::gateway_api::session::{CookieLifetimeType, SessionPersistence, SessionPersistenceType};
use crate::validate::names::is_longer_than;
use crate::validate::report::Report;

/// As many parents does the Gateway API allow.
const MOST_PARENTS: usize = 32;

/// The parents of a route. Two references to one parent must be told apart, and by the same fields.
pub(super) fn parents(all: &[ParentReference], report: &mut Report<'_>) {
    report.at_most("spec.parentRefs", all.len(), MOST_PARENTS, "parent");
    for (i, parent) in all.iter().enumerate().take(MOST_PARENTS) {
        let path = format!("spec.parentRefs[{i}]");
        report.group_kind(&path, &parent.group, &parent.kind);
        report.object_name(&path, &parent.name);
        report.namespace(&path, &parent.namespace);
        report.section_name(&format!("{path}.sectionName"), &parent.section_name);
        let same = |o: &&ParentReference| {
            (&o.group, &o.kind, &o.namespace, &o.name)
                == (&parent.group, &parent.kind, &parent.namespace, &parent.name)
        };
        match all.iter().take(i).filter(same).map(|o| told_apart(o, parent)).max() {
            None | Some(Apart::Yes) => {}
            Some(Apart::ByOtherFields) => {
                let help = "give every reference to the same parent a sectionName, or every one a port";
                report.refuse(&path, "this parent is named before, with other fields", help);
            }
            Some(Apart::No) => {
                let help =
                    "name each listener once, by sectionName or port; without either, all of them are meant";
                report.refuse(&path, "this parent is named before", help);
            }
        }
    }
}

/// How two references to one parent are told apart, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Apart {
    Yes,
    ByOtherFields,
    No,
}

/// The standard channel looks at sections alone, the experimental one at ports too. Either's word is enough.
fn told_apart(one: &ParentReference, other: &ParentReference) -> Apart {
    if one.section_name.is_empty() != other.section_name.is_empty() {
        return Apart::ByOtherFields;
    }
    if one.section_name != other.section_name {
        return Apart::Yes;
    }
    match (one.port, other.port) {
        (Some(one), Some(other)) if one != other => Apart::Yes,
        (Some(_), None) | (None, Some(_)) => Apart::ByOtherFields,
        _ => Apart::No,
    }
}

/// The names of rules differ.
pub(super) fn rule_names<'s>(names: impl IntoIterator<Item = &'s str>, report: &mut Report<'_>) {
    let names = names.into_iter().enumerate().map(|(i, name)| (format!("spec.rules[{i}].name"), name));
    let names: Vec<_> = names.collect();
    for (path, name) in &names {
        report.section_name(path, name);
    }
    report.unique("rule", names.into_iter().filter(|(_, name)| !name.is_empty()));
}

/// What the references to backends share, each of which says more in its own way.
pub(super) struct Backend<'a> {
    group: &'a str,
    kind: &'a str,
    name: &'a str,
    namespace: &'a str,
    port: Option<u16>,
}

macro_rules! backends {
    ($([$($of:ident)?] $kind:ty),+) => {
        $(impl<'a $(, $of)?> From<&'a $kind> for Backend<'a> {
            fn from(to: &'a $kind) -> Self {
                Self { group: &to.group, kind: &to.kind, name: &to.name, namespace: &to.namespace, port: to.port }
            }
        })+
    };
}

backends!([] BackendObjectReference, [] BackendRef, [F] RouteBackendRef<F>);

/// A backend: the parts of its reference, and a port if it is a Service.
pub(super) fn backend<'a>(path: &str, to: impl Into<Backend<'a>>, report: &mut Report<'_>) {
    let to = to.into();
    report.group_kind(path, to.group, to.kind);
    report.object_name(path, to.name);
    report.namespace(path, to.namespace);
    if to.group.is_empty() && to.kind == "Service" && to.port.is_none() {
        report.refuse(path, "a Service without a port", "write the Service's port, not that of its pods");
    }
}

/// A backend's share.
pub(super) fn weight(path: &str, weight: i32, report: &mut Report<'_>) {
    if !(0..=1_000_000).contains(&weight) {
        let help = "weights are between 0 and 1000000, and need not sum up to 100";
        report.refuse(&format!("{path}.weight"), format!("{weight} is not a weight"), help);
    }
}

/// Session persistence of a rule.
pub(super) fn session(path: &str, session: Option<&SessionPersistence>, report: &mut Report<'_>) {
    let Some(session) = session else { return };
    if is_longer_than(&session.session_name, 128) {
        let help = "name the cookie or header in at most 128 characters";
        report.refuse(&format!("{path}.sessionName"), "too long a name", help);
    }
    let Some(cookie) = &session.cookie_config else { return };
    if session.r#type == SessionPersistenceType::Header {
        let help = "write type: Cookie, or leave cookieConfig out";
        report.refuse(&format!("{path}.cookieConfig"), "a cookie's settings for a header", help);
    }
    if cookie.lifetime_type == CookieLifetimeType::Permanent && session.absolute_timeout.is_none() {
        let path = format!("{path}.cookieConfig.lifetimeType");
        report.refuse(&path, "a permanent cookie without an end", "write absoluteTimeout");
    }
}
