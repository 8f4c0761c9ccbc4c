//! One order for the entries of a map.
//!
//! The generated types keep protobuf maps in hash maps, whose order differs from one to the next. Here the
//! entries that were written are sorted by their keys. Only the maps that we write with more than one entry
//! need it; the table below knows the way to each. What is inside an `Any` was put in order when it was
//! packed.

/// The fields of a message that are maps or lead to one.
struct Shape(&'static [(u64, Field)]);

enum Field {
    /// A message, or several.
    Message(&'static Shape),
    /// A map; its values may lead further.
    Map(&'static Shape),
}

use Field::{Map, Message};

static LEAF: Shape = Shape(&[]);
static STRUCT: Shape = Shape(&[(1, Map(&VALUE))]);
static VALUE: Shape = Shape(&[(5, Message(&STRUCT)), (6, Message(&LIST))]);
static LIST: Shape = Shape(&[(1, Message(&VALUE))]);
/// `Metadata.filter_metadata`.
static METADATA: Shape = Shape(&[(1, Map(&STRUCT))]);
/// `Listener.metadata`.
static LISTENER: Shape = Shape(&[(6, Message(&METADATA))]);
/// `RouteConfiguration.virtual_hosts`.
static ROUTE_TABLE: Shape = Shape(&[(2, Message(&VIRTUAL_HOST))]);
/// `VirtualHost.routes` and `.metadata`.
static VIRTUAL_HOST: Shape = Shape(&[(3, Message(&ROUTE)), (24, Message(&METADATA))]);
/// `Route.metadata`.
static ROUTE: Shape = Shape(&[(4, Message(&METADATA))]);
/// `HttpConnectionManager.route_config`.
static HTTP_MANAGER: Shape = Shape(&[(4, Message(&ROUTE_TABLE))]);
/// `Cluster.metadata` and `.load_assignment`.
static CLUSTER: Shape = Shape(&[(25, Message(&METADATA)), (33, Message(&ENDPOINTS))]);
/// `ClusterLoadAssignment.endpoints`, `.lb_endpoints`, `.metadata`.
static ENDPOINTS: Shape = Shape(&[(2, Message(&LOCALITY))]);
static LOCALITY: Shape = Shape(&[(2, Message(&ENDPOINT))]);
static ENDPOINT: Shape = Shape(&[(3, Message(&METADATA))]);
/// `RBAC.rules` and `.shadow_rules` of both filters, `.policies`.
static RBAC_FILTER: Shape = Shape(&[(1, Message(&RULES)), (2, Message(&RULES))]);
static RULES: Shape = Shape(&[(2, Map(&LEAF))]);
/// `FileAccessLog.log_format`, `.json_format`.
static FILE_LOG: Shape = Shape(&[(5, Message(&LOG_FORMAT))]);
static LOG_FORMAT: Shape = Shape(&[(2, Message(&STRUCT))]);

fn shape(message: &str) -> Option<&'static Shape> {
    Some(match message {
        "envoy.config.listener.v3.Listener" => &LISTENER,
        "envoy.config.route.v3.RouteConfiguration" => &ROUTE_TABLE,
        "envoy.config.cluster.v3.Cluster" => &CLUSTER,
        "envoy.config.endpoint.v3.ClusterLoadAssignment" => &ENDPOINTS,
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => &HTTP_MANAGER,
        "envoy.extensions.filters.http.rbac.v3.RBAC" | "envoy.extensions.filters.network.rbac.v3.RBAC" => {
            &RBAC_FILTER
        }
        "envoy.extensions.access_loggers.file.v3.FileAccessLog" => &FILE_LOG,
        _ => return None,
    })
}

/// The same message with the entries of its maps in the order of their keys.
pub(super) fn sort_maps(message: &str, bytes: Vec<u8>) -> Vec<u8> {
    match shape(message).and_then(|shape| sorted(&bytes, shape)) {
        Some(sorted) => sorted,
        None => bytes,
    }
}

/// `None` if these are not the bytes of a message, which cannot be: the caller wrote them.
fn sorted(mut rest: &[u8], shape: &Shape) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(rest.len());
    // The entries of the map that is being read, by key. All entries of a map follow one another.
    let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut map = None;
    while !rest.is_empty() {
        let start = rest;
        let tag = varint(&mut rest)?;
        let (number, wire) = (tag >> 3, tag & 7);
        if map != Some(number) {
            flush(&mut entries, &mut out);
            map = None;
        }
        if wire != 2 {
            skip(wire, &mut rest)?;
            out.extend_from_slice(start.get(..start.len() - rest.len())?);
            continue;
        }
        let body = delimited(&mut rest)?;
        match shape.0.iter().find(|(n, _)| *n == number) {
            None => out.extend_from_slice(start.get(..start.len() - rest.len())?),
            Some((_, Message(inner))) => field(tag, &sorted(body, inner)?, &mut out),
            Some((_, Map(inner))) => {
                map = Some(number);
                let (key, entry) = entry(body, inner)?;
                let mut encoded = Vec::with_capacity(entry.len() + 4);
                field(tag, &entry, &mut encoded);
                entries.push((key, encoded));
            }
        }
    }
    flush(&mut entries, &mut out);
    Some(out)
}

/// A map entry's key, and the entry with its value in order.
fn entry(mut rest: &[u8], value: &Shape) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut key, mut out) = (Vec::new(), Vec::with_capacity(rest.len()));
    while !rest.is_empty() {
        let start = rest;
        let tag = varint(&mut rest)?;
        if tag & 7 != 2 {
            skip(tag & 7, &mut rest)?;
            out.extend_from_slice(start.get(..start.len() - rest.len())?);
            continue;
        }
        let body = delimited(&mut rest)?;
        match tag >> 3 {
            2 => field(tag, &sorted(body, value)?, &mut out),
            number => {
                if number == 1 {
                    key = body.to_vec();
                }
                field(tag, body, &mut out);
            }
        }
    }
    Some((key, out))
}

fn flush(entries: &mut Vec<(Vec<u8>, Vec<u8>)>, out: &mut Vec<u8>) {
    entries.sort();
    for (_, entry) in entries.drain(..) {
        out.extend_from_slice(&entry);
    }
}

fn field(tag: u64, body: &[u8], out: &mut Vec<u8>) {
    prost::encoding::encode_varint(tag, out);
    prost::encoding::encode_varint(body.len() as u64, out);
    out.extend_from_slice(body);
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(rest).ok()
}

fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(rest)?).ok()?;
    let (body, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(body)
}

fn skip(wire: u64, rest: &mut &[u8]) -> Option<()> {
    match wire {
        0 => varint(rest).map(drop),
        1 => rest.split_at_checked(8).map(|(_, after)| *rest = after),
        5 => rest.split_at_checked(4).map(|(_, after)| *rest = after),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::convert::encode::bytes;
    use crate::convert::pb;
    use crate::convert::pb::Kind;
    use prost::Message;

    fn object(keys: &[&str], value: &pb::Value) -> pb::Struct {
        pb::Struct { fields: keys.iter().map(|k| ((*k).to_owned(), value.clone())).collect() }
    }

    #[test]
    fn maps_of_any_depth_are_written_in_the_order_of_their_keys() {
        let keys: Vec<String> = (0..20).map(|n| format!("key{n}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let leaf = pb::Value { kind: Some(Kind::NumberValue(1.5)) };
        let inner = pb::Value { kind: Some(Kind::StructValue(object(&keys, &leaf))) };
        let listener = || pb::listener::Listener {
            name: "l".into(),
            stat_prefix: "after".into(),
            metadata: Some(pb::core::Metadata {
                filter_metadata: [("a", &leaf), ("b", &inner), ("c", &leaf)]
                    .map(|(k, v)| (k.to_owned(), object(&keys, v)))
                    .into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let first = bytes(&listener());
        assert!((0..20).all(|_| bytes(&listener()) == first));
        assert_eq!(pb::listener::Listener::decode(&*first).unwrap(), listener());
    }
}
