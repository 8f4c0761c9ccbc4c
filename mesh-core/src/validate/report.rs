//! Collects findings about one resource, and the checks that many kinds share.

use super::names;
pub(super) use super::names::is_label;
use crate::api::Meta;
use crate::api::value::{Percent, Span, StringMatch};
use crate::diagnostic::{Finding, Findings, Level, SourceMap, code};
use crate::hostname::Hostname;
use crate::model::matcher::Regex;
use crate::registry::Protocol;
use ipnet::IpNet;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Collects the findings about one resource.
pub(super) struct Report<'a> {
    pub(super) meta: &'a Meta,
    pub(super) source: &'a Arc<SourceMap>,
    findings: Findings,
    errors: usize,
    warnings: usize,
}

/// So many errors and so many warnings are told of one resource. Nobody reads more, and each costs a search for its
/// place: a list of a hundred thousand wrong items must not be the work of minutes.
const MOST: usize = 100;

impl<'a> Report<'a> {
    pub(super) fn new(meta: &'a Meta, source: &'a Arc<SourceMap>) -> Self {
        Self { meta, source, findings: Vec::new(), errors: 0, warnings: 0 }
    }

    pub(super) fn into_findings(mut self) -> Findings {
        let more = [(Level::Error, self.errors, "errors"), (Level::Warning, self.warnings, "warnings")];
        for (level, count, what) in more.into_iter().filter(|(_, count, _)| *count > MOST) {
            let message = format!("{} more {what} in this resource", count - MOST);
            let code = if level == Level::Error { code::SCHEMA } else { code::SCHEMA_WARNING };
            let finding = Finding::new(level, code, message).about(self.meta, self.source, "");
            self.findings.push(finding.help("mend the others first: many may have the same cause"));
        }
        self.findings
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.add(finding.level, || finding);
    }

    /// Makes a finding, unless there are too many of its level.
    fn add(&mut self, level: Level, make: impl FnOnce() -> Finding) {
        let count = match level {
            Level::Error => &mut self.errors,
            Level::Warning => &mut self.warnings,
            Level::Info => return self.findings.push(make()),
        };
        *count += 1;
        if *count <= MOST {
            self.findings.push(make());
        }
    }

    /// A field that is refused, and what would be right.
    pub(super) fn refuse(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let (meta, source) = (self.meta, self.source);
        self.add(Level::Error, || Finding::error(code::SCHEMA, message).about(meta, source, path).help(help));
    }

    /// As [`refuse`](Self::refuse), where the name of the field is wrong rather than its value.
    pub(super) fn refuse_key(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let (meta, source) = (self.meta, self.source);
        self.add(Level::Error, || {
            Finding::error(code::SCHEMA, message).about(meta, source, path).at_key().help(help)
        });
    }

    /// As [`warn`](Self::warn), about the field as a whole rather than its value.
    pub(super) fn warn_key(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.warn_as(code::SCHEMA_WARNING, path, message, |finding| finding.at_key().help(help));
    }

    /// A field that has a newer form.
    pub(super) fn deprecated(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.warn_as(code::DEPRECATED, path, message, |finding| finding.at_key().help(help));
    }

    /// A rule that no request reaches, as a whole.
    pub(super) fn unreachable(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.warn_as(code::UNREACHABLE_RULE, path, message, |finding| finding.help(help));
    }

    /// A match that no request reaches, of a rule that is reached.
    pub(super) fn ineffective(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.warn_as(code::INEFFECTIVE_MATCH, path, message, |finding| finding.help(help));
    }

    fn warn_as(
        &mut self,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        more: impl FnOnce(Finding) -> Finding,
    ) {
        let (meta, source) = (self.meta, self.source);
        self.add(Level::Warning, || more(Finding::warning(code, message).about(meta, source, path)));
    }

    /// A field that works, perhaps not as meant.
    pub(super) fn warn(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.warn_as(code::SCHEMA_WARNING, path, message, |finding| finding.help(help));
    }

    /// Whether a field is written, be it empty.
    pub(super) fn is_written(&self, path: &str) -> bool {
        self.source.is_written(path)
    }

    /// A host by the rules that Istio has for those of routes: a wildcard may stand for a part of the first label;
    /// labels have letters, digits and dashes; the last of several is no number, so that no address is a host.
    pub(super) fn dns_host(&mut self, path: &str, host: &str) -> Option<Hostname> {
        let Some(problem) = names::problem_of_host(host) else { return self.parsed(path, host) };
        match host {
            "" => self.refuse(path, "a host is missing", "name a host, such as reviews or *.example.com"),
            address if address.parse::<IpAddr>().is_ok() => {
                let help = "declare a ServiceEntry for the address, and name its host";
                self.refuse(path, format!("{address} is an address, not a host"), help);
            }
            _ => self.refuse(path, format!("{host:?} is not a host: {problem}"), names::HOST),
        }
        None
    }

    fn parsed(&mut self, path: &str, host: &str) -> Option<Hostname> {
        match host.parse() {
            Ok(host) => Some(host),
            Err(error) => {
                self.refuse(path, format!("{host:?} is not a host: {error}"), names::HOST);
                None
            }
        }
    }

    /// A list that must not name the same thing twice.
    pub(super) fn unique<'s>(&mut self, what: &str, items: impl IntoIterator<Item = (String, &'s str)>) {
        let mut seen = HashSet::new();
        for (path, item) in items {
            if !seen.insert(item) {
                self.refuse(&path, format!("{what} `{item}` is there twice"), "give each a name of its own");
            }
        }
    }

    /// A length of time that is at least a millisecond, in whole milliseconds, as Envoy counts.
    pub(super) fn duration(&mut self, path: &str, span: Option<Span>) {
        let Some(Span(time)) = span else { return };
        if time < Duration::from_millis(1) {
            self.refuse(path, "a duration of less than 1ms", "leave the field out, or write 1ms or more");
        } else if time.subsec_nanos() % 1_000_000 != 0 {
            self.refuse(path, "a duration finer than a millisecond", "use whole milliseconds");
        }
    }

    /// A share between 0 and 100.
    pub(super) fn percent(&mut self, path: &str, percent: Option<Percent>) {
        let Some(Percent { value }) = percent else { return };
        if !(0.0..=100.0).contains(&value) {
            let path = format!("{path}.value");
            self.refuse(&path, format!("{value} is not a percentage"), "a percentage is between 0 and 100");
        } else if value > 0.0 && value < 0.0001 {
            let path = format!("{path}.value");
            self.refuse(
                &path,
                format!("{value}% is finer than can be told apart"),
                "0.0001 is the least above 0",
            );
        }
    }

    /// The same, written as a number by itself.
    pub(super) fn share(&mut self, path: &str, value: Option<f64>) {
        if let Some(value) = value.filter(|v| !(0.0..=100.0).contains(v)) {
            self.refuse(path, format!("{value} is not a percentage"), "a percentage is between 0 and 100");
        }
    }

    /// A share between 0 and 100, in whole percent.
    pub(super) fn whole_percent(&mut self, path: &str, value: Option<i64>) {
        if let Some(value) = value.filter(|v| !(0..=100).contains(v)) {
            self.refuse(path, format!("{value} is not a percentage"), "a percentage is between 0 and 100");
        }
    }

    /// A number that must not be negative.
    pub(super) fn not_negative(&mut self, path: &str, value: Option<i32>) {
        if let Some(value) = value.filter(|v| *v < 0) {
            self.refuse(path, format!("{value} is negative"), "write 0 or more");
        }
    }

    /// A text match: an empty prefix or pattern means nothing, and a pattern must compile.
    pub(super) fn string_match(&mut self, path: &str, wanted: &StringMatch) {
        match wanted {
            StringMatch::Prefix(text) if text.is_empty() => {
                let path = format!("{path}.prefix");
                self.refuse(&path, "an empty prefix", "leave the match out to match everything");
            }
            StringMatch::Regex(pattern) => self.regex(&format!("{path}.regex"), pattern),
            _ => {}
        }
    }

    /// A match of something that is always there: it must say what is wanted.
    pub(super) fn required_match(&mut self, path: &str, wanted: Option<&StringMatch>) {
        match wanted {
            Some(StringMatch::Present) => {
                self.refuse(path, "a match of nothing", "write one of exact, prefix and regex");
            }
            Some(wanted) => self.string_match(path, wanted),
            None => {}
        }
    }

    pub(super) fn regex(&mut self, path: &str, pattern: &str) {
        if pattern.is_empty() {
            return self.refuse(path, "an empty pattern", "leave the match out to match everything");
        }
        if let Err(error) = Regex::new(pattern) {
            // The regular expressions' own message draws a picture over several lines; its last says it.
            let message = error.to_string();
            let last = message.lines().last().unwrap_or(&message).trim_start_matches("error: ");
            let help = match pattern {
                "*" => "write {} for any value",
                _ => "patterns are RE2: no look-around, no back-references, 1024 bytes",
            };
            self.refuse(path, last.to_owned(), help);
        }
    }

    pub(super) fn matches(&mut self, path: &str, all: &BTreeMap<String, StringMatch>) {
        for (name, wanted) in all {
            let path = format!("{path}.{name}");
            if name.is_empty() {
                self.refuse(&path, "a name is missing", "name what is to match");
            }
            self.string_match(&path, wanted);
        }
    }

    /// A protocol that Gateway, ServiceEntry and Sidecar may name.
    pub(super) fn protocol(&mut self, path: &str, text: &str) -> Option<Protocol> {
        let known = Protocol::parse(text);
        if known.is_none() {
            let help =
                "the protocols are HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, TCP, MONGO, REDIS, MYSQL and UDP";
            match text.is_empty() {
                true => self.refuse(path, "the port's protocol is missing", help),
                false => self.refuse(path, format!("`{text}` is not a protocol"), help),
            }
        }
        known
    }

    /// A port that must be written; the number itself is in range by its type.
    pub(super) fn port_number(&mut self, path: &str, number: u16) {
        if number == 0 && self.is_written(path) {
            self.refuse(path, "0 is not a port", "a port is between 1 and 65535");
        } else if number == 0 {
            self.refuse(path, "the port's number is missing", "a port is between 1 and 65535");
        }
    }

    /// An address or a network.
    pub(super) fn network(&mut self, path: &str, text: &str) {
        if text.parse::<IpNet>().is_err() && text.parse::<IpAddr>().is_err() {
            let help = "write an address such as 10.0.0.1, or a network such as 10.0.0.0/8";
            self.refuse(path, format!("{text:?} is neither an IP address nor a network"), help);
        }
    }

    /// An address to bind.
    pub(super) fn bind(&mut self, path: &str, text: &str) {
        if !text.is_empty() && text.parse::<IpAddr>().is_err() {
            self.refuse(path, format!("{text:?} is not an IP address"), "write an address such as 127.0.0.1");
        }
    }

    /// The path of a Unix socket behind `unix://`; names beginning with `@` are abstract.
    pub(super) fn unix_path(&mut self, path: &str, socket: &str) {
        if !socket.starts_with('@') && (!socket.starts_with('/') || socket.ends_with('/')) {
            let message = format!("{socket:?} is not an absolute path to a file");
            self.refuse(path, message, "write unix:///run/app.sock");
        }
    }

    /// `exportTo`: `*` alone, `~` alone where it is allowed, or namespaces.
    pub(super) fn export_to(&mut self, list: &[String], may_hide: bool) {
        let path = |i: usize| format!("spec.exportTo[{i}]");
        let meta = self.meta;
        // `.` is the resource's own namespace by another name.
        let named = list.iter().map(|e| if e == "." { &*meta.namespace } else { e.as_str() });
        let mut seen = HashSet::new();
        for (i, namespace) in named.enumerate().filter(|(_, namespace)| !seen.insert(*namespace)) {
            let help = "keep one of them; `.` is the resource's own namespace";
            self.refuse(&path(i), format!("namespace `{namespace}` is there twice"), help);
        }
        for (i, entry) in list.iter().enumerate() {
            let is_namespace = is_label(entry);
            match entry.as_str() {
                "*" | "~" if list.len() > 1 => {
                    self.refuse(&path(i), format!("`{entry}` beside other namespaces"), "write it alone");
                }
                "*" | "." => {}
                "~" if may_hide => {}
                _ if is_namespace => {}
                _ => self.refuse(
                    &path(i),
                    format!("{entry:?} is not a namespace"),
                    "write `.`, `*` or a namespace",
                ),
            }
        }
    }

    /// Gateways by name, as `mesh`, `name` or `namespace/name`.
    pub(super) fn gateways(&mut self, path: &str, names: &[String]) {
        for (i, name) in names.iter().enumerate() {
            let path = format!("{path}[{i}]");
            let legal = match name.split_once('/') {
                Some((namespace, name)) => is_label(namespace) && is_label(name),
                None => names::fqdn_error(name).is_none(),
            };
            if !legal {
                let help = "write the gateway's name, namespace/name, or mesh";
                self.refuse(&path, format!("{name:?} is not the name of a gateway"), help);
            } else if let (None, Some((gateway, namespace))) = (name.find('/'), name.split_once('.')) {
                let namespace = namespace.split('.').next().unwrap_or(namespace);
                self.warn(&path, "a gateway by its old form of name", format!("write {namespace}/{gateway}"));
            }
        }
    }
}
