//! State of the world: every request states the whole list, every response repeats what it answers.
//!
//! LDS and CDS responses are complete, so that absence deletes. EDS and RDS responses hold only what changed
//! or was newly asked for: absence means nothing there, a deletion follows from the parent's. Spoken by gRPC
//! clients, and by Envoy where it is told `GRPC`.

use super::{Client, Nonces, Outgoing, Output, Sent, Session, control_plane, verdict, warming};
use crate::ResourceType;
use crate::server::interest::{Interest, TooManyNames};
use crate::server::resources::{Name, Resource, ResourceSet, Resources, Version};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One SotW stream.
#[derive(Debug)]
pub(crate) struct Sotw {
    nonces: Nonces,
    client: Client,
    watches: BTreeMap<ResourceType, Watch>,
    current: Option<Arc<Resources>>,
}

/// What is known of one kind.
#[derive(Debug, Default)]
struct Watch {
    interest: Interest,
    /// What the client was last sent of each name that it still wants.
    sent: BTreeMap<Name, Version>,
    last: Option<Sent>,
    /// It waits for an answer, even one without resources.
    unanswered: bool,
    /// Send these even if they did not change.
    demanded: BTreeSet<Name>,
    /// The set that `sent` was brought up to; the next one is compared only if it is another.
    seen: Option<Version>,
}

impl Session for Sotw {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const PROTOCOL: crate::server::Protocol = crate::server::Protocol::Sotw;

    fn new(nonces: Nonces, client: Client) -> Self {
        Self { nonces, client, watches: BTreeMap::new(), current: None }
    }

    fn node(request: &DiscoveryRequest) -> Option<&Node> {
        request.node.as_ref()
    }

    fn type_url(request: &DiscoveryRequest) -> &str {
        &request.type_url
    }

    fn on_request(
        &mut self,
        request: DiscoveryRequest,
        out: &mut Output<DiscoveryResponse>,
    ) -> Result<(), TooManyNames> {
        let Some(kind) = ResourceType::from_url(&request.type_url) else { return Ok(()) };
        let first = !self.watches.contains_key(&kind);
        let watch = self.watches.entry(kind).or_default();
        if !first {
            let event = verdict(watch.last.as_ref(), kind, &request.response_nonce, request.error_detail);
            let stale = matches!(event, Some(super::Event::Stale(_)));
            out.events.extend(event);
            // The client has not yet seen the newest response. It will answer that one, with its whole list.
            if stale {
                return Ok(());
            }
        }
        let added = watch.interest.replace(kind, &request.resource_names)?;
        let Watch { interest, sent, demanded, .. } = watch;
        sent.retain(|name, _| interest.covers(name));
        demanded.retain(|name| interest.covers(name));
        // On a stream's first request the version that it brings is of no use: it says what was accepted, not
        // which of the names in the list came with it.
        if first || !added.is_empty() {
            watch.unanswered = true;
            watch.demanded.extend(added.names);
            watch.seen = None;
            self.advance(None, out);
        }
        Ok(())
    }

    fn on_resources(&mut self, next: Arc<Resources>, out: &mut Output<DiscoveryResponse>) {
        let before = self.current.replace(next);
        self.advance(before.as_deref(), out);
    }
}

impl Sotw {
    /// Sends what is due, in push order. Clusters that went away stay until the routes that used them are
    /// replaced, if there are others to be told first.
    fn advance(&mut self, before: Option<&Resources>, out: &mut Output<DiscoveryResponse>) {
        let Some(current) = self.current.clone() else { return };
        let stale = match (before, self.watches.get(&ResourceType::Cluster)) {
            (Some(before), Some(watch)) => watch.stale(&before.clusters, &current.clusters),
            _ => vec![],
        };
        self.demand_endpoints(&current);
        for kind in ResourceType::ALL {
            let more = if kind == ResourceType::Cluster { stale.as_slice() } else { &[] };
            self.flush(kind, current.of(kind), more, out);
        }
        if !stale.is_empty() {
            self.flush(ResourceType::Cluster, &current.clusters, &[], out);
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
        let warming =
            warming(current, |name| clusters.interest.covers(name), |name| clusters.sent.get(name).copied());
        if let Some(endpoints) = self.watches.get_mut(&ResourceType::Endpoint) {
            let wanted = warming.into_iter().filter(|name| endpoints.interest.covers(name));
            endpoints.demanded.extend(wanted);
        }
    }

    fn flush(
        &mut self,
        kind: ResourceType,
        set: &ResourceSet,
        stale: &[(Name, Resource)],
        out: &mut Output<DiscoveryResponse>,
    ) {
        let Some(watch) = self.watches.get_mut(&kind) else { return };
        let due = watch.due(kind, set, stale);
        watch.seen = stale.is_empty().then_some(set.version);
        watch.unanswered = false;
        watch.demanded.clear();
        if !kind.is_top_level() {
            // What went away and comes back is new, be its content the same.
            watch.sent.retain(|name, _| set.by_name.contains_key(name));
        }
        let Some(due) = due else { return };
        let sent = Sent { kind, nonce: self.nonces.next(), version: set.version.to_string() };
        watch.last = Some(sent.clone());
        let response = DiscoveryResponse {
            version_info: sent.version.clone(),
            resources: due.iter().map(|(_, resource)| resource.any(kind)).collect(),
            type_url: kind.url().to_owned(),
            nonce: sent.nonce.clone(),
            control_plane: control_plane(),
            ..DiscoveryResponse::default()
        };
        if kind.is_top_level() {
            watch.sent.clear();
        }
        for (name, resource) in due {
            watch.sent.insert(name.clone(), resource.version);
        }
        out.responses.push(Outgoing { sent, response });
    }
}

impl Watch {
    /// Clusters that the client holds, which were offered before and are not any more.
    fn stale(&self, before: &ResourceSet, current: &ResourceSet) -> Vec<(Name, Resource)> {
        if before.version == current.version {
            return vec![];
        }
        self.sent
            .keys()
            .filter(|name| !current.by_name.contains_key(*name))
            .filter_map(|name| before.by_name.get_key_value(name))
            .map(|(name, resource)| (name.clone(), resource.clone()))
            .collect()
    }

    /// What must be sent; `None` if nothing.
    fn due<'a>(
        &self,
        kind: ResourceType,
        set: &'a ResourceSet,
        stale: &'a [(Name, Resource)],
    ) -> Option<Vec<(&'a Name, &'a Resource)>> {
        if !self.unanswered && self.demanded.is_empty() && self.seen == Some(set.version) {
            return None;
        }
        let wanted = set.by_name.iter().filter(|(name, _)| self.interest.covers(name));
        let differs = |(name, resource): &(&Name, &Resource)| self.sent.get(*name) != Some(&resource.version);
        if kind.is_top_level() {
            let whole: Vec<_> = wanted.chain(stale.iter().map(|(name, resource)| (name, resource))).collect();
            let changed = whole.len() != self.sent.len() || whole.iter().any(differs);
            return (changed || self.unanswered).then_some(whole);
        }
        let part: Vec<_> = wanted.filter(|entry| differs(entry) || self.demanded.contains(entry.0)).collect();
        (!part.is_empty()).then_some(part)
    }
}

#[cfg(test)]
mod tests;
