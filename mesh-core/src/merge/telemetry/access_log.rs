//! The providers of access logs of one side.

use super::{Side, names};
use crate::api::Resource;
use crate::api::telemetry::{AccessLogFilter, Telemetry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A provider that logs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccessLog<'w> {
    /// Its name.
    pub provider: &'w str,
    /// Which requests; all without one.
    pub filter: Option<&'w AccessLogFilter>,
    /// Who says so last; `None` for a default provider.
    pub by: Option<&'w Arc<Resource<Telemetry>>>,
}

/// Who logs on one side, by name; `None` where neither a Telemetry nor a default provider says anything, and the
/// MeshConfig's `accessLogFile` decides.
///
/// The narrowest Telemetry that names providers for this side decides which ones there are. Then every entry for
/// this side, from the widest to the narrowest, turns its providers on or, `disabled`, off; one that names none is
/// about those of the entry before it, or the default ones. A provider's filter is that of the last entry for this
/// side which names it.
pub fn access_logs<'w>(
    telemetries: &[&'w Arc<Resource<Telemetry>>],
    defaults: &'w [String],
    side: Side,
) -> Option<Vec<AccessLog<'w>>> {
    let defaults: Vec<&str> = defaults.iter().map(String::as_str).collect();
    let all: Vec<_> = telemetries.iter().copied().filter(|t| !t.spec.access_logging.is_empty()).collect();
    if all.is_empty() {
        let log = |provider: &&'w str| AccessLog { provider, filter: None, by: None };
        return (!defaults.is_empty()).then(|| defaults.iter().map(log).collect());
    }
    let mut in_scope: BTreeSet<&str> = defaults.iter().copied().collect();
    let mut filters: BTreeMap<&str, Option<&AccessLogFilter>> = BTreeMap::new();
    for telemetry in &all {
        let mut named = BTreeSet::new();
        for entry in &telemetry.spec.access_logging {
            if side.is_in(entry.r#match.unwrap_or_default().mode) {
                for provider in names(&entry.providers) {
                    named.insert(provider);
                    filters.insert(provider, entry.filter.as_ref());
                }
            }
        }
        if !named.is_empty() {
            in_scope = named;
        }
    }
    let mut parents = defaults;
    let mut out: BTreeMap<&str, Option<AccessLog<'w>>> = BTreeMap::new();
    for telemetry in all {
        for entry in &telemetry.spec.access_logging {
            if !entry.providers.is_empty() {
                parents = names(&entry.providers);
            }
            if !side.is_in(entry.r#match.unwrap_or_default().mode) {
                continue;
            }
            for provider in parents.iter().copied().filter(|p| in_scope.contains(p)) {
                let filter = filters.get(provider).copied().flatten();
                let log = AccessLog { provider, filter, by: Some(telemetry) };
                out.insert(provider, (entry.disabled != Some(true)).then_some(log));
            }
        }
    }
    Some(out.into_values().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::world;

    /// Who logs on the server's side and who on the client's, with these Telemetries from the widest to the
    /// narrowest.
    fn logs(defaults: &[&str], entries: &[&str]) -> [Option<Vec<String>>; 2] {
        let texts: Vec<_> = entries
            .iter()
            .enumerate()
            .map(|(i, e)| {
                format!("Telemetry shop/t@{i}: {{accessLogging: [{e}]}}").replace("/t@", &format!("/t{i}@"))
            })
            .collect();
        let world = world(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let all: Vec<_> = world.of::<Telemetry>().collect();
        let defaults: Vec<String> = defaults.iter().map(|d| (*d).to_owned()).collect();
        let name = |log: AccessLog<'_>| match log.filter {
            Some(filter) => format!("{} if {}", log.provider, filter.expression),
            None => log.provider.to_owned(),
        };
        [Side::Server, Side::Client]
            .map(|side| access_logs(&all, &defaults, side).map(|l| l.into_iter().map(name).collect()))
    }

    fn both(names: &[&str]) -> [Option<Vec<String>>; 2] {
        let names = Some(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        [names.clone(), names]
    }

    #[test]
    fn without_telemetry_the_default_providers_log_and_without_those_nothing_is_said() {
        assert_eq!(logs(&["d"], &[]), both(&["d"]));
        assert_eq!(logs(&[], &[]), [None, None]);
    }

    #[test]
    fn the_narrowest_that_names_providers_decides_which_ones_there_are() {
        let wide = "{providers: [{name: a}, {name: b}]}";
        assert_eq!(logs(&["d"], &[wide]), both(&["a", "b"]));
        assert_eq!(logs(&["d"], &[wide, "{providers: [{name: c}]}"]), both(&["c"]));
    }

    #[test]
    fn an_entry_without_providers_is_about_those_before_it() {
        assert_eq!(logs(&["d"], &["{providers: [{name: a}]}", "{disabled: true}"]), both(&[]));
        assert_eq!(logs(&["d"], &["{disabled: true}", "{}"]), both(&["d"]));
        assert_eq!(logs(&["d"], &["{}"]), both(&["d"]));
    }

    #[test]
    fn an_entry_for_one_side_leaves_the_other_alone() {
        let off = "{match: {mode: CLIENT}, disabled: true}";
        let [server, client] = logs(&[], &["{providers: [{name: a}]}", off]);
        assert_eq!((server, client), (Some(vec!["a".to_owned()]), Some(vec![])));
        let [server, client] =
            logs(&[], &["{providers: [{name: a}]}", "{match: {mode: SERVER}, providers: [{name: b}]}"]);
        assert_eq!((server, client), (Some(vec!["b".to_owned()]), Some(vec!["a".to_owned()])));
    }

    #[test]
    fn a_filter_is_that_of_the_last_entry_which_names_the_provider() {
        let all = "{providers: [{name: a}], filter: {expression: 'x == 1'}}";
        assert_eq!(logs(&[], &[all]), both(&["a if x == 1"]));
        assert_eq!(logs(&[], &[all, "{providers: [{name: a}]}"]), both(&["a"]));
    }
}
