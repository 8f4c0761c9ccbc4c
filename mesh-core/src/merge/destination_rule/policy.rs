//! What merged rules say about one port and subset.
//!
//! Istio: `GetPortLevelTrafficPolicy` and `MergeSubsetTrafficPolicy` in `pilot/pkg/networking/util/util.go`.

use super::{Merged, Rule};
use crate::api::networking::destination_rule::{
    ClientTls, ConnectionPool, LoadBalancer, OutlierDetection, PortTrafficPolicy, RetryBudget, TrafficPolicy,
};

/// A part of a policy with the rule that says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said<'w, T> {
    /// What it says.
    pub value: &'w T,
    /// Who says it.
    pub rule: &'w Rule,
}

/// What holds for one port and subset, part by part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective<'w> {
    /// `loadBalancer`.
    pub load_balancer: Option<Said<'w, LoadBalancer>>,
    /// `connectionPool`.
    pub connection_pool: Option<Said<'w, ConnectionPool>>,
    /// `outlierDetection`.
    pub outlier_detection: Option<Said<'w, OutlierDetection>>,
    /// `tls`.
    pub tls: Option<Said<'w, ClientTls>>,
    /// `retryBudget`.
    pub retry_budget: Option<Said<'w, RetryBudget>>,
}

impl<'w> Merged<'w> {
    /// The policy of a port of the whole host (subset `""`) or of a subset.
    ///
    /// Settings of a port replace those beside them for that port, all of them: the host's those of the host,
    /// a subset's also what the host says. What a subset says for all ports stands over what the host says,
    /// part by part.
    pub fn policy(&self, port: u16, subset: &str) -> Effective<'w> {
        let top = self.rules.iter().find_map(|r| Some((*r, r.spec.traffic_policy.as_ref()?)));
        let base = top.map(|(rule, policy)| of_port(rule, policy, port)).unwrap_or_default();
        let own = self.subset(subset).and_then(|(rule, _, s)| Some((rule, s.traffic_policy.as_ref()?)));
        let Some((rule, policy)) = own else { return base };
        let own = of_port(rule, policy, port);
        if settings_of(policy, port).is_some() {
            return Effective { retry_budget: own.retry_budget.or(base.retry_budget), ..own };
        }
        Effective {
            load_balancer: own.load_balancer.or(base.load_balancer),
            connection_pool: own.connection_pool.or(base.connection_pool),
            outlier_detection: own.outlier_detection.or(base.outlier_detection),
            tls: own.tls.or(base.tls),
            retry_budget: own.retry_budget.or(base.retry_budget),
        }
    }
}

fn settings_of(policy: &TrafficPolicy, port: u16) -> Option<&PortTrafficPolicy> {
    policy.port_level_settings.iter().find(|s| s.port.is_some_and(|p| p.number == port))
}

fn of_port<'w>(rule: &'w Rule, policy: &'w TrafficPolicy, port: u16) -> Effective<'w> {
    let (lb, pool, outlier, tls) = match settings_of(policy, port) {
        Some(s) => (&s.load_balancer, &s.connection_pool, &s.outlier_detection, &s.tls),
        None => (&policy.load_balancer, &policy.connection_pool, &policy.outlier_detection, &policy.tls),
    };
    Effective {
        load_balancer: lb.as_ref().map(|value| Said { value, rule }),
        connection_pool: pool.as_ref().map(|value| Said { value, rule }),
        outlier_detection: outlier.as_ref().map(|value| Said { value, rule }),
        tls: tls.as_ref().map(|value| Said { value, rule }),
        retry_budget: policy.retry_budget.as_ref().map(|value| Said { value, rule }),
    }
}
