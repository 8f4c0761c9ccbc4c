//! `/stats/prometheus`: the statistics of [`super::stats`] and the metrics of the registry on one page.
//!
//! A family has one HELP, one TYPE and all of its samples in a row, or a scrape fails as a whole. The
//! registry's families come first, as they are; a statistic of the same name is left out.

use super::stats::{Kind, Stat, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The page.
pub(super) fn render(stats: &[Stat], registry: &str, wanted: &Wanted) -> String {
    let mut out = String::with_capacity(registry.len() + stats.len() * 96);
    let mut taken = BTreeSet::new();
    for (name, block) in families(registry) {
        taken.insert(name);
        if wanted.wants_name(name) {
            out.push_str(block);
        }
    }
    let mut by_family: BTreeMap<&str, Vec<&Stat>> = BTreeMap::new();
    for stat in stats.iter().filter(|stat| wanted.wants(stat) && !taken.contains(stat.family.as_str())) {
        by_family.entry(&stat.family).or_default().push(stat);
    }
    for (family, stats) in by_family {
        write_family(&mut out, family, &stats);
    }
    out
}

/// The families of a page that was rendered already, each with its lines.
fn families(page: &str) -> Vec<(&str, &str)> {
    const HELP: &str = "# HELP ";
    let mut starts: Vec<usize> = page.match_indices(HELP).map(|(at, _)| at).collect();
    starts.retain(|at| *at == 0 || page.as_bytes().get(at - 1) == Some(&b'\n'));
    let ends = starts.iter().skip(1).copied().chain([page.len()]);
    let block = |(start, end): (&usize, usize)| {
        let block = page.get(*start..end)?;
        Some((block.get(HELP.len()..)?.split(' ').next()?, block))
    };
    starts.iter().zip(ends).filter_map(block).collect()
}

fn write_family(out: &mut String, family: &str, stats: &[&Stat]) {
    let Some(first) = stats.first() else { return };
    // A counter's name ends in _total, and nothing else's does: so Prometheus has it, and Envoy's names do
    // not keep to it. Such a family is given no type rather than another name.
    let counts = first.kind == Kind::Counter;
    let kind = match (counts, family.ends_with("_total")) {
        (true, true) => "counter",
        (false, false) => "gauge",
        _ => "untyped",
    };
    let _ = writeln!(out, "# HELP {family} {}\n# TYPE {family} {kind}", first.help);
    for stat in stats {
        out.push_str(family);
        for (i, (key, value)) in stat.labels.iter().enumerate() {
            out.push(if i == 0 { '{' } else { ',' });
            let _ = write!(out, "{key}=\"{}\"", escaped(value));
        }
        if !stat.labels.is_empty() {
            out.push('}');
        }
        let _ = writeln!(out, " {}", stat.value);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::query::Query;
    use super::*;
    use mesh_telemetry::Registry;
    use mesh_telemetry::metrics::Desc;

    fn stat(kind: Kind, family: &str, cluster: &str, value: u64) -> Stat {
        let labels =
            if cluster.is_empty() { vec![] } else { vec![("envoy_cluster_name", cluster.to_owned())] };
        let name = format!("cluster.{cluster}.{family}");
        Stat { name, family: family.to_owned(), labels, kind, help: "Help.", value: value.into() }
    }

    fn all() -> Wanted {
        Wanted::of(&Query::default()).unwrap_or_else(|refused| panic!("{}", refused.body))
    }

    #[test]
    fn a_family_stands_together_under_one_head() {
        let stats = [
            stat(Kind::Counter, "a_total", "one", 1),
            stat(Kind::Gauge, "b", "", 2),
            stat(Kind::Counter, "a_total", "t\"w\\o", 3),
        ];
        assert_eq!(
            render(&stats, "", &all()),
            "# HELP a_total Help.\n# TYPE a_total counter\n\
             a_total{envoy_cluster_name=\"one\"} 1\na_total{envoy_cluster_name=\"t\\\"w\\\\o\"} 3\n\
             # HELP b Help.\n# TYPE b gauge\nb 2\n"
        );
    }

    #[test]
    fn a_name_that_prometheus_would_call_wrong_is_untyped() {
        let stats = [stat(Kind::Counter, "rq_xx", "", 1), stat(Kind::Gauge, "membership_total", "", 1)];
        let page = render(&stats, "", &all());
        assert!(
            page.contains("# TYPE rq_xx untyped\n") && page.contains("# TYPE membership_total untyped\n"),
            "{page}"
        );
    }

    #[test]
    fn the_registrys_families_come_as_they_are_and_hide_ours_of_the_same_name() {
        let registry = Registry::default();
        let counter = registry.counter(Desc::new("mesh_x_total", "X # HELP y."), &[]);
        counter.inc();
        let stats = [stat(Kind::Counter, "mesh_x_total", "", 9), stat(Kind::Counter, "mesh_y_total", "", 7)];
        let page = render(&stats, &registry.render(), &all());
        assert_eq!(page.matches("# TYPE mesh_x_total").count(), 1, "{page}");
        assert!(page.contains("\nmesh_x_total 1\n") && page.contains("\nmesh_y_total 7\n"), "{page}");
        let some = Wanted::of(&Query::parse("filter=mesh_x")).unwrap_or_else(|r| panic!("{}", r.body));
        assert_eq!(
            render(&stats, &registry.render(), &some),
            "# HELP mesh_x_total X # HELP y.\n# TYPE mesh_x_total counter\nmesh_x_total 1\n"
        );
    }
}
