//! What became of each resource that a source has read: accepted, refused, held back, without effect.
//!
//! ```text
//! file ─▶ yaml, validate ─▶ [Status] per resource ─▶ json ─▶ /debug, meshctl, Kubernetes' `status`
//!                               └─ is it in force? else what is?
//! ```
//!
//! Findings say what is wrong; a status says what the mesh made of it. Its JSON has the shape of Istio's
//! `status` (`conditions`, `validationMessages`, `observedGeneration`), so that it can be written back.

use crate::diagnostic::{Findings, Level};
use crate::origin::Place;
use crate::world::Key;
use imbl::OrdMap;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// What became of one resource, as one place declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Which resource it is.
    pub key: Key,
    /// Its API version as written, such as `v1`.
    pub version: Arc<str>,
    /// Where it is declared.
    pub place: Place,
    /// `metadata.generation` of what is declared there, where Kubernetes wrote one.
    pub generation: Option<i64>,
    /// Whether it is in force.
    pub state: State,
    /// What there is to say about it, from reading and validation.
    pub findings: Findings,
}

/// Whether a resource is in force. Versions are those of the World in which what is in force came into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// In force as it is declared.
    Accepted {
        /// Since this World.
        since: Arc<str>,
    },
    /// In force as it is declared; there are warnings.
    AcceptedWithWarnings {
        /// Since this World.
        since: Arc<str>,
    },
    /// Refused; the last version of it that was good is in force.
    LastGoodInForce {
        /// Since this World.
        since: Arc<str>,
    },
    /// Refused, and no version of it was ever good: nothing of it is in force.
    NothingInForce,
    /// Without effect: another declaration of the same resource takes precedence.
    Duplicate {
        /// Where that one is.
        in_force: Place,
    },
}

impl State {
    /// `Accepted`, `AcceptedWithWarnings`, `LastGoodInForce`, `NothingInForce` or `Duplicate`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "Accepted",
            Self::AcceptedWithWarnings { .. } => "AcceptedWithWarnings",
            Self::LastGoodInForce { .. } => "LastGoodInForce",
            Self::NothingInForce => "NothingInForce",
            Self::Duplicate { .. } => "Duplicate",
        }
    }

    /// Whether what is declared is what is in force.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. } | Self::AcceptedWithWarnings { .. })
    }

    /// The World in which what is in force came into it, if this declaration has something in force.
    pub fn since(&self) -> Option<&Arc<str>> {
        match self {
            Self::Accepted { since }
            | Self::AcceptedWithWarnings { since }
            | Self::LastGoodInForce { since } => Some(since),
            Self::NothingInForce | Self::Duplicate { .. } => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { since } => write!(f, "in force since version {since}"),
            Self::AcceptedWithWarnings { since } => {
                write!(f, "in force since version {since}, with warnings")
            }
            Self::LastGoodInForce { since } => {
                write!(f, "refused; the last good version, of version {since}, stays in force")
            }
            Self::NothingInForce => f.write_str("refused; nothing of it is in force"),
            Self::Duplicate { in_force } => {
                write!(f, "without effect: the declaration at {in_force} takes precedence")
            }
        }
    }
}

/// The status of every resource of a source, by file and then in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    files: OrdMap<Arc<str>, Arc<[Status]>>,
}

impl Statuses {
    /// Of every declaration.
    pub fn iter(&self) -> impl Iterator<Item = &Status> {
        self.files.values().flat_map(|all| all.iter())
    }

    /// Of what one file declares.
    pub fn of_file(&self, file: &str) -> &[Status] {
        self.files.get(file).map_or(&[], |all| all)
    }

    /// Of each place that declares a resource.
    pub fn of<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Status> {
        self.iter().filter(move |s| s.key == *key)
    }

    /// How many declarations there are.
    pub fn len(&self) -> usize {
        self.files.values().map(|all| all.len()).sum()
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn set(&mut self, file: &Arc<str>, all: Vec<Status>) {
        if all.is_empty() {
            self.files.remove(&**file);
        } else {
            self.files.insert(file.clone(), all.into());
        }
    }
}

impl PartialEq for Statuses {
    /// What both share is not compared.
    fn eq(&self, other: &Self) -> bool {
        self.files.len() == other.files.len()
            && self.files.iter().zip(&other.files).all(|((file, all), (other, theirs))| {
                file == other && (Arc::ptr_eq(all, theirs) || all == theirs)
            })
    }
}

/// Statuses as a JSON list, in the order given. Of each: `apiVersion`, `kind` and `metadata`; `source` with
/// `file` and `line`; `state` as [`State::as_str`] names it; `version`, that of the World in which what is
/// in force came into it, or `null`; and `status` as Istio has it in its resources:
///
/// - `conditions`: `PassedAnalysis`, Istio's, `False` if there are errors; and `Accepted`, as the Gateway API
///   has it, `True` if what is declared is what is in force.
/// - `validationMessages`: `type.code`, `level`, `message`, and `documentationUrl` for Istio's own codes.
/// - `observedGeneration` where the resource has a generation.
///
/// Times are left to whoever writes a status into a store, since nothing here reads a clock.
pub fn json<'a>(all: impl IntoIterator<Item = &'a Status>) -> Value {
    all.into_iter().map(one).collect()
}

fn one(status: &Status) -> Value {
    let Status { key, version, place, generation, state, .. } = status;
    let api_version = match &*key.group {
        "" => version.to_string(),
        group => format!("{group}/{version}"),
    };
    let mut metadata = json!({ "name": &*key.name });
    if !key.namespace.is_empty() {
        set(&mut metadata, "namespace", json!(&*key.namespace));
    }
    if let Some(generation) = generation {
        set(&mut metadata, "generation", json!(generation));
    }
    json!({
        "apiVersion": api_version,
        "kind": &*key.kind,
        "metadata": metadata,
        "source": { "file": &*place.file, "line": place.line },
        "state": state.as_str(),
        "version": state.since().map(|v| &**v),
        "status": as_istio(status),
    })
}

/// The `status` of a resource as Istio's `IstioStatus` has it; see [`json()`].
pub fn as_istio(status: &Status) -> Value {
    let messages: Vec<Value> = status
        .findings
        .iter()
        .map(|f| {
            let mut message = json!({
                "type": { "code": f.code },
                "level": f.level.as_str().to_ascii_uppercase(),
                "message": if f.path.is_empty() { f.message.clone() } else { format!("{}: {}", f.path, f.message) },
            });
            if f.code.starts_with("IST") {
                let code = f.code.to_ascii_lowercase();
                let url = format!("https://istio.io/latest/docs/reference/config/analysis/{code}/");
                set(&mut message, "documentationUrl", json!(url));
            }
            message
        })
        .collect();
    let mut out = json!({ "conditions": [analysis(status), acceptance(status)] });
    if !messages.is_empty() {
        set(&mut out, "validationMessages", Value::Array(messages));
    }
    if let Some(generation) = status.generation {
        set(&mut out, "observedGeneration", json!(generation));
    }
    out
}

fn analysis(status: &Status) -> Value {
    let count = |level| status.findings.iter().filter(|f| f.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let found = match (errors, warnings) {
        (0, 0) => "nothing found".to_owned(),
        (_, 0) => format!("{} found; see validationMessages", many(errors, "Error")),
        (0, _) => format!("{} found; see validationMessages", many(warnings, "Warning")),
        _ => format!(
            "{} and {} found; see validationMessages",
            many(errors, "Error"),
            many(warnings, "Warning")
        ),
    };
    condition(
        "PassedAnalysis",
        errors == 0,
        if errors == 0 { "noErrorsFound" } else { "errorsFound" },
        &found,
    )
}

fn acceptance(status: &Status) -> Value {
    let reason = match &status.state {
        State::Accepted { .. } | State::AcceptedWithWarnings { .. } => "Accepted",
        State::LastGoodInForce { .. } | State::NothingInForce => "Invalid",
        State::Duplicate { .. } => "Conflicted",
    };
    condition("Accepted", status.state.is_accepted(), reason, &status.state.to_string())
}

fn condition(kind: &str, is: bool, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": if is { "True" } else { "False" }, "reason": reason, "message": message })
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value);
    }
}
