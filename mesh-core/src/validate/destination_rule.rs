//! DestinationRule: a host, subsets by name, and traffic policies.
//!
//! Where the verdict differs from Istio's:
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | a traffic policy of `retryBudget` alone | refuses | accepts | it says something |
//! | a ring of more than 8388608 entries, an empty header or parameter to hash | accepts | refuses | Envoy refuses the cluster |
//! | a Maglev table of one entry | accepts | refuses | 1 is no prime, as Envoy's documents ask |
//! | localities of one list that overlap | depends on their order | refuses | the same file must get the same verdict |
//! | `failoverPriority` beside `distribute` | accepts | warns | it has no effect |
//! | `failover` in `zoneAwareLbSetting` | as in `localityLbSetting` | the same rules | |
//! | labels of regions and zones in its `failoverPriority` | as in `localityLbSetting`, beside `failover` | refuses in any case | Envoy sorts by them itself |
//! | certificates under `ISTIO_MUTUAL` | accepts | warns | they have no effect |
//! | one port twice in `portLevelSettings` | accepts | warns | one of them has no effect |
//! | `consecutiveGatewayErrors` not below `consecutive5xxErrors` | accepts | warns | it is never reached |
//! | `warmupDurationSecs` beside `warmup` | accepts | warns | it has no effect |
//! | negative `consecutiveErrors`, negative `warmup.minimumPercent` | accepts the first | refuses | they mean nothing |
//! | a `port.number` in `portLevelSettings` of 0 or beyond 65535 | accepts | refuses | it is no port |
//! | a ConfigMap whose name Kubernetes could not have | accepts | refuses | there is none |
//! | an attribute of a cookie without a name | accepts | refuses | Envoy refuses the cluster |
//! | values of labels of more than 63 bytes | accepts | refuses | no workload can have one |
//! | `tcp.idleTimeout` below 1ms and not 0s | accepts | refuses | as all other durations |

use super::report::{Report, is_label};
use super::traffic_policy;
use crate::api::networking::DestinationRule;

pub(super) fn check(spec: &DestinationRule, report: &mut Report<'_>) {
    report.dns_host("spec.host", &spec.host);
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
        report.labels(&format!("{}.labels", path(i)), &subset.labels);
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
