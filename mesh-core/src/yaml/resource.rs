//! Documents to typed resources; what does not fit becomes a finding with the span of the field.

use super::{Document, Limits, documents};
use crate::api::gateway_api;
use crate::api::kind::{from_value_at, shared};
use crate::api::mesh::{MeshNetworks, ProxyDefaults};
use crate::api::{AnyResource, FieldError, KINDS, KindInfo, MeshConfig, Meta, kind_info};
use crate::diagnostic::{Finding, Level, ResourceKey, SourceMap, Span, code};
use crate::world::Key;
use serde::de::DeserializeOwned;
use serde_json::Value;
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
    let read = documents(file, text, limits);
    let mut parsed =
        Parsed { outcomes: Vec::new(), unreadable: !read.findings.is_empty(), findings: read.findings };
    for document in read.documents {
        parsed.add(document);
    }
    parsed
}

impl Parsed {
    fn add(&mut self, Document { value, source }: Document) {
        // The kind first: what a kind that nobody reads has for a name is nobody's business.
        let read = head(&value, &source).and_then(|head| {
            let info = known(&head, &source)?;
            metadata(head, &value, &source).map(|meta| (meta, info))
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
                (true, _) => Arc::default(),
                (false, "") => shared("default"),
                (false, _) => meta.namespace,
            },
            ..meta
        };
        let key = Key::of(&meta);
        let resource = match AnyResource::from_value(meta.clone(), value, source.clone()) {
            Ok(resource) => Some(resource),
            Err(error) => {
                self.findings.push(explain(error, &meta, &source));
                None
            }
        };
        self.outcomes.push(Outcome { key, meta, source, resource });
    }
}

type Refusal = Box<Finding>;

/// Reads `apiVersion`, `kind` and, as far as they are there, names.
fn head(value: &Value, source: &Arc<SourceMap>) -> Result<Meta, Refusal> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|s| !s.is_empty());
    let group_version = text("apiVersion").unwrap_or_default();
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let string = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    let meta = Meta {
        group: shared(group),
        version: shared(version),
        kind: shared(text("kind").unwrap_or_default()),
        namespace: shared(string("namespace")),
        name: string("name").into(),
        ..Meta::default()
    };
    if let Some(missing) = ["apiVersion", "kind"].into_iter().find(|f| text(f).is_none()) {
        let resembles = ["apiVersion", "kind", "metadata", "spec"].iter().any(|f| value.get(f).is_some());
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
fn metadata(mut meta: Meta, value: &Value, source: &Arc<SourceMap>) -> Result<Meta, Refusal> {
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let wrong = |path: &str, message: &str| {
        let place = |m: &Meta| Finding::error(code::NOT_A_RESOURCE, message).about(m, source, path);
        Box::new(place(&meta))
    };
    if !metadata.is_null() && !metadata.is_object() {
        return Err(wrong("metadata", "`metadata` must be a mapping"));
    }
    for (name, path) in [("name", "metadata.name"), ("namespace", "metadata.namespace")] {
        match metadata.get(name) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(_) => return Err(Box::new(wrong(path, "must be a text").help("quote it"))),
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
    let labels = texts(metadata, "labels").map_err(|(path, message)| wrong(&path, &message))?;
    let annotations = texts(metadata, "annotations").map_err(|(path, message)| wrong(&path, &message))?;
    let created = match metadata.get("creationTimestamp") {
        None | Some(Value::Null) => None,
        Some(written) => match written.as_str().and_then(timestamp) {
            Some(seconds) => Some(seconds),
            None => {
                return Err(wrong("metadata.creationTimestamp", "not a time, such as 2026-01-31T12:00:00Z"));
            }
        },
    };
    (meta.labels, meta.annotations, meta.created) = (labels, annotations, created);
    meta.generation = metadata.get("generation").and_then(Value::as_i64);
    if meta.group.is_empty() && &*meta.kind == "Secret" {
        // kubectl's copy of the whole resource, with all that it holds.
        meta.annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    Ok(meta)
}

fn texts(metadata: &Value, field: &str) -> Result<BTreeMap<String, String>, (String, String)> {
    let path = format!("metadata.{field}");
    match metadata.get(field) {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(all)) => {
            let pair = |(key, value): (&String, &Value)| match value {
                Value::String(text) => Ok((key.clone(), text.clone())),
                Value::Null => Ok((key.clone(), String::new())),
                other => Err((format!("{path}.{key}"), format!("must be a text; quote it: \"{other}\""))),
            };
            all.iter().map(pair).collect()
        }
        Some(_) => Err((path, "must be a mapping of texts".to_owned())),
    }
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
        let near = group.is_empty() || strsim::damerau_levenshtein(k.group, group) <= 3;
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

fn did_you_mean<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let nearness = |name: &str| strsim::jaro_winkler(&written.to_lowercase(), &name.to_lowercase());
    let best = known.map(|name| (nearness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then(|| format!("did you mean `{}`?", best.1))
}

/// serde's words for what is wrong, in ours.
pub(super) fn explain(error: FieldError, meta: &Meta, source: &Arc<SourceMap>) -> Finding {
    let FieldError { path, message } = error;
    // Behind serde's message serde_json adds a place in a text that it has not seen.
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
    let finding = about(message.clone());
    let wants_text = message.ends_with("expected a string");
    let got_other = ["invalid type: integer", "invalid type: floating point", "invalid type: boolean"];
    match got_other.iter().any(|m| message.starts_with(m)) && wants_text {
        true => finding.help("quote it, so that it is a text"),
        false => finding,
    }
}

/// Reads the text of a MeshConfig: key `mesh` of ConfigMap `istio`.
///
/// # Errors
/// The first thing that is wrong, with its place in the text.
pub fn mesh_config(text: &str) -> Result<MeshConfig, Box<Finding>> {
    inner_text("MeshConfig", text)
}

/// Reads the text of MeshNetworks: key `meshNetworks` of ConfigMap `istio`.
///
/// # Errors
/// The first thing that is wrong, with its place in the text.
pub fn mesh_networks(text: &str) -> Result<MeshNetworks, Box<Finding>> {
    inner_text("MeshNetworks", text)
}

/// Reads the settings of a proxy: annotation `proxy.istio.io/config` of a pod.
///
/// # Errors
/// The first thing that is wrong, with its place in the text.
pub fn proxy_defaults(text: &str) -> Result<ProxyDefaults, Box<Finding>> {
    inner_text("ProxyConfig", text)
}

fn inner_text<T: DeserializeOwned + Default>(kind: &str, text: &str) -> Result<T, Box<Finding>> {
    let mut read = documents("mesh", text, &Limits::default());
    if let Some(finding) = read.findings.pop() {
        return Err(Box::new(finding));
    }
    let Some(document) = read.documents.into_iter().next() else { return Ok(T::default()) };
    let meta = Meta { kind: kind.into(), ..Meta::default() };
    from_value_at("", without_nulls(document.value))
        .map_err(|error| Box::new(explain(error, &meta, &document.source)))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, v)| !v.is_null());
            kept.map(|(k, v)| (k, without_nulls(v))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// Moves a finding about a text inside of a document to the document.
///
/// A block scalar's lines stand in the file as they are, but for their indentation; where they do not,
/// the finding points at the whole.
pub fn transplant(inner: Finding, meta: &Meta, source: &Arc<SourceMap>, path: &str) -> Finding {
    let mut finding = inner.clone();
    let outer = source.locate(path);
    finding.resource = ResourceKey::of(meta);
    finding.path = if inner.path.is_empty() { path.to_owned() } else { format!("{path}.{}", inner.path) };
    finding.source = Some(source.clone());
    finding.span = outer.map(|outer| inside(&inner, source, outer).unwrap_or(outer));
    finding
}

/// Finds the places of a MeshConfig's fields in the ConfigMap that holds its text.
pub(crate) struct InMeshConfig<'a> {
    inner: Option<Arc<SourceMap>>,
    meta: &'a Meta,
    source: &'a Arc<SourceMap>,
}

impl<'a> InMeshConfig<'a> {
    pub(crate) fn new(text: &str, meta: &'a Meta, source: &'a Arc<SourceMap>) -> Self {
        let read = documents("mesh", text, &Limits::default());
        Self { inner: read.documents.into_iter().next().map(|d| d.source), meta, source }
    }

    /// The finding, put where the field stands.
    pub(crate) fn put(&self, finding: Finding, field: &str) -> Finding {
        match &self.inner {
            Some(inner) => {
                let within = finding.about(&Meta::default(), inner, field);
                transplant(within, self.meta, self.source, "data.mesh")
            }
            None => finding.about(self.meta, self.source, format!("data.mesh.{field}")),
        }
    }
}

fn inside(inner: &Finding, source: &SourceMap, outer: Span) -> Option<Span> {
    let (span, text) = (inner.span?, &inner.source.as_ref()?.text);
    let line = text.lines().nth(usize::try_from(span.line).ok()?.checked_sub(1)?)?;
    let in_line = span.start - (line.as_ptr().addr().checked_sub(text.as_ptr().addr())?);
    let mut offset = outer.start;
    // From the block's first line on, the first line that is the inner one but for its indentation.
    for (number, candidate) in (outer.line..).zip(source.text.get(outer.start..)?.split_inclusive('\n')) {
        let content = candidate.trim_end();
        if number >= outer.line + span.line.saturating_sub(1)
            && !line.trim().is_empty()
            && content.trim_start() == line.trim()
        {
            let indent = content.len() - content.trim_start().len();
            let inner_indent = line.len() - line.trim_start().len();
            let start = offset + indent + in_line.checked_sub(inner_indent)?;
            let column = u32::try_from(source.text.get(offset..start)?.chars().count()).ok()? + 1;
            return Some(Span { line: number, column, start, end: start + (span.end - span.start) });
        }
        offset += candidate.len();
    }
    None
}
