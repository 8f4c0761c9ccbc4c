//! A node as it stands in the first request of a stream: Istio's id and metadata.

use envoy_types::pb::envoy::config::core::v3 as pb;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use mesh_core::node::{InvalidNodeId, Node};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Client feature of those that keep a cluster's endpoints when the cluster changes, so that a server need
/// not send them again. Ours does; Envoy warms a changed cluster anew.
pub const KEEPS_ENDPOINTS: &str = "mesh.keeps-endpoints";

/// Why a node is not one of Istio's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNode {
    /// Without an id.
    #[error("the first request carries no node id")]
    Missing,
    /// The id is not of Istio's form.
    #[error("node.id: {0}")]
    Id(InvalidNodeId),
    /// Neither the id nor `INSTANCE_IPS` has an address.
    #[error("neither node.id nor node.metadata.INSTANCE_IPS has an IP address")]
    NoAddress,
    /// A value of the metadata is not what Istio puts there.
    #[error("node.metadata.{key}: {fault}")]
    Metadata {
        /// Key, with the label's name after a dot.
        key: String,
        /// What is wrong.
        fault: &'static str,
    },
}

/// The node as requests carry it.
pub fn to_proto(node: &Node) -> pb::Node {
    let mut metadata: HashMap<String, Value> = HashMap::new();
    let ips: Vec<String> = node.ips.iter().map(ToString::to_string).collect();
    let ips = ips.join(",");
    for (key, value) in [
        ("NAME", node.name.as_str()),
        ("NAMESPACE", &node.namespace),
        ("SERVICE_ACCOUNT", &node.service_account),
        ("CLUSTER_ID", &node.cluster_id),
        ("NETWORK", &node.network),
        ("WORKLOAD_NAME", &node.workload_name),
        ("GENERATOR", node.generator.as_deref().unwrap_or_default()),
        ("INSTANCE_IPS", &ips),
    ] {
        if !value.is_empty() {
            metadata.insert(key.to_owned(), text(value));
        }
    }
    let labels: HashMap<String, Value> = node.labels.iter().map(|(k, v)| (k.clone(), text(v))).collect();
    if !labels.is_empty() {
        metadata
            .insert("LABELS".to_owned(), Value { kind: Some(Kind::StructValue(Struct { fields: labels })) });
    }
    let workload = if node.workload_name.is_empty() { &node.name } else { &node.workload_name };
    pb::Node {
        id: node.id(),
        cluster: format!("{workload}.{}", node.namespace),
        metadata: Some(Struct { fields: metadata }),
        user_agent_name: "mesh".to_owned(),
        user_agent_version_type: Some(pb::node::UserAgentVersionType::UserAgentVersion(
            env!("CARGO_PKG_VERSION").to_owned(),
        )),
        ..pb::Node::default()
    }
}

/// Reads a node. Metadata wins over the id; a namespace that is not in the metadata is the first label of the
/// DNS domain, as with Istio.
///
/// # Errors
/// If it has no id of Istio's form, no address, or metadata of another type.
pub fn from_proto(node: &pb::Node) -> Result<Node, InvalidNode> {
    if node.id.is_empty() {
        return Err(InvalidNode::Missing);
    }
    let mut read = Node::from_id(&node.id).map_err(InvalidNode::Id)?;
    let empty = Struct::default();
    let metadata = node.metadata.as_ref().unwrap_or(&empty);
    let get = |key: &str| string(metadata, key);
    if let Some(name) = get("NAME")? {
        read.name = name;
    }
    read.namespace = match get("NAMESPACE")? {
        Some(namespace) => namespace,
        None => match read.dns_domain.split('.').next() {
            Some(label) if !label.is_empty() => label.to_owned(),
            _ => read.namespace,
        },
    };
    read.service_account = get("SERVICE_ACCOUNT")?.unwrap_or(read.service_account);
    read.cluster_id = get("CLUSTER_ID")?.unwrap_or(read.cluster_id);
    read.network = get("NETWORK")?.unwrap_or_default();
    read.workload_name = get("WORKLOAD_NAME")?.unwrap_or_default();
    read.generator = get("GENERATOR")?;
    if let Some(ips) = get("INSTANCE_IPS")? {
        let invalid = || fault("INSTANCE_IPS".to_owned(), "not a list of IP addresses");
        let listed = ips.split(',').map(|ip| ip.trim().parse::<IpAddr>());
        for ip in listed.collect::<Result<Vec<_>, _>>().map_err(|_| invalid())? {
            if !read.ips.contains(&ip) {
                read.ips.push(ip);
            }
        }
    }
    if read.ips.is_empty() {
        return Err(InvalidNode::NoAddress);
    }
    read.labels = match metadata.fields.get("LABELS").and_then(|value| value.kind.as_ref()) {
        None | Some(Kind::NullValue(_)) => BTreeMap::new(),
        Some(Kind::StructValue(labels)) => {
            let mut read = BTreeMap::new();
            for (name, value) in &labels.fields {
                let Some(Kind::StringValue(value)) = &value.kind else {
                    return Err(fault(format!("LABELS.{name}"), "not a string"));
                };
                read.insert(name.clone(), value.clone());
            }
            read
        }
        Some(_) => return Err(fault("LABELS".to_owned(), "not an object")),
    };
    Ok(read)
}

fn fault(key: String, fault: &'static str) -> InvalidNode {
    InvalidNode::Metadata { key, fault }
}

/// A text of the metadata; an empty one counts as missing.
fn string(metadata: &Struct, key: &str) -> Result<Option<String>, InvalidNode> {
    match metadata.fields.get(key).and_then(|value| value.kind.as_ref()) {
        None | Some(Kind::NullValue(_)) => Ok(None),
        Some(Kind::StringValue(value)) => Ok((!value.is_empty()).then(|| value.clone())),
        Some(_) => Err(fault(key.to_owned(), "not a string")),
    }
}

fn text(value: &str) -> Value {
    Value { kind: Some(Kind::StringValue(value.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::node::NodeKind;

    fn metadata(entries: &[(&str, Kind)]) -> Option<Struct> {
        let value = |kind: &Kind| Value { kind: Some(kind.clone()) };
        Some(Struct { fields: entries.iter().map(|(k, v)| ((*k).to_owned(), value(v))).collect() })
    }

    fn node(id: &str, entries: &[(&str, Kind)]) -> pb::Node {
        pb::Node { id: id.to_owned(), metadata: metadata(entries), ..pb::Node::default() }
    }

    #[test]
    fn a_node_reads_back_with_all_of_its_metadata() {
        let mut node = Node::new(NodeKind::Router, [127, 1, 0, 9].into(), "gw-1", "istio-system");
        node.ips.push("fd00::1".parse().unwrap());
        node.labels.insert("istio".into(), "ingressgateway".into());
        node.service_account = "gw".into();
        node.cluster_id = "east".into();
        node.network = "n1".into();
        node.workload_name = "gw".into();
        node.generator = Some("grpc".into());
        assert_eq!(from_proto(&to_proto(&node)), Ok(node));
    }

    #[test]
    fn the_namespace_falls_back_to_the_dns_domains_first_label() {
        let id = "sidecar~10.0.0.1~reviews.other~default.svc.cluster.local";
        assert_eq!(from_proto(&node(id, &[])).unwrap().namespace, "default");
        let said = [("NAMESPACE", Kind::StringValue("said".into()))];
        assert_eq!(from_proto(&node(id, &said)).unwrap().namespace, "said");
    }

    #[test]
    fn a_node_needs_an_id_of_four_parts_and_an_address() {
        assert_eq!(from_proto(&pb::Node::default()), Err(InvalidNode::Missing));
        assert!(matches!(from_proto(&node("envoy-1", &[])), Err(InvalidNode::Id(InvalidNodeId::Parts(_)))));
        let id = "sidecar~~a.default~default.svc.cluster.local";
        assert_eq!(from_proto(&node(id, &[])), Err(InvalidNode::NoAddress));
        let ips = [("INSTANCE_IPS", Kind::StringValue("10.0.0.1, fe80::1".into()))];
        assert_eq!(from_proto(&node(id, &ips)).unwrap().ips.len(), 2);
    }

    #[test]
    fn metadata_of_another_type_is_an_error_with_its_path() {
        let id = "sidecar~10.0.0.1~a.default~default.svc.cluster.local";
        let labels = Kind::StructValue(Struct {
            fields: HashMap::from([("app".to_owned(), Value { kind: Some(Kind::BoolValue(true)) })]),
        });
        let error = from_proto(&node(id, &[("LABELS", labels)])).unwrap_err();
        assert_eq!(error.to_string(), "node.metadata.LABELS.app: not a string");
        let error = from_proto(&node(id, &[("NETWORK", Kind::NumberValue(1.0))])).unwrap_err();
        assert_eq!(error.to_string(), "node.metadata.NETWORK: not a string");
        let error = from_proto(&node(id, &[("INSTANCE_IPS", Kind::StringValue("x".into()))])).unwrap_err();
        assert_eq!(error.to_string(), "node.metadata.INSTANCE_IPS: not a list of IP addresses");
    }
}
