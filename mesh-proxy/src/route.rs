//! A route table at work: the index of mesh-core's router, and for each route the stack that serves it.
//!
//! ```text
//! authorization → [route] → forward: fault → timeout → retry → …
//! ```
//!
//! Which route a request takes is [`mesh_core::decide`]'s to say. What is looked up by name elsewhere
//! (clusters, regular expressions, headers) was resolved here when the table came, so that a request finds
//! its stack by one look into a map.

mod rewrite;

pub(crate) use rewrite::redirect_location;

use crate::cluster::ClusterRuntime;
use crate::http::Mirrors;
use crate::outbound::{RouteService, route_stack};
use http::{HeaderName, HeaderValue, Request};
use mesh_core::decide::route::{SPREAD, choose};
use mesh_core::decide::{Routed, Router};
use mesh_core::model::route::{Action, Forward, Route, RouteTable, Target, VirtualHost};
use mesh_core::model::{Name, matcher::RequestHead};
use mesh_policy::fault::FaultLayer;
use rewrite::Rewrite;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// Where clusters are found by name.
pub(crate) trait Clusters {
    fn cluster(&self, name: &Name) -> Option<Arc<ClusterRuntime>>;
}

/// A route table with its stacks.
pub(crate) struct Routes {
    router: Router,
    /// By the place of the route in the table, which the router keeps alive.
    stacks: HashMap<usize, ForwardStack, foldhash::fast::RandomState>,
}

/// The stacks of a route that forwards.
pub(crate) struct ForwardStack {
    targets: Vec<TargetStack>,
    rewrite: Rewrite,
    host: Option<HeaderValue>,
    expected_timeout: Option<HeaderValue>,
    mirrors: Mirrors,
    /// The last draw of this route's own sequence: spread evenly, it stays so only if nobody else draws.
    draws: AtomicU64,
}

/// The stack of one cluster of a route.
pub(crate) struct TargetStack {
    pub(crate) name: Name,
    pub(crate) cluster: Option<Arc<ClusterRuntime>>,
    pub(crate) service: RouteService,
}

/// What a request was matched to, with the stack that serves it if it is to be forwarded.
pub(crate) struct Found<'r> {
    pub(crate) routed: Routed<'r>,
    pub(crate) forward: Option<(&'r ForwardStack, &'r TargetStack)>,
}

fn place<T>(of: &T) -> usize {
    std::ptr::from_ref(of).addr()
}

impl Routes {
    /// Builds the stacks of a table; `faults` says whether the manager runs the fault filter.
    pub(crate) fn new(table: Arc<RouteTable>, clusters: &dyn Clusters, faults: bool) -> Self {
        let mut stacks = HashMap::default();
        for host in &table.virtual_hosts {
            for route in &host.routes {
                if let Action::Forward(forward) = &route.action {
                    stacks.insert(place(route), ForwardStack::new(host, route, forward, clusters, faults));
                }
            }
        }
        Self { router: Router::new(table), stacks }
    }

    pub(crate) fn table(&self) -> &Arc<RouteTable> {
        self.router.table()
    }

    /// The route of a request.
    pub(crate) fn find(&self, head: &RequestHead<'_>, random: u64) -> Option<Found<'_>> {
        let mut routed = self.router.route(head, random)?;
        let stack = self.stacks.get(&place(routed.route));
        if let (Some(stack), Action::Forward(forward)) = (stack, &routed.route.action) {
            routed.cluster = choose(&forward.to, stack.draw());
        }
        let forward = routed.cluster.and_then(|chosen| {
            let stack = stack?;
            let target = stack.targets.iter().find(|t| t.name == *chosen.name)?;
            Some((stack, target))
        });
        Some(Found { routed, forward })
    }
}

impl ForwardStack {
    fn new(
        host: &VirtualHost,
        route: &Route,
        forward: &Forward,
        clusters: &dyn Clusters,
        faults: bool,
    ) -> Self {
        // One for all targets, so that they share the bound on active faults. What a fault leaves to headers,
        // the configuration has left to them on purpose.
        let fault = FaultLayer::new(route.fault.clone().filter(|_| faults)).dangerous_trust_headers();
        let names: Vec<&Name> = match &forward.to {
            Target::Cluster(name) => vec![name],
            Target::Weighted(all) => all.iter().map(|w| &w.cluster).collect(),
        };
        let targets = names.into_iter().map(|name| {
            let cluster = clusters.cluster(name);
            let service = route_stack(forward, fault.clone(), host.include_attempt_count, cluster.as_ref());
            TargetStack { name: name.clone(), cluster, service }
        });
        let mirrors = forward
            .mirrors
            .iter()
            .filter_map(|m| clusters.cluster(&m.cluster).map(|cluster| (cluster, m.fraction)));
        Self {
            targets: targets.collect(),
            rewrite: Rewrite::new(forward.rewrite.as_ref(), &route.matches),
            host: forward.host_rewrite.as_deref().and_then(|h| HeaderValue::from_str(h).ok()),
            expected_timeout: forward
                .timeout
                .filter(|t| !t.is_zero())
                .and_then(|t| HeaderValue::try_from(t.as_millis().to_string()).ok()),
            mirrors: Mirrors::new(mirrors.collect()),
            draws: AtomicU64::new(fastrand::u64(..)),
        }
    }

    /// The draw that splits the next request among weighted clusters.
    fn draw(&self) -> u64 {
        self.draws.fetch_add(SPREAD, Ordering::Relaxed)
    }

    /// Changes a request as the route says, in Envoy's order: headers of the cluster, the route, the virtual
    /// host; then the path and the authority.
    pub(crate) fn prepare<B>(&self, request: &mut Request<B>, routed: &Routed<'_>) {
        let headers = request.headers_mut();
        if let Some(weighted) = routed.cluster.and_then(|c| c.weighted) {
            weighted.headers.request.apply(headers);
        }
        routed.route.headers.request.apply(headers);
        routed.host.headers.request.apply(headers);
        if let Some(timeout) = &self.expected_timeout {
            headers.insert(EXPECTED_TIMEOUT, timeout.clone());
        }
        self.rewrite.apply(request);
        if let Some(host) = &self.host {
            request.headers_mut().insert(http::header::HOST, host.clone());
        }
    }

    pub(crate) fn mirrors(&self) -> &Mirrors {
        &self.mirrors
    }
}

/// Changes a response as the route says, in Envoy's order.
pub(crate) fn edit_response(headers: &mut http::HeaderMap, routed: &Routed<'_>) {
    if let Some(weighted) = routed.cluster.and_then(|c| c.weighted) {
        weighted.headers.response.apply(headers);
    }
    routed.route.headers.response.apply(headers);
    routed.host.headers.response.apply(headers);
}
