//! `/server_info` and `/memory`: what runs here.

use super::State;
use mesh_core::node::Node;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Envoy's `admin.v3.ServerInfo`.
pub(super) fn server_info(node: &Node, state: State, uptime: Duration, concurrency: usize) -> Value {
    let uptime = format!("{}s", uptime.as_secs());
    json!({
        "version": version(),
        "state": state.as_str(),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": { "concurrency": concurrency },
        "node": node_json(node),
    })
}

/// Envoy's five parts: revision, version, state of the source, build, TLS library.
fn version() -> String {
    let build = if cfg!(debug_assertions) { "DEBUG" } else { "RELEASE" };
    format!("mesh-proxy/{}/Unknown/{build}/rustls-aws-lc", env!("CARGO_PKG_VERSION"))
}

/// Envoy's `core.v3.Node`, with Istio's metadata.
pub(super) fn node_json(node: &Node) -> Value {
    let mut metadata = Map::new();
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            metadata.insert(key.to_owned(), value.into());
        }
    };
    add("NAME", &node.name);
    add("NAMESPACE", &node.namespace);
    add("SERVICE_ACCOUNT", &node.service_account);
    add("CLUSTER_ID", &node.cluster_id);
    add("NETWORK", &node.network);
    add("WORKLOAD_NAME", &node.workload_name);
    let ips: Vec<String> = node.ips.iter().map(ToString::to_string).collect();
    add("INSTANCE_IPS", &ips.join(","));
    metadata.insert("LABELS".to_owned(), json!(node.labels));
    let app = node.labels.get("app").unwrap_or(&node.name);
    json!({
        "id": node.id(),
        "cluster": format!("{app}.{}", node.namespace),
        "metadata": metadata,
        "user_agent_name": "mesh-proxy",
        "user_agent_version": env!("CARGO_PKG_VERSION"),
    })
}

/// Memory of this process, by `/proc/self/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Private pages in memory.
    anonymous: u64,
    /// Pages in memory, shared ones too.
    pub(super) resident: u64,
    /// Data segment and heap as far as they are mapped.
    data: u64,
}

impl Memory {
    /// Of this process; `None` where there is no `/proc`.
    pub(super) fn of_this_process() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    fn parse(status: &str) -> Option<Self> {
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        Some(Self { anonymous: bytes("RssAnon")?, resident: bytes("VmRSS")?, data: bytes("VmData")? })
    }

    /// Envoy's `admin.v3.Memory`, without what only its own allocator knows.
    pub(super) fn as_json(self) -> Value {
        json!({
            "allocated": self.anonymous.to_string(),
            "heap_size": self.data.to_string(),
            "total_physical_bytes": self.resident.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::node;
    use super::*;

    #[test]
    fn the_node_is_described_as_it_introduces_itself() {
        let info = server_info(&node(), State::Live, Duration::from_secs(61), 2);
        assert_eq!((&info["state"], &info["uptime_current_epoch"]), (&json!("LIVE"), &json!("61s")));
        assert_eq!(info["command_line_options"]["concurrency"], 2);
        assert_eq!(info["node"]["id"], "sidecar~127.1.0.4~a-v1.default~default.svc.cluster.local");
        assert_eq!(info["node"]["cluster"], "a.default");
        assert_eq!(info["node"]["metadata"]["LABELS"], json!({ "app": "a" }));
        assert_eq!(info["version"].as_str().map(|v| v.split('/').count()), Some(5));
    }

    #[test]
    fn memory_is_read_from_the_kernels_page() {
        let page = "Name:\tproxy\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\nVmData:\t    4096 kB\n";
        let memory = Memory::parse(page).unwrap();
        assert_eq!(
            memory.as_json(),
            json!({ "allocated": "1048576", "heap_size": "4194304", "total_physical_bytes": "2097152" })
        );
        assert_eq!(Memory::parse("VmRSS:\tx kB\n"), None);
        assert!(Memory::of_this_process().is_some_and(|m| m.resident >= m.anonymous && m.anonymous > 0));
    }
}
