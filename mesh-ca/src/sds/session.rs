//! What one stream of secrets must be told, free of IO: requests and rotations in, responses out.

use super::proto::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node, Resource,
    RpcStatus,
};
use super::secrets::{self, Secrets, TYPE_URL};
use std::collections::BTreeMap;
use tonic::Status;

/// One stream's state. Without a credential nothing is said; the first one answers what was asked.
pub(super) trait Session: Send + 'static {
    type Request: Send + 'static;
    type Response: Send + 'static;

    /// The answer to a request, if it wants one now. An error ends the stream, so that Envoy retries.
    fn on_request(
        &mut self,
        request: Self::Request,
        secrets: Option<&Secrets>,
    ) -> Result<Option<Self::Response>, Status>;

    /// What a new credential changes for this stream.
    fn on_change(&mut self, secrets: &Secrets) -> Option<Self::Response>;
}

/// Names that a stream watches, with the version that it was last sent.
type Watched = BTreeMap<String, Option<String>>;

fn check_type(type_url: &str) -> Result<(), Status> {
    // Envoy leaves it out on a service of one type.
    if type_url.is_empty() || type_url == TYPE_URL {
        Ok(())
    } else {
        Err(Status::invalid_argument(format!("type_url: {type_url:?} is not served here")))
    }
}

/// Remembers and logs who is at the other end.
#[derive(Default)]
struct Peer {
    node: String,
}

impl Peer {
    fn learn(&mut self, node: Option<Node>) {
        if let Some(node) = node {
            self.node = node.id;
        }
    }

    fn log_rejection(&self, error: Option<&RpcStatus>) {
        if let Some(error) = error {
            tracing::warn!(
                node = self.node,
                code = error.code,
                message = error.message,
                "a secret was rejected by the proxy"
            );
        }
    }
}

/// `StreamSecrets`: every request repeats all names.
#[derive(Default)]
pub(super) struct StateOfTheWorld {
    peer: Peer,
    watched: Watched,
    nonce: u64,
}

impl StateOfTheWorld {
    /// Everything watched that the stream does not have yet.
    fn respond(&mut self, secrets: &Secrets) -> Option<DiscoveryResponse> {
        let mut versions = Vec::new();
        let mut resources = Vec::new();
        for (name, sent) in &mut self.watched {
            let Some(found) = secrets.get(name) else { continue };
            if sent.as_ref() != Some(&found.version) {
                *sent = Some(found.version.clone());
                versions.push(found.version.as_str());
                resources.push(found.secret.clone());
            }
        }
        if resources.is_empty() {
            return None;
        }
        self.nonce += 1;
        Some(DiscoveryResponse {
            version_info: versions.join("."),
            resources,
            type_url: TYPE_URL.to_owned(),
            nonce: self.nonce.to_string(),
        })
    }
}

impl Session for StateOfTheWorld {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn on_request(
        &mut self,
        request: DiscoveryRequest,
        secrets: Option<&Secrets>,
    ) -> Result<Option<DiscoveryResponse>, Status> {
        check_type(&request.type_url)?;
        self.peer.learn(request.node);
        // A request that answers an older response was overtaken by a newer one: its answer will come.
        if !request.response_nonce.is_empty() && request.response_nonce != self.nonce.to_string() {
            return Ok(None);
        }
        self.peer.log_rejection(request.error_detail.as_ref());
        if let Some(unknown) = request.resource_names.iter().find(|name| !secrets::is_known(name)) {
            return Err(Status::not_found(format!("there is no secret {unknown:?}")));
        }
        let mut before = std::mem::take(&mut self.watched);
        self.watched = request
            .resource_names
            .into_iter()
            .map(|name| {
                let sent = before.remove(&name).flatten();
                (name, sent)
            })
            .collect();
        // An ACK or NACK names what was sent already, so nothing is left to say.
        Ok(secrets.and_then(|secrets| self.respond(secrets)))
    }

    fn on_change(&mut self, secrets: &Secrets) -> Option<DiscoveryResponse> {
        self.respond(secrets)
    }
}

/// `DeltaSecrets`: requests name what changes.
#[derive(Default)]
pub(super) struct Delta {
    peer: Peer,
    watched: Watched,
    nonce: u64,
}

impl Delta {
    fn respond(&mut self, secrets: &Secrets, removed: Vec<String>) -> Option<DeltaDiscoveryResponse> {
        let mut resources = Vec::new();
        for (name, sent) in &mut self.watched {
            let Some(found) = secrets.get(name) else { continue };
            if sent.as_ref() != Some(&found.version) {
                *sent = Some(found.version.clone());
                resources.push(Resource {
                    version: found.version.clone(),
                    resource: Some(found.secret.clone()),
                    name: name.clone(),
                });
            }
        }
        self.wrap(resources, removed)
    }

    fn wrap(&mut self, resources: Vec<Resource>, removed: Vec<String>) -> Option<DeltaDiscoveryResponse> {
        if resources.is_empty() && removed.is_empty() {
            return None;
        }
        self.nonce += 1;
        Some(DeltaDiscoveryResponse {
            system_version_info: self.nonce.to_string(),
            resources,
            type_url: TYPE_URL.to_owned(),
            nonce: self.nonce.to_string(),
            removed_resources: removed,
        })
    }
}

impl Session for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn on_request(
        &mut self,
        request: DeltaDiscoveryRequest,
        secrets: Option<&Secrets>,
    ) -> Result<Option<DeltaDiscoveryResponse>, Status> {
        check_type(&request.type_url)?;
        self.peer.learn(request.node);
        self.peer.log_rejection(request.error_detail.as_ref());
        for name in &request.resource_names_unsubscribe {
            self.watched.remove(name);
        }
        let mut unknown = Vec::new();
        let mut initial = request.initial_resource_versions;
        for name in request.resource_names_subscribe {
            if secrets::is_known(&name) {
                // Who subscribes again wants it again, unless it says that it has it.
                let has = initial.remove(&name);
                self.watched.insert(name, has);
            } else {
                // Delta's way to say that there is no such resource.
                unknown.push(name);
            }
        }
        Ok(match secrets {
            Some(secrets) => self.respond(secrets, unknown),
            None => self.wrap(Vec::new(), unknown),
        })
    }

    fn on_change(&mut self, secrets: &Secrets) -> Option<DeltaDiscoveryResponse> {
        self.respond(secrets, Vec::new())
    }
}
