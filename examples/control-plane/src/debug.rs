//! The control plane's HTTP pages: readiness, metrics, and what each proxy was given.

use crate::{Compiler, Findings};
use http::StatusCode;
use hyper::Request;
use hyper::body::Incoming;
use mesh_ca::CertificateService;
use mesh_cli::http::{Reply, json, metrics, text};
use mesh_core::source::{Status, Statuses, status};
use mesh_core::watch::Watch;
use mesh_core::world::Key;
use serde_json::{Value, json as value};
use std::collections::HashMap;
use std::sync::Arc;

/// What the pages show.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) compiler: Compiler,
    pub(crate) findings: Findings,
    pub(crate) status: Watch<Statuses>,
    pub(crate) xds: mesh_xds::Server,
    pub(crate) ca: CertificateService,
}

const INDEX: &str = "\
/ready                     200 once the configuration was read
/metrics                   Prometheus' text format
/debug/syncz               what each proxy was sent and acknowledged
/debug/configz             the resources in force; ?proxyID=NAME.NAMESPACE: what one proxy was given
/debug/statusz             what became of each resource that is declared, in force or not
/debug/findings            what there is to say about the configuration
";

impl Pages {
    pub(crate) fn answer(&self, request: &Request<Incoming>) -> Reply {
        match request.uri().path() {
            "/" | "/help" => text(StatusCode::OK, INDEX),
            "/ready" => text(StatusCode::OK, "ready\n"),
            "/metrics" => metrics(self.metrics()),
            "/debug/syncz" => json(self.xds.syncz().to_string()),
            "/debug/statusz" => json(status::json(self.statuses().iter()).to_string()),
            "/debug/findings" => json(self.findings.json()),
            "/debug/configz" => match proxy_id(request.uri().query().unwrap_or_default()) {
                None => json(self.resources().to_string()),
                Some(id) => self.snapshot_of(id),
            },
            path => text(StatusCode::NOT_FOUND, format!("there is no {path}; there are\n{INDEX}")),
        }
    }

    fn metrics(&self) -> String {
        let mut page = self.xds.metrics();
        page.push_str(&self.ca.prometheus());
        let world = self.compiler.world();
        page.push_str(&format!(
            "# HELP galley_validation_failed Findings of level error in the configuration in force.\n\
             # TYPE galley_validation_failed gauge\n\
             galley_validation_failed {}\n\
             # HELP pilot_k8s_cfg_resources Resources in force.\n\
             # TYPE pilot_k8s_cfg_resources gauge\n\
             pilot_k8s_cfg_resources {}\n",
            self.findings.errors(),
            world.len(),
        ));
        page
    }

    fn statuses(&self) -> Arc<Statuses> {
        self.status.current().unwrap_or_default()
    }

    /// Every resource in force, as Istio's page lists them: with Istio's `status`, and instead of the `spec`
    /// the place where it is written.
    fn resources(&self) -> Value {
        let (world, statuses) = (self.compiler.world(), self.statuses());
        let in_force = statuses.iter().filter(|s| s.state.since().is_some());
        let of: HashMap<&Key, &Status> = in_force.map(|s| (&s.key, s)).collect();
        world
            .iter()
            .map(|resource| {
                let meta = resource.meta();
                let source = resource.source();
                value!({
                    "apiVersion": if meta.group.is_empty() {
                        meta.version.to_string()
                    } else {
                        format!("{}/{}", meta.group, meta.version)
                    },
                    "kind": &*meta.kind,
                    "metadata": {
                        "name": &*meta.name,
                        "namespace": &*meta.namespace,
                        "labels": meta.labels,
                        "annotations": meta.annotations,
                    },
                    "file": &*source.file,
                    "line": source.locate("").map(|span| span.line),
                    "status": of.get(&Key::of(meta)).map(|s| status::as_istio(s)),
                })
            })
            .collect()
    }

    /// What a proxy was given, as Envoy's `/config_dump` shows it.
    fn snapshot_of(&self, id: &str) -> Reply {
        let all = self.compiler.snapshots();
        let found = all.iter().find(|(node, _)| node.to_string() == id || node.id() == id);
        match found {
            Some((_, Some(snapshot))) => json(mesh_xds::json::config_dump(snapshot).to_string()),
            Some((_, None)) => text(StatusCode::SERVICE_UNAVAILABLE, "its configuration is being compiled\n"),
            None => {
                let known: Vec<String> = all.iter().map(|(node, _)| node.to_string()).collect();
                let known = known.join(", ");
                text(StatusCode::NOT_FOUND, format!("no proxy {id:?} is connected; there are: {known}\n"))
            }
        }
    }
}

/// `proxyID` of a query, as istiod calls it; nothing in a node's name needs escapes.
fn proxy_id(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("proxyID="))
}
