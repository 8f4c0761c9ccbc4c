//! DestinationRule: a host, subsets by name, and traffic policies.

use super::report::{Report, is_label};
use super::traffic_policy;
use crate::api::networking::DestinationRule;

pub(super) fn check(spec: &DestinationRule, report: &mut Report<'_>) {
    report.host("spec.host", &spec.host);
    traffic_policy::check(spec.traffic_policy.as_ref(), "spec.trafficPolicy", report);
    let path = |i: usize| format!("spec.subsets[{i}]");
    let names = spec.subsets.iter().enumerate().map(|(i, s)| (path(i) + ".name", s.name.as_str()));
    report.unique("subset", names);
    for (i, subset) in spec.subsets.iter().enumerate() {
        if !is_label(&subset.name) {
            let message = match subset.name.as_str() {
                "" => "the subset's name is missing".to_owned(),
                name => format!("{name:?} is not the name of a subset"),
            };
            report.refuse(&format!("{}.name", path(i)), message, "a name has letters, digits and dashes");
        }
        report.selector(&format!("{}.labels", path(i)), &subset.labels);
        traffic_policy::check(subset.traffic_policy.as_ref(), &format!("{}.trafficPolicy", path(i)), report);
    }
    report.match_labels("spec.workloadSelector", spec.workload_selector.as_ref());
    report.export_to(&spec.export_to, false);
    let own = |e: &String| e == "." || *e == *report.meta.namespace;
    if spec.workload_selector.is_some() && spec.export_to.iter().any(|e| !own(e)) {
        let help = "a rule that selects workloads is of its own namespace: write `.`";
        report.refuse("spec.exportTo", "exported beyond its own namespace", help);
    }
}
