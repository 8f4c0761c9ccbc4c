//! Any value of every model type, within what is valid by construction and what the wire can say.

mod cluster;
mod http;
mod listener;
mod rbac;
mod route;

pub(crate) use cluster::{cluster, endpoints};
pub(crate) use listener::listener;
pub(crate) use route::route_table;

use ::http::{HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mesh_core::addr::Address;
use mesh_core::model::Name;
use mesh_core::model::access_log::{AccessLog, LogFormat};
use mesh_core::model::matcher::{
    HeaderKey, HeaderMatch, Pattern, QueryMatch, Regex, StringMatch, ValueMatch,
};
use mesh_core::model::tls::{ClientAuth, DownstreamTls, PeerValidation, SanMatch, UpstreamTls};
use mesh_core::model::values::Fraction;
use mesh_core::origin::{Origin, Place};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

pub(super) fn text() -> BoxedStrategy<String> {
    "[a-z0-9|._-]{1,12}".boxed()
}

pub(super) fn name() -> BoxedStrategy<Name> {
    text().prop_map(Name::from).boxed()
}

pub(super) fn texts() -> BoxedStrategy<Vec<String>> {
    vec(text(), 0..3).boxed()
}

/// Longer than nothing, since zero means "never" to Envoy.
pub(super) fn duration() -> BoxedStrategy<Duration> {
    prop_oneof![
        (1..86_400u64).prop_map(Duration::from_secs),
        (0..1_000_000u64, 1..1_000_000_000u32).prop_map(|(s, n)| Duration::new(s, n)),
    ]
    .boxed()
}

pub(super) fn fraction() -> BoxedStrategy<Fraction> {
    (0..=1_000_000u32).prop_map(Fraction::millionths).boxed()
}

/// The numbers at both ends more often than others.
pub(super) fn number() -> BoxedStrategy<u32> {
    prop_oneof![Just(0), Just(1), 2..100u32, any::<u32>(), Just(u32::MAX)].boxed()
}

pub(super) fn origin() -> BoxedStrategy<Option<Origin>> {
    let kind = prop_oneof![Just("VirtualService"), Just("Gateway"), Just("HTTPRoute"), Just("WasmPlugin")];
    let group = prop_oneof![Just(""), Just("networking.istio.io"), Just("gateway.networking.k8s.io")];
    let place = (text(), any::<u32>()).prop_map(|(file, line)| Place { file: file.into(), line });
    let origin = (group, "v[12](beta1)?", kind, "[a-z-]{0,8}", "[a-z.-]{1,12}", option::of(place)).prop_map(
        |(group, version, kind, namespace, name, place)| Origin {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
            place,
        },
    );
    option::of(origin).boxed()
}

fn ip_net() -> BoxedStrategy<IpNet> {
    let v4 = (any::<u32>(), 0..=32u8)
        .prop_map(|(bits, len)| IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(bits), len).unwrap()));
    let v6 = (any::<u128>(), 0..=128u8)
        .prop_map(|(bits, len)| IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(bits), len).unwrap()));
    prop_oneof![v4, v6].boxed()
}

pub(super) fn ip_nets() -> BoxedStrategy<Vec<IpNet>> {
    vec(ip_net(), 0..3).boxed()
}

pub(super) fn address() -> BoxedStrategy<Address> {
    let v4 = (any::<u32>(), any::<u16>())
        .prop_map(|(ip, port)| Address::Socket(SocketAddr::new(Ipv4Addr::from_bits(ip).into(), port)));
    let v6 = (any::<u128>(), any::<u16>())
        .prop_map(|(ip, port)| Address::Socket(SocketAddr::new(Ipv6Addr::from_bits(ip).into(), port)));
    let unix = "/[a-z/]{1,12}".prop_map(|path| Address::Unix(path.into()));
    prop_oneof![4 => v4, 1 => v6, 1 => unix].boxed()
}

pub(super) fn regex() -> BoxedStrategy<Regex> {
    let source = prop_oneof![Just("/a.*"), Just("[0-9]+|x"), Just(".+"), Just("(?i)v[12]\\.example")];
    source.prop_map(|source| Regex::new(source).unwrap()).boxed()
}

pub(super) fn string_match() -> BoxedStrategy<StringMatch> {
    let plain = prop_oneof![
        prop_oneof![text(), Just(String::new())].prop_map(Pattern::Exact),
        text().prop_map(Pattern::Prefix),
        text().prop_map(Pattern::Suffix),
        text().prop_map(Pattern::Contains),
    ];
    prop_oneof![
        4 => (plain, any::<bool>()).prop_map(|(pattern, ignore_case)| StringMatch { pattern, ignore_case }),
        1 => regex().prop_map(|re| Pattern::Regex(re).into()),
    ]
    .boxed()
}

pub(super) fn header_name() -> BoxedStrategy<HeaderName> {
    "x-[a-z0-9-]{1,8}".prop_map(|name| name.parse().unwrap()).boxed()
}

/// Text, percent signs, and bytes beyond ASCII, of UTF-8 or not.
pub(super) fn header_value() -> BoxedStrategy<HeaderValue> {
    let byte = prop_oneof![8 => 0x20..0x7fu8, 2 => Just(b'%'), 1 => 0x80..=0xffu8];
    let bytes = vec(byte, 0..12).prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap());
    prop_oneof![4 => bytes, 1 => Just(HeaderValue::from_bytes("grüße 100%".as_bytes()).unwrap())].boxed()
}

pub(super) fn header_match() -> BoxedStrategy<HeaderMatch> {
    let key = prop_oneof![
        Just(HeaderKey::Method),
        Just(HeaderKey::Authority),
        Just(HeaderKey::Scheme),
        Just(HeaderKey::Path),
        header_name().prop_map(HeaderKey::Name),
    ];
    let value = prop_oneof![
        any::<bool>().prop_map(ValueMatch::Present),
        string_match().prop_map(ValueMatch::String),
        (any::<i64>(), any::<i64>()).prop_map(|(start, end)| ValueMatch::Range { start, end }),
    ];
    (key, value, any::<bool>(), any::<bool>())
        .prop_map(|(name, value, invert, absent_is_empty)| HeaderMatch {
            name,
            value,
            invert,
            absent_is_empty,
        })
        .boxed()
}

pub(super) fn query_match() -> BoxedStrategy<QueryMatch> {
    (text(), option::of(string_match())).prop_map(|(name, value)| QueryMatch { name, value }).boxed()
}

pub(super) fn access_logs() -> BoxedStrategy<Vec<AccessLog>> {
    let format = prop_oneof![
        Just(LogFormat::default_text()),
        text().prop_map(LogFormat::Text),
        btree_map(text(), text(), 0..12).prop_map(|fields| LogFormat::Json(fields.into_iter().collect())),
    ];
    let log =
        ("/dev/std(out|err)", format).prop_map(|(path, format)| AccessLog { path: path.into(), format });
    vec(log, 0..3).boxed()
}

fn peer() -> BoxedStrategy<PeerValidation> {
    let san = prop_oneof![string_match().prop_map(SanMatch::Uri), string_match().prop_map(SanMatch::Dns)];
    (name(), vec(san, 0..4))
        .prop_map(|(roots, subject_alt_names)| PeerValidation { roots, subject_alt_names })
        .boxed()
}

pub(super) fn downstream_tls() -> BoxedStrategy<DownstreamTls> {
    let client = prop_oneof![peer().prop_map(ClientAuth::Required), Just(ClientAuth::NotAsked)];
    (name(), client, texts())
        .prop_map(|(certificate, client, alpn)| DownstreamTls { certificate, client, alpn })
        .boxed()
}

pub(super) fn upstream_tls() -> BoxedStrategy<UpstreamTls> {
    (option::of(name()), peer(), prop_oneof![text(), Just(String::new())], texts())
        .prop_map(|(certificate, server, sni, alpn)| UpstreamTls { certificate, server, sni, alpn })
        .boxed()
}
