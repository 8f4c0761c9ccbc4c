//! `/listeners`: who is listened for, as Envoy's `admin.v3.Listeners`.
//!
//! A listener that cannot be bound is listed too, with its error: Envoy would have refused it at the door,
//! here it is tried again until it can.

use super::query::Query;
use super::reply::Reply;
use crate::control::ListenerStatus;
use mesh_core::model::Name;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

pub(super) fn page(listeners: &BTreeMap<Name, ListenerStatus>, query: &Query) -> Reply {
    match query.get("format") {
        Some("json") => Reply::json(&as_json(listeners)),
        _ => Reply::text(as_text(listeners)),
    }
}

fn as_text(listeners: &BTreeMap<Name, ListenerStatus>) -> String {
    let mut out = String::new();
    for (name, status) in listeners {
        let _ = match status {
            ListenerStatus::Bound(address) => writeln!(out, "{name}::{address}"),
            ListenerStatus::Failed { address, error } => writeln!(out, "{name}::{address}::failed: {error}"),
        };
    }
    out
}

fn as_json(listeners: &BTreeMap<Name, ListenerStatus>) -> Value {
    let statuses = listeners.iter().map(|(name, status)| match status {
        ListenerStatus::Bound(address) => {
            json!({ "name": &**name, "local_address": socket_address(*address) })
        }
        ListenerStatus::Failed { address, error } => {
            let mut entry = json!({ "name": &**name, "failed": { "address": address, "error": error } });
            if let Ok(address) = address.parse() {
                entry["local_address"] = socket_address(address);
            }
            entry
        }
    });
    json!({ "listener_statuses": statuses.collect::<Vec<_>>() })
}

/// Envoy's `core.v3.Address` of a socket.
pub(super) fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners() -> BTreeMap<Name, ListenerStatus> {
        let failed = ListenerStatus::Failed {
            address: "127.1.0.4:9080".to_owned(),
            error: "address in use".to_owned(),
        };
        [
            ("virtualOutbound".into(), ListenerStatus::Bound("127.0.0.1:15001".parse().unwrap())),
            ("127.1.0.4_9080".into(), failed),
        ]
        .into()
    }

    #[test]
    fn each_listener_is_a_line_and_a_failed_one_says_why() {
        let page = page(&listeners(), &Query::default());
        assert_eq!(
            page.body,
            "127.1.0.4_9080::127.1.0.4:9080::failed: address in use\nvirtualOutbound::127.0.0.1:15001\n"
        );
    }

    #[test]
    fn the_json_is_envoys() {
        let page = page(&listeners(), &Query::parse("format=json"));
        let json: Value = serde_json::from_str(&page.body).unwrap();
        assert_eq!(
            json["listener_statuses"][1],
            json!({
                "name": "virtualOutbound",
                "local_address": { "socket_address": { "address": "127.0.0.1", "port_value": 15001 } },
            })
        );
        assert_eq!(json["listener_statuses"][0]["failed"]["error"], "address in use");
        assert_eq!(json["listener_statuses"][0]["local_address"]["socket_address"]["port_value"], 9080);
    }
}
