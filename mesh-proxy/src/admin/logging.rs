//! `/logging`: what is logged, and how to change it.
//!
//! Envoy's parameters, with this process's own modules (such as `mesh_proxy::pool`) in the place of Envoy's
//! loggers. What changes the levels is the program's hook: a library does not own the process's log.

use super::query::Query;
use super::reply::Reply;
use crate::proxy::SetLogLevel;
use http::StatusCode;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tracing::level_filters::LevelFilter;

const USAGE: &str = "
usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: trace debug info warning error critical off
";

/// The levels as they were set here; what was set elsewhere shows only in the most verbose level of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Levels {
    all: Option<&'static str>,
    modules: BTreeMap<String, &'static str>,
}

impl Levels {
    fn base(&self) -> &'static str {
        self.all.unwrap_or_else(|| match LevelFilter::current() {
            LevelFilter::TRACE => "trace",
            LevelFilter::DEBUG => "debug",
            LevelFilter::INFO => "info",
            LevelFilter::WARN => "warning",
            LevelFilter::ERROR => "error",
            _ => "off",
        })
    }

    /// As the hook takes it: `info,mesh_proxy::pool=debug`.
    fn directive(&self) -> String {
        let mut out = tracing_name(self.base()).to_owned();
        for (module, level) in &self.modules {
            let _ = write!(out, ",{module}={}", tracing_name(level));
        }
        out
    }

    fn page(&self) -> String {
        let mut out = format!("active loggers:\n  *: {}\n", self.base());
        for (module, level) in &self.modules {
            let _ = writeln!(out, "  {module}: {level}");
        }
        out
    }

    /// The levels after a request; what is wrong with it otherwise.
    fn changed(&self, query: &Query) -> Result<Self, &'static str> {
        let mut next = self.clone();
        for (key, value) in query.iter() {
            match key {
                // As in Envoy, one level for all forgets the single ones.
                "level" => next = Self { all: Some(level(value)?), modules: BTreeMap::new() },
                "paths" => {
                    for part in value.split(',') {
                        // From the right: a module's name has colons itself.
                        let (name, value) = part.rsplit_once(':').ok_or("unknown logger level")?;
                        next.modules.insert(module(name)?, level(value)?);
                    }
                }
                name => {
                    next.modules.insert(module(name)?, level(value)?);
                }
            }
        }
        Ok(next)
    }
}

/// The page after a request was carried out.
pub(super) fn page(levels: &mut Levels, hook: Option<&SetLogLevel>, query: &Query) -> Reply {
    if query.is_empty() || query.get("level") == Some("") {
        return Reply::text(levels.page());
    }
    let refused = |status, why: &str| Reply::error(status, format!("error: {why}\n{USAGE}"));
    let Some(hook) = hook else {
        return refused(StatusCode::NOT_FOUND, "this program does not let its log levels be changed");
    };
    let next = match levels.changed(query) {
        Ok(next) => next,
        Err(why) => return refused(StatusCode::BAD_REQUEST, why),
    };
    match hook(&next.directive()) {
        Ok(()) => {
            *levels = next;
            Reply::text(levels.page())
        }
        Err(why) => refused(StatusCode::BAD_REQUEST, &why),
    }
}

fn level(text: &str) -> Result<&'static str, &'static str> {
    const LEVELS: [&str; 7] = ["trace", "debug", "info", "warning", "error", "critical", "off"];
    let text = if text == "warn" { "warning" } else { text };
    LEVELS.into_iter().find(|level| *level == text).ok_or("unknown logger level")
}

/// Nothing that would mean more than a name to the hook.
fn module(name: &str) -> Result<String, &'static str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':');
    if name.is_empty() || !name.bytes().all(legal) { Err("unknown logger name") } else { Ok(name.to_owned()) }
}

fn tracing_name(level: &str) -> &str {
    match level {
        "warning" => "warn",
        "critical" => "error",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::Arc;

    fn post(levels: &mut Levels, query: &str) -> (Reply, Option<String>) {
        let seen = Arc::new(Mutex::new(None));
        let hook: SetLogLevel = {
            let seen = seen.clone();
            Arc::new(move |directive: &str| {
                *seen.lock() = Some(directive.to_owned());
                if directive.contains("refuse") { Err("no such module".to_owned()) } else { Ok(()) }
            })
        };
        let reply = page(levels, Some(&hook), &Query::parse(query));
        let directive = seen.lock().clone();
        (reply, directive)
    }

    #[test]
    fn a_level_for_all_reaches_the_hook_in_its_own_words() {
        let mut levels = Levels::default();
        let (reply, directive) = post(&mut levels, "level=warning");
        assert_eq!((reply.status.as_u16(), directive.as_deref()), (200, Some("warn")));
        assert_eq!(reply.body, "active loggers:\n  *: warning\n");
    }

    #[test]
    fn single_modules_are_added_and_a_level_for_all_forgets_them() {
        let mut levels = Levels::default();
        post(&mut levels, "level=info");
        let (reply, directive) = post(&mut levels, "paths=mesh_proxy::pool:debug,hyper:critical");
        assert_eq!(directive.as_deref(), Some("info,hyper=error,mesh_proxy::pool=debug"));
        assert_eq!(reply.body, "active loggers:\n  *: info\n  hyper: critical\n  mesh_proxy::pool: debug\n");
        let (_, directive) = post(&mut levels, "rustls=trace");
        assert_eq!(directive.as_deref(), Some("info,hyper=error,mesh_proxy::pool=debug,rustls=trace"));
        assert_eq!(post(&mut levels, "level=error").1.as_deref(), Some("error"));
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let mut levels = Levels::default();
        post(&mut levels, "level=info");
        let before = levels.clone();
        for (query, why) in [
            ("level=loud", "unknown logger level"),
            ("paths=mesh_proxy", "unknown logger level"),
            ("a%3Db%2Cc=info", "unknown logger name"),
            ("refuse=info", "no such module"),
        ] {
            let (reply, _) = post(&mut levels, query);
            assert_eq!(reply.status, 400, "{query}");
            assert!(
                reply.body.starts_with(&format!("error: {why}\n")) && reply.body.contains("usage:"),
                "{}",
                reply.body
            );
        }
        assert_eq!(levels, before);
        assert_eq!(page(&mut levels, None, &Query::parse("level=debug")).status, 404);
        assert_eq!(page(&mut levels, None, &Query::default()).status, 200);
    }
}
