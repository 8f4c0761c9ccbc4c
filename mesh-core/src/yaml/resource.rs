//! Documents to typed resources; what does not fit becomes a finding with the span of the field.

use super::names::Names;
use super::tree::Tree;
use super::{Limits, each_document};
use crate::api::gateway_api;
use crate::api::{AnyResource, FieldError, KINDS, KindInfo, Meta, kind_info};
use crate::diagnostic::{Finding, Level, SourceMap, code, did_you_mean};
use crate::world::Key;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The resources of one text.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// One for each document that says which resource it is.
    pub outcomes: Vec<Outcome>,
    /// What there is to say.
    pub findings: Vec<Finding>,
    /// Whether a part of the text could not be told to be a particular resource, so that something which
    /// was there before may still be meant to be.
    pub unreadable: bool,
}

/// What became of one document.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which resource it is.
    pub key: Key,
    /// What it is called.
    pub meta: Meta,
    /// Where its fields stand.
    pub source: Arc<SourceMap>,
    /// The resource, unless it was refused.
    pub resource: Option<AnyResource>,
}

/// Reads all resources of a text.
///
/// ```
/// let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hots: [a]}\n";
/// let parsed = mesh_core::yaml::resources("a.yaml", text, &Default::default());
/// let finding = &parsed.findings[0];
/// assert_eq!(finding.message, "unknown field `hots`");
/// assert_eq!(finding.help.as_deref(), Some("did you mean `hosts`?"));
/// assert_eq!(finding.span.map(|s| (s.line, s.column)), Some((4, 8)));
/// ```
pub fn resources(file: &str, text: &str, limits: &Limits) -> Parsed {
    let mut parsed = Parsed::default();
    let mut names = Names::default();
    let mut findings =
        each_document(file, text, limits, |tree, source| parsed.add(tree, &source, &mut names));
    parsed.unreadable |= !findings.is_empty();
    findings.append(&mut parsed.findings);
    parsed.findings = findings;
    parsed
}

impl Parsed {
    fn add(&mut self, tree: Tree<'_, '_>, source: &Arc<SourceMap>, names: &mut Names) {
        // The kind first: what a kind that nobody reads has for a name is nobody's business.
        let read = head(tree, source, names).and_then(|head| {
            let info = known(&head, source)?;
            metadata(head, tree, source).map(|meta| (meta, info))
        });
        let (meta, info) = match read {
            Ok(read) => read,
            Err(finding) => {
                self.unreadable |= finding.level == Level::Error;
                self.findings.push(*finding);
                return;
            }
        };
        let meta = Meta {
            namespace: match (info.cluster_scoped, &*meta.namespace) {
                (true, _) => names.get(""),
                (false, "") => names.get("default"),
                (false, _) => meta.namespace,
            },
            ..meta
        };
        let key = Key::of(&meta);
        let resource = match AnyResource::from_tree(meta.clone(), tree, source.clone()) {
            Ok(resource) => Some(resource),
            Err(error) => {
                self.findings.push(explain(error, &meta, source));
                None
            }
        };
        self.outcomes.push(Outcome { key, meta, source: source.clone(), resource });
    }
}

type Refusal = Box<Finding>;

/// Reads `apiVersion`, `kind` and, as far as they are there, names.
fn head(tree: Tree<'_, '_>, source: &Arc<SourceMap>, names: &mut Names) -> Result<Meta, Refusal> {
    let text = |name: &str| tree.field(name).and_then(Tree::text).filter(|s| !s.is_empty());
    let group_version = text("apiVersion").unwrap_or_default();
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let metadata = tree.field("metadata").unwrap_or(Tree::empty());
    let string = |name: &str| metadata.field(name).and_then(Tree::text).unwrap_or_default();
    let meta = Meta {
        group: names.get(group),
        version: names.get(version),
        kind: names.get(text("kind").unwrap_or_default()),
        namespace: names.get(string("namespace")),
        name: string("name").into(),
        ..Meta::default()
    };
    if let Some(missing) = ["apiVersion", "kind"].into_iter().find(|f| text(f).is_none()) {
        let resembles = ["apiVersion", "kind", "metadata", "spec"].iter().any(|f| tree.field(f).is_some());
        let finding = if resembles {
            Finding::error(code::NOT_A_RESOURCE, format!("`{missing}` is missing"))
        } else {
            Finding::warning(code::NOT_A_RESOURCE, "not a resource: it has neither `apiVersion` nor `kind`")
        };
        return Err(Box::new(finding.about(&meta, source, "")));
    }
    Ok(meta)
}

/// Reads the rest of `metadata`.
fn metadata(mut meta: Meta, tree: Tree<'_, '_>, source: &Arc<SourceMap>) -> Result<Meta, Refusal> {
    let metadata = tree.field("metadata").filter(|m| !m.is_null()).unwrap_or(Tree::empty());
    let wrong = |path: &str, message: &str| {
        let place = |m: &Meta| Finding::error(code::NOT_A_RESOURCE, message).about(m, source, path);
        Box::new(place(&meta))
    };
    if !metadata.is_map() {
        return Err(wrong("metadata", "`metadata` must be a mapping"));
    }
    for (name, path) in [("name", "metadata.name"), ("namespace", "metadata.namespace")] {
        if metadata.field(name).is_some_and(|field| !field.is_null() && field.text().is_none()) {
            return Err(Box::new(wrong(path, "must be a text").help("quote it")));
        }
    }
    if meta.name.is_empty() {
        return Err(wrong("metadata.name", "`metadata.name` is missing"));
    }
    if !is_subdomain(&meta.name) {
        let message =
            format!("{:?} is not a legal name: lower-case letters, digits, '-' and '.'", &*meta.name);
        return Err(wrong("metadata.name", &message));
    }
    if !meta.namespace.is_empty() && (!is_subdomain(&meta.namespace) || meta.namespace.contains('.')) {
        let message =
            format!("{:?} is not a legal namespace: lower-case letters, digits and '-'", &*meta.namespace);
        return Err(wrong("metadata.namespace", &message));
    }
    let texts = |field| texts(metadata, field, source).map_err(|(path, why)| wrong(&path, &why));
    let (labels, annotations) = (texts("labels")?, texts("annotations")?);
    let created = match metadata.field("creationTimestamp").filter(|c| !c.is_null()) {
        None => None,
        Some(written) => match written.text().and_then(timestamp) {
            Some(seconds) => Some(seconds),
            None => {
                return Err(wrong("metadata.creationTimestamp", "not a time, such as 2026-01-31T12:00:00Z"));
            }
        },
    };
    (meta.labels, meta.annotations, meta.created) = (labels, annotations, created);
    meta.generation = metadata.field("generation").and_then(|g| g.to_value().as_i64());
    if meta.group.is_empty() && &*meta.kind == "Secret" {
        // kubectl's copy of the whole resource, with all that it holds.
        meta.annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    Ok(meta)
}

fn texts(
    metadata: Tree<'_, '_>,
    field: &str,
    source: &SourceMap,
) -> Result<BTreeMap<String, String>, (String, String)> {
    let path = format!("metadata.{field}");
    let Some(all) = metadata.field(field).filter(|f| !f.is_null()) else { return Ok(BTreeMap::new()) };
    if !all.is_map() {
        return Err((path, "must be a mapping of texts".to_owned()));
    }
    let pair = |value: Tree<'_, '_>| {
        let key = value.name().unwrap_or_default().to_owned();
        match value.text() {
            Some(text) => Ok((key, text.to_owned())),
            None if value.is_null() => Ok((key, String::new())),
            None => {
                let span = value.span();
                let written = source.text.get(span.start..span.end).unwrap_or_default();
                Err((format!("{path}.{key}"), format!("must be a text; quote it: \"{written}\"")))
            }
        }
    };
    all.children().map(pair).collect()
}

fn timestamp(text: &str) -> Option<i64> {
    use time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, &Rfc3339).ok().map(time::OffsetDateTime::unix_timestamp)
}

/// RFC 1123, as Kubernetes demands of names.
pub(crate) fn is_subdomain(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= 253
        && name.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(legal) && !part.starts_with('-') && !part.ends_with('-')
        })
}

/// Kinds that Istio honours and this mesh does not yet: by group, and kind where not all of it is meant.
const NOT_YET: &[(&str, &str)] = &[
    ("gateway.networking.x-k8s.io", ""),
    ("inference.networking.k8s.io", ""),
    ("multicluster.x-k8s.io", ""),
];

fn known(meta: &Meta, source: &Arc<SourceMap>) -> Result<&'static KindInfo, Refusal> {
    let Meta { group, version, kind, .. } = meta;
    if let Some(info) = kind_info(group, kind) {
        if info.versions.contains(&&**version) {
            return Ok(info);
        }
        let (stored, all) = (info.versions.first().copied().unwrap_or_default(), info.versions.join(", "));
        let slash = if group.is_empty() { "" } else { "/" };
        let finding =
            Finding::error(code::UNKNOWN_KIND, format!("{kind} has no version `{version}`; it has {all}"))
                .about(meta, source, "apiVersion")
                .help(format!("write `apiVersion: {group}{slash}{stored}`"));
        return Err(Box::new(finding));
    }
    if NOT_YET.iter().any(|(g, k)| *g == &**group && (k.is_empty() || *k == &**kind)) {
        let message = format!("{kind} of {group} is not honoured yet: this resource has no effect");
        return Err(Box::new(Finding::warning(code::NOT_HONOURED, message).about(meta, source, "kind")));
    }
    // Of these groups every kind is known here.
    let is_whole = |g: &str| g == gateway_api::GROUP || g.ends_with(".istio.io") && g != "install.istio.io";
    if is_whole(group) {
        let kinds = KINDS.iter().filter(|k| k.group == &**group).map(|k| k.kind);
        let message = format!("{group} has no kind `{kind}`");
        let mut finding = Finding::error(code::UNKNOWN_KIND, message).about(meta, source, "kind");
        if let Some(help) = did_you_mean(kind, kinds) {
            finding = finding.help(help);
        }
        return Err(Box::new(finding));
    }
    // `apiVersion: networking.istio.io` or a slip in the group would else be dropped in silence.
    let meant = KINDS.iter().find(|k| {
        let near = group.is_empty() || group.len() < 100 && strsim::damerau_levenshtein(k.group, group) <= 3;
        is_whole(k.group) && k.kind == &**kind && near
    });
    if let Some(KindInfo { group, versions, .. }) = meant {
        let right = format!("{group}/{}", versions.first().copied().unwrap_or_default());
        let finding = Finding::error(code::UNKNOWN_KIND, format!("this is not the apiVersion of a {kind}"))
            .about(meta, source, "apiVersion")
            .help(format!("write `apiVersion: {right}`"));
        return Err(Box::new(finding));
    }
    let message = format!("{kind} is a kind that the mesh does not read");
    Err(Box::new(Finding::info(code::UNREAD_KIND, message).about(meta, source, "kind")))
}

/// serde's words for what is wrong, in ours.
pub(super) fn explain(error: FieldError, meta: &Meta, source: &Arc<SourceMap>) -> Finding {
    let FieldError { path, message } = error;
    let mut quoted = message.split('`').skip(1).step_by(2);
    let about = |text: String| Finding::error(code::SCHEMA, text).about(meta, source, path.clone());
    if message.starts_with("unknown field") {
        let name = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let whole =
            if path.rsplit('.').next() == Some(name) { path.clone() } else { format!("{path}.{name}") };
        let help = did_you_mean(name, known.iter().copied())
            .unwrap_or_else(|| format!("the fields here are {}", known.join(", ")));
        let finding = Finding::error(code::SCHEMA, format!("unknown field `{name}`"));
        return finding.about(meta, source, whole).at_key().help(help);
    }
    if message.starts_with("unknown variant") {
        let name = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let help = did_you_mean(name, known.iter().copied())
            .unwrap_or_else(|| format!("the values here are {}", known.join(", ")));
        return about(format!("`{name}` is not a value of this field")).help(help);
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        // Two spellings of it: the same one twice is refused before.
        let finding = about(format!("{name} is written twice, in two spellings")).at_key();
        return finding.help("keep one of them");
    }
    let Some((got, wanted)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return about(message);
    };
    let (got, wanted) = (in_yaml(got), wish(wanted));
    let finding = about(format!("{got}, where {wanted} is expected"));
    let is_scalar = ["integer", "floating point", "boolean"].iter().any(|kind| got.starts_with(kind));
    if wanted != TEXT || !is_scalar {
        return finding.help(format!("write {wanted}"));
    }
    let written = finding.span.and_then(|span| source.text.get(span.start..span.end)).unwrap_or_default();
    match written {
        "" | "true" | "false" => finding.help("quote it, so that it is a text"),
        // What surprises: `on` and `017` are no texts to Go.
        written if got.starts_with("boolean") => {
            finding.help(format!("quote it: to YAML, `{written}` is a boolean"))
        }
        _ => finding.help("quote it, so that it is a text"),
    }
}

const TEXT: &str = "a text";

/// What is there, in YAML's words rather than in those of a program.
fn in_yaml(got: &str) -> String {
    match got.split_once(' ') {
        None if got == "sequence" => "a list".to_owned(),
        None if got == "map" => "a mapping".to_owned(),
        None if got == "null" => "nothing".to_owned(),
        Some(("string", text)) => format!("the text {text}"),
        _ => got.to_owned(),
    }
}

/// What is wanted, in the same words.
fn wish(wanted: &str) -> String {
    let whole = |least: &dyn std::fmt::Display, most: &dyn std::fmt::Display| {
        format!("a whole number from {least} to {most}")
    };
    match wanted {
        "a string" | "string" | "str" => TEXT.to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "u8" => whole(&u8::MIN, &u8::MAX),
        "u16" => whole(&u16::MIN, &u16::MAX),
        "u32" => whole(&u32::MIN, &u32::MAX),
        "u64" => whole(&u64::MIN, &u64::MAX),
        "i32" => whole(&i32::MIN, &i32::MAX),
        "i64" => whole(&i64::MIN, &i64::MAX),
        wanted if wanted.starts_with("struct ") => "a mapping".to_owned(),
        wanted => wanted.to_owned(),
    }
}
