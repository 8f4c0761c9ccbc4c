//! Delta: requests say what changes in the subscription, responses what changed in the resources.
//!
//! The server remembers which version of which resource the client holds, from what it sent and from what the
//! client says of an earlier stream. Spoken by our own client, by ztunnel, and by Envoy as `DELTA_GRPC`.

use super::{Client, Nonces, Outgoing, Output, Sent, Session, control_plane, verdict, warming};
use crate::ResourceType;
use crate::server::interest::{Interest, TooManyNames, WILDCARD};
use crate::server::resources::{Name, Resource, ResourceSet, Resources, Version};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as Carried,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One delta stream.
#[derive(Debug)]
pub(crate) struct Delta {
    nonces: Nonces,
    client: Client,
    watches: BTreeMap<ResourceType, Watch>,
    current: Option<Arc<Resources>>,
}

/// What is known of one kind.
#[derive(Debug, Default)]
struct Watch {
    interest: Interest,
    /// What the client holds, and in which version: `None` if that is none that we could have made.
    held: BTreeMap<Name, Option<Version>>,
    last: Option<Sent>,
    /// It waits for an answer, even one without resources.
    unanswered: bool,
    /// Answer these in full, as a resource or as removed.
    demanded: BTreeSet<Name>,
    /// The set that `held` was brought up to; the next one is compared only if it is another.
    seen: Option<Version>,
}

/// Which part of what is due a flush sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Resources,
    All,
}

impl Session for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const PROTOCOL: crate::server::Protocol = crate::server::Protocol::Delta;

    fn new(nonces: Nonces, client: Client) -> Self {
        Self { nonces, client, watches: BTreeMap::new(), current: None }
    }

    fn node(request: &DeltaDiscoveryRequest) -> Option<&Node> {
        request.node.as_ref()
    }

    fn type_url(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }

    fn on_request(
        &mut self,
        request: DeltaDiscoveryRequest,
        out: &mut Output<DeltaDiscoveryResponse>,
    ) -> Result<(), TooManyNames> {
        let Some(kind) = ResourceType::from_url(&request.type_url) else { return Ok(()) };
        let first = !self.watches.contains_key(&kind);
        let subscribes = first
            || !request.resource_names_subscribe.is_empty()
            || !request.resource_names_unsubscribe.is_empty();
        let keeps_endpoints = self.client.keeps_endpoints;
        let watch = self.watches.entry(kind).or_default();
        if !first {
            // A stale nonce says nothing of the newest response, but the subscription holds all the same.
            out.events.extend(verdict(
                watch.last.as_ref(),
                kind,
                &request.response_nonce,
                request.error_detail.clone(),
            ));
        }
        if subscribes {
            let trusted = kind != ResourceType::Endpoint || keeps_endpoints;
            watch.subscribe(kind, first, trusted, request)?;
            // A client that was cut off while a cluster warmed holds the cluster and the endpoints, and yet waits.
            if kind == ResourceType::Cluster
                && !keeps_endpoints
                && let Some(endpoints) = self.watches.get_mut(&ResourceType::Endpoint)
            {
                endpoints.demand_all();
            }
            self.advance(Part::All, out);
        }
        Ok(())
    }

    fn on_resources(&mut self, next: Arc<Resources>, out: &mut Output<DeltaDiscoveryResponse>) {
        self.current = Some(next);
        // Clusters that went away stay, with their endpoints, until the routes that used them are replaced.
        self.advance(Part::Resources, out);
    }
}

impl Delta {
    /// Sends what is due, in push order. `part` is what of clusters and endpoints goes first.
    fn advance(&mut self, part: Part, out: &mut Output<DeltaDiscoveryResponse>) {
        let Some(current) = self.current.clone() else { return };
        self.demand_endpoints(&current);
        let targets = [ResourceType::Cluster, ResourceType::Endpoint];
        for kind in ResourceType::ALL {
            let part = if targets.contains(&kind) { part } else { Part::All };
            self.flush(kind, &current, part, out);
        }
        if part == Part::Resources {
            for kind in targets {
                self.flush(kind, &current, Part::All, out);
            }
        }
    }

    /// A cluster in a new version waits for its endpoints, be they new or not.
    fn demand_endpoints(&mut self, current: &Resources) {
        if self.client.keeps_endpoints {
            return;
        }
        let Some(clusters) = self.watches.get(&ResourceType::Cluster) else { return };
        if clusters.seen == Some(current.clusters.version) {
            return;
        }
        let held = |name: &str| {
            let cluster = current.clusters.by_name.get(name)?;
            (clusters.held.get(name) == Some(&Some(cluster.version))).then_some(cluster.version)
        };
        let warming = warming(current, |name| clusters.interest.covers(name), held);
        if let Some(endpoints) = self.watches.get_mut(&ResourceType::Endpoint) {
            let wanted = warming.into_iter().filter(|name| {
                endpoints.interest.covers(name) && current.endpoints.by_name.contains_key(name)
            });
            endpoints.demanded.extend(wanted);
        }
    }

    fn flush(
        &mut self,
        kind: ResourceType,
        current: &Resources,
        part: Part,
        out: &mut Output<DeltaDiscoveryResponse>,
    ) {
        let set = current.of(kind);
        let Some(watch) = self.watches.get_mut(&kind) else { return };
        if !watch.unanswered && watch.demanded.is_empty() && watch.seen == Some(set.version) {
            return;
        }
        let resources = watch.changed(set);
        let gone = watch.gone(set);
        // Nothing else to be said first: removals need not wait.
        let removed = if part == Part::All || watch.unanswered { gone } else { vec![] };
        let complete = part == Part::All || watch.unanswered;
        watch.seen = complete.then_some(set.version);
        let silent = resources.is_empty() && removed.is_empty() && !watch.unanswered;
        if complete {
            watch.unanswered = false;
            watch.demanded.clear();
        } else {
            for (name, _) in &resources {
                watch.demanded.remove(*name);
            }
        }
        if silent {
            return;
        }
        for (name, resource) in &resources {
            watch.held.insert((*name).clone(), Some(resource.version));
        }
        for name in &removed {
            watch.held.remove(name.as_str());
        }
        let sent = Sent { kind, nonce: self.nonces.next(), version: set.version.to_string() };
        watch.last = Some(sent.clone());
        let response = DeltaDiscoveryResponse {
            system_version_info: current.version.to_string(),
            resources: resources.into_iter().map(|(name, resource)| carried(kind, name, resource)).collect(),
            type_url: kind.url().to_owned(),
            removed_resources: removed,
            nonce: sent.nonce.clone(),
            control_plane: control_plane(),
            ..DeltaDiscoveryResponse::default()
        };
        out.responses.push(Outgoing { sent, response });
    }
}

impl Watch {
    fn subscribe(
        &mut self,
        kind: ResourceType,
        first: bool,
        trusted: bool,
        request: DeltaDiscoveryRequest,
    ) -> Result<(), TooManyNames> {
        let legacy = first && kind.is_top_level() && request.resource_names_subscribe.is_empty();
        let wildcard = if legacy {
            self.interest.subscribe(&[WILDCARD.to_owned()])?
        } else {
            self.interest.subscribe(&request.resource_names_subscribe)?
        };
        if first {
            let versions = request.initial_resource_versions;
            self.held = versions.into_iter().map(|(name, v)| (name.into(), v.parse().ok())).collect();
        }
        for name in &request.resource_names_subscribe {
            // Told on a new stream that it holds it, the versions decide; asked again in the midst of a
            // stream, the client may have dropped it.
            let retained = first && trusted && self.held.contains_key(name.as_str());
            if name != WILDCARD && !retained {
                self.demanded.insert(name.as_str().into());
            }
        }
        let unsubscribed = self.interest.unsubscribe(&request.resource_names_unsubscribe);
        for name in unsubscribed {
            // Still wanted by the wildcard: the client asks what becomes of it.
            if self.interest.wildcard() {
                self.demanded.insert(name);
            }
        }
        let interest = &self.interest;
        self.held.retain(|name, _| interest.covers(name));
        self.demanded.retain(|name| interest.covers(name));
        self.seen = None;
        if wildcard && self.interest.wildcard() {
            self.unanswered = true;
            if !first {
                self.demand_all();
            }
        }
        Ok(())
    }

    /// Send again what the client holds.
    fn demand_all(&mut self) {
        self.demanded.extend(self.held.keys().cloned());
    }

    /// What the client does not hold in this version, or asked for.
    fn changed<'a>(&self, set: &'a ResourceSet) -> Vec<(&'a Name, &'a Resource)> {
        let due = |(name, resource): &(&Name, &Resource)| {
            self.interest.covers(name)
                && (self.held.get(*name) != Some(&Some(resource.version)) || self.demanded.contains(*name))
        };
        set.by_name.iter().filter(due).collect()
    }

    /// What the client holds or asked for and does not exist.
    fn gone(&self, set: &ResourceSet) -> Vec<String> {
        let known: BTreeSet<&Name> = self.held.keys().chain(&self.demanded).collect();
        known.into_iter().filter(|name| !set.by_name.contains_key(*name)).map(ToString::to_string).collect()
    }
}

fn carried(kind: ResourceType, name: &Name, resource: &Resource) -> Carried {
    Carried {
        name: name.to_string(),
        version: resource.version.to_string(),
        resource: Some(resource.any(kind)),
        ..Carried::default()
    }
}

#[cfg(test)]
mod tests;
