//! Who plays in the mesh, read from its configuration: nothing about Bookinfo's workloads is written twice.
//!
//! A WorkloadEntry with the label `app` is one of the application's services, one with
//! `istio: ingressgateway` is the gateway. The Sidecar that selects a workload says where the application
//! listens (`defaultEndpoint`) and which HTTP proxy it calls through (the egress listener `HTTP_PROXY`).

use mesh_core::api::networking::{Gateway, Sidecar, WorkloadEntry};
use mesh_core::node::NodeKind;
use mesh_core::world::World;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// One workload and its proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name of the WorkloadEntry.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its address.
    pub ip: IpAddr,
    /// What it is.
    pub role: Role,
}

/// What a workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of Bookinfo's services.
    App {
        /// `productpage`, `details`, `reviews` or `ratings`.
        app: String,
        /// Its version.
        version: String,
        /// Where it listens.
        listen: SocketAddr,
        /// The HTTP proxy that it calls through.
        http_proxy: Option<SocketAddr>,
    },
    /// The ingress gateway, with the address that it is reached at.
    Gateway(SocketAddr),
}

impl Member {
    /// What kind of proxy stands beside it.
    pub fn kind(&self) -> NodeKind {
        match self.role {
            Role::App { .. } => NodeKind::Sidecar,
            Role::Gateway(_) => NodeKind::Router,
        }
    }
}

/// Why a configuration is not one of Bookinfo.
#[derive(Debug, thiserror::Error)]
#[error("WorkloadEntry {namespace}/{name}: {why}")]
pub struct PlanError {
    namespace: String,
    name: String,
    why: String,
}

/// The members of a World, in the order of its resources.
///
/// # Errors
/// If a workload has no address, or nothing says where its application listens.
pub fn plan(world: &World) -> Result<Vec<Member>, PlanError> {
    world
        .of::<WorkloadEntry>()
        .map(|entry| {
            let (meta, spec) = (&entry.meta, &entry.spec);
            let error = |why: String| PlanError {
                namespace: meta.namespace.to_string(),
                name: meta.name.to_string(),
                why,
            };
            let ip: IpAddr = spec
                .address
                .parse()
                .map_err(|_| error(format!("{:?} is not an IP address", spec.address)))?;
            let mut labels = meta.labels.clone();
            labels.extend(spec.labels.clone());
            let role = match labels.get("app") {
                _ if labels.contains_key("istio") => {
                    Role::Gateway(gateway(world, &labels, ip).map_err(error)?)
                }
                Some(app) => {
                    let (listen, http_proxy) = ports(world, &meta.namespace, &labels).map_err(error)?;
                    let version = labels.get("version").cloned().unwrap_or_default();
                    Role::App { app: app.clone(), version, listen, http_proxy }
                }
                None => return Err(error("it has neither the label app nor the label istio".to_owned())),
            };
            Ok(Member {
                name: meta.name.to_string(),
                namespace: meta.namespace.to_string(),
                service_account: spec.service_account.clone(),
                labels,
                ip,
                role,
            })
        })
        .collect()
}

fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn ports(
    world: &World,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(SocketAddr, Option<SocketAddr>), String> {
    let sidecar = world
        .of::<Sidecar>()
        .filter(|s| *s.meta.namespace == *namespace)
        .find(|s| s.spec.workload_selector.as_ref().is_some_and(|w| selects(&w.labels, labels)))
        .ok_or("no Sidecar selects it, so nothing says where its application listens")?;
    let endpoint = sidecar.spec.ingress.first().map(|i| i.default_endpoint.as_str()).unwrap_or_default();
    let listen = endpoint
        .parse()
        .map_err(|_| format!("its Sidecar's ingress[0].defaultEndpoint {endpoint:?} is not an address"))?;
    let proxy = sidecar.spec.egress.iter().find_map(|egress| {
        let port = egress.port.as_ref()?;
        if !port.protocol.eq_ignore_ascii_case("HTTP_PROXY") {
            return None;
        }
        Some(SocketAddr::new(egress.bind.parse().ok()?, port.number))
    });
    Ok((listen, proxy))
}

fn gateway(world: &World, labels: &BTreeMap<String, String>, ip: IpAddr) -> Result<SocketAddr, String> {
    world
        .of::<Gateway>()
        .find(|g| selects(&g.spec.selector, labels))
        .and_then(|g| g.spec.servers.first())
        .map(|server| SocketAddr::new(server.bind.parse().unwrap_or(ip), server.port.number))
        .ok_or_else(|| "no Gateway with a server selects it".to_owned())
}
