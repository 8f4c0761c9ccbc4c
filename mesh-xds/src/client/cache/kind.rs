//! One kind of resource: what is held of it, and what is asked for.

use super::{DOES_NOT_EXIST_AFTER, Fault};
use crate::ResourceType;
use crate::convert::{ConvertError, decode};
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, Resource};
use envoy_types::pb::google::protobuf::Any;
use mesh_core::model::{Cluster, Endpoints, Listener, Name, RouteTable};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// A part of a snapshot that travels as a resource.
pub(super) trait Part: PartialEq + Sized {
    const KIND: ResourceType;
    fn decode(any: &Any) -> Result<Self, ConvertError>;
    fn name(&self) -> &Name;
}

macro_rules! part {
    ($model:ty, $kind:ident, $decode:ident) => {
        impl Part for $model {
            const KIND: ResourceType = ResourceType::$kind;

            fn decode(any: &Any) -> Result<Self, ConvertError> {
                decode::$decode(&decode::unpack(any)?)
            }

            fn name(&self) -> &Name {
                &self.name
            }
        }
    };
}

part!(Cluster, Cluster, cluster);
part!(Endpoints, Endpoint, endpoints);
part!(Listener, Listener, listener);
part!(RouteTable, Route, route_table);

/// What the cache knows of one kind.
#[derive(Debug)]
pub(super) struct Kind<T> {
    /// The last good version of each resource.
    pub(super) held: BTreeMap<Name, Held<T>>,
    /// Names that are subscribed to one by one: endpoints and route tables.
    wanted: BTreeMap<Name, Want>,
    /// The first request of this stream is out.
    open: bool,
    /// There has been a response, on this stream or an earlier one.
    pub(super) answered: bool,
}

/// A resource that was accepted.
#[derive(Debug)]
pub(super) struct Held<T> {
    /// The server's word for it.
    version: String,
    pub(super) value: Arc<T>,
}

/// A name that is subscribed to.
#[derive(Clone, Copy, Debug, Default)]
struct Want {
    /// When it was asked for on this stream, while an answer is due.
    asked: Option<Instant>,
    /// There is none: the server says so, or says nothing for too long, or what it sends cannot be read.
    missing: bool,
}

impl<T> Default for Kind<T> {
    fn default() -> Self {
        Self { held: BTreeMap::new(), wanted: BTreeMap::new(), open: false, answered: false }
    }
}

impl<T: Part> Kind<T> {
    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.held.values().map(|held| &held.value)
    }

    /// A stream begins; asks for all.
    pub(super) fn open(&mut self, now: Instant) -> DeltaDiscoveryRequest {
        self.request(vec![], vec![], now)
    }

    /// A stream begins; asks for the names that are wanted, if any.
    pub(super) fn reopen(&mut self, now: Instant) -> Option<DeltaDiscoveryRequest> {
        let names: Vec<Name> = self.wanted.keys().cloned().collect();
        (!names.is_empty()).then(|| self.request(names, vec![], now))
    }

    pub(super) fn close(&mut self) {
        self.open = false;
        for want in self.wanted.values_mut() {
            want.asked = None;
        }
    }

    /// The first request of a stream tells what is held.
    fn request(
        &mut self,
        subscribe: Vec<Name>,
        unsubscribe: Vec<Name>,
        now: Instant,
    ) -> DeltaDiscoveryRequest {
        let initial_resource_versions: HashMap<String, String> = if self.open {
            HashMap::new()
        } else {
            self.held.iter().map(|(name, held)| (name.to_string(), held.version.clone())).collect()
        };
        self.open = true;
        for name in &subscribe {
            let want = self.wanted.entry(name.clone()).or_default();
            if !want.missing && !self.held.contains_key(name) {
                want.asked = Some(now);
            }
        }
        let texts = |names: Vec<Name>| names.iter().map(ToString::to_string).collect();
        DeltaDiscoveryRequest {
            type_url: T::KIND.url().to_owned(),
            resource_names_subscribe: texts(subscribe),
            resource_names_unsubscribe: texts(unsubscribe),
            initial_resource_versions,
            ..DeltaDiscoveryRequest::default()
        }
    }

    /// Changes the subscription to these names, and forgets what is not among them.
    pub(super) fn want(&mut self, names: &BTreeSet<Name>, now: Instant) -> Option<DeltaDiscoveryRequest> {
        let gone: Vec<Name> = self.wanted.keys().filter(|name| !names.contains(*name)).cloned().collect();
        let new: Vec<Name> = names.iter().filter(|name| !self.wanted.contains_key(*name)).cloned().collect();
        for name in &gone {
            self.wanted.remove(name);
            self.held.remove(name);
        }
        (!gone.is_empty() || !new.is_empty()).then(|| self.request(new, gone, now))
    }

    /// Takes what can be read, and says what cannot.
    pub(super) fn apply(&mut self, resources: Vec<Resource>, removed: Vec<String>) -> Vec<Fault> {
        self.answered = true;
        let mut seen = HashSet::new();
        for resource in &resources {
            if !seen.insert(&resource.name) {
                return vec![Fault::Twice(resource.name.clone())];
            }
        }
        let mut faults = vec![];
        for resource in resources {
            let name = Name::from(resource.name.as_str());
            if let Err(fault) = self.take(&name, resource) {
                faults.push(fault);
                // Who waits for it shall not: another version may never come.
                self.settle(&name, !self.held.contains_key(&name));
            }
        }
        for name in removed {
            let name = Name::from(name);
            self.held.remove(&name);
            self.settle(&name, true);
        }
        faults
    }

    fn settle(&mut self, name: &Name, missing: bool) {
        if let Some(want) = self.wanted.get_mut(name) {
            *want = Want { asked: None, missing };
        }
    }

    fn take(&mut self, name: &Name, resource: Resource) -> Result<(), Fault> {
        if name.is_empty() {
            return Err(Fault::NoName);
        }
        let Some(body) = resource.resource else {
            // A heartbeat says that what is held is still good.
            return match self.held.get(name) {
                Some(held) if held.version == resource.version => Ok(()),
                _ => Err(Fault::NoContent(resource.name)),
            };
        };
        // Given up while it was on its way.
        if !T::KIND.is_top_level() && !self.wanted.contains_key(name) {
            return Ok(());
        }
        let value = T::decode(&body).map_err(|error| Fault::Content { name: resource.name, error })?;
        if value.name() != name {
            return Err(Fault::OtherName { name: name.to_string(), inner: value.name().to_string() });
        }
        // What is equal stays the very same, so that whoever compares pointers sees no change.
        let value = match self.held.get(name) {
            Some(held) if *held.value == value => Arc::clone(&held.value),
            _ => Arc::new(value),
        };
        self.held.insert(name.clone(), Held { version: resource.version, value });
        self.settle(name, false);
        Ok(())
    }

    /// Whether whoever needs this name can stop waiting.
    pub(super) fn is_settled(&self, name: &Name) -> bool {
        self.held.contains_key(name) || self.is_missing(name)
    }

    /// Whether there is no such resource.
    pub(super) fn is_missing(&self, name: &Name) -> bool {
        self.wanted.get(name).is_some_and(|want| want.missing)
    }

    /// Whether all that is held is active.
    pub(super) fn is_active(&self, active: &BTreeMap<Name, Arc<T>>) -> bool {
        self.held.len() == active.len()
            && self
                .held
                .iter()
                .all(|(name, held)| active.get(name).is_some_and(|a| Arc::ptr_eq(a, &held.value)))
    }

    /// When the oldest question that is not answered expires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.wanted.values().filter_map(|want| want.asked).min().map(|asked| asked + DOES_NOT_EXIST_AFTER)
    }

    /// Takes what was asked for too long ago for missing, and names it.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(ResourceType, Name)> {
        let mut expired = vec![];
        for (name, want) in &mut self.wanted {
            if want.asked.is_some_and(|asked| now >= asked + DOES_NOT_EXIST_AFTER) {
                *want = Want { asked: None, missing: true };
                expired.push((T::KIND, name.clone()));
            }
        }
        expired
    }
}
