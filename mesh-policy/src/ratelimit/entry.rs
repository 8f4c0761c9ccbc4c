//! What of a request a limit goes by: Envoy's rate-limit actions.
//!
//! An entry is a key with a value that a request has, such as `remote_address` and its caller's address. The local
//! limit compares and hashes the values where they lie; the global one sends them to its service as text.

use crate::connection::Connection;
use crate::head::head_of;
use crate::query;
use http::{Extensions, HeaderName, Request};
use mesh_core::identity::SpiffeId;
use mesh_core::model::matcher::{HeaderKey, HeaderMatch, RequestHead};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// Whoever cannot be told apart shares this value, and so one limit: to be unknown must not be a way around it.
const UNKNOWN: &str = "unknown";

/// What a request has, for an entry of one's own.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Method, authority, path and headers.
    pub head: RequestHead<'a>,
    /// What those in front have put beside it.
    pub extensions: &'a Extensions,
}

impl<'a> View<'a> {
    pub(super) fn of<B>(request: &'a Request<B>) -> Self {
        Self { head: head_of(request), extensions: request.extensions() }
    }

    /// The caller's address: by `x-forwarded-for` where that is trusted, else the connection's peer.
    fn address(&self) -> Option<IpAddr> {
        let connection: &Connection = self.extensions.get()?;
        Some(connection.client.unwrap_or(connection.remote.ip()).to_canonical())
    }
}

/// A value that an entry has in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Address(IpAddr),
    Network(IpAddr, u8),
}

impl Value<'_> {
    fn is(&self, text: &str) -> bool {
        match self {
            Self::Text(value) => value == text,
            Self::Bytes(bytes) => **bytes == *text.as_bytes(),
            other => other.to_string() == text,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Address(address) => write!(f, "{address}"),
            Self::Network(address, length) => write!(f, "{address}/{length}"),
        }
    }
}

/// Reads a value of one's own from a request.
pub type Read = Arc<dyn for<'a> Fn(&View<'a>) -> Option<Cow<'a, str>> + Send + Sync>;

#[derive(Clone)]
enum Source {
    Generic(Arc<str>),
    Header { name: HeaderKey, skip_if_absent: bool },
    Query { name: Arc<str>, skip_if_absent: bool },
    Address,
    Network { v4: u8, v6: u8 },
    Caller,
    Matches { value: Arc<str>, headers: Arc<[HeaderMatch]>, expect: bool },
    Read(Read),
}

/// A key, and where a request has its value.
///
/// ```
/// use mesh_policy::ratelimit::Entry;
///
/// // A bucket for each address.
/// let each_caller = [Entry::remote_address()];
/// // A bucket for each address, of those on the free plan alone.
/// let each_free_caller = [Entry::header("x-plan".parse()?).is("free"), Entry::remote_address()];
/// # Ok::<(), http::header::InvalidHeaderName>(())
/// ```
#[derive(Clone)]
pub struct Entry {
    key: Arc<str>,
    source: Source,
    /// What the value must be; `None` takes any, and each has its own bucket.
    want: Option<Arc<str>>,
}

impl Entry {
    fn new(key: impl Into<Arc<str>>, source: Source) -> Self {
        Self { key: key.into(), source, want: None }
    }

    /// Always the same value, to tell one route's limits from another's. Envoy's `generic_key`.
    pub fn generic_key(value: impl Into<Arc<str>>) -> Self {
        Self::new("generic_key", Source::Generic(value.into()))
    }

    /// A header's first value; the limit does not hold for requests without it. Envoy's `request_headers`.
    pub fn header(name: HeaderName) -> Self {
        Self::header_key(HeaderKey::Name(name))
    }

    /// As [`header`](Self::header), for the pseudo-headers also: `:path` has the query, `:method`, `:authority`.
    pub fn header_key(name: HeaderKey) -> Self {
        let key: Arc<str> = match &name {
            HeaderKey::Method => ":method".into(),
            HeaderKey::Authority => ":authority".into(),
            HeaderKey::Scheme => ":scheme".into(),
            HeaderKey::Path => ":path".into(),
            HeaderKey::Name(name) => name.as_str().into(),
        };
        Self::new(key, Source::Header { name, skip_if_absent: false })
    }

    /// A query parameter's first value, decoded as the application will decode it; the limit does not hold for
    /// requests without it. Envoy's `query_parameters`.
    pub fn query_parameter(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self::new(Arc::clone(&name), Source::Query { name, skip_if_absent: false })
    }

    /// The caller's address, by [`Connection`]. Envoy's `remote_address`.
    ///
    /// Requests of which no connection is known share one value.
    pub fn remote_address() -> Self {
        Self::new("remote_address", Source::Address)
    }

    /// The caller's network, of so many bits at most: Envoy's `masked_remote_address`, whose defaults are 32 and 128.
    pub fn masked_remote_address(v4_bits: u8, v6_bits: u8) -> Self {
        Self::new("masked_remote_address", Source::Network { v4: v4_bits.min(32), v6: v6_bits.min(128) })
    }

    /// The caller's SPIFFE identity. Callers without one share one value.
    pub fn caller() -> Self {
        Self::new("caller", Source::Caller)
    }

    /// A value for the requests whose headers all match (or, with `expect` false, do not). Envoy's
    /// `header_value_match`.
    pub fn header_value_match(
        value: impl Into<Arc<str>>,
        headers: impl Into<Arc<[HeaderMatch]>>,
        expect: bool,
    ) -> Self {
        Self::new("header_match", Source::Matches { value: value.into(), headers: headers.into(), expect })
    }

    /// A value of one's own; the limit does not hold for requests without it.
    ///
    /// ```
    /// use mesh_policy::ratelimit::Entry;
    /// use std::borrow::Cow;
    /// use std::sync::Arc;
    ///
    /// struct Tenant(String);
    /// let tenant = Entry::read("tenant", Arc::new(|view| {
    ///     view.extensions.get::<Tenant>().map(|tenant| Cow::Borrowed(&*tenant.0))
    /// }));
    /// ```
    pub fn read(key: impl Into<Arc<str>>, read: Read) -> Self {
        Self::new(key, Source::Read(read))
    }

    /// Under another key. Envoy's `descriptor_key`.
    #[must_use]
    pub fn key(self, key: impl Into<Arc<str>>) -> Self {
        Self { key: key.into(), ..self }
    }

    /// Only for requests with this value.
    #[must_use]
    pub fn is(self, value: impl Into<Arc<str>>) -> Self {
        Self { want: Some(value.into()), ..self }
    }

    /// Without the header or query parameter, leaves this entry out instead of the whole descriptor. Envoy's
    /// `skip_if_absent`.
    #[must_use]
    pub fn skip_if_absent(mut self) -> Self {
        if let Source::Header { skip_if_absent, .. } | Source::Query { skip_if_absent, .. } = &mut self.source
        {
            *skip_if_absent = true;
        }
        self
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.key
    }

    pub(super) fn wants_one_value(&self) -> bool {
        self.want.is_some() || matches!(self.source, Source::Generic(_) | Source::Matches { .. })
    }

    /// Whether some request can have this value here.
    pub(super) fn may_be(&self, value: &str) -> bool {
        match &self.source {
            Source::Generic(constant) | Source::Matches { value: constant, .. } => &**constant == value,
            _ => true,
        }
    }

    /// Whether a value is the wanted one.
    pub(super) fn takes(&self, value: &Value<'_>) -> bool {
        self.want.as_deref().is_none_or(|want| value.is(want))
    }

    /// Adds the value to a hash; whether the request has one, and the wanted one.
    pub(super) fn hash(&self, view: &View<'_>, hasher: &mut impl Hasher) -> bool {
        match self.value(view) {
            Found::Value(value) if self.takes(&value) => {
                value.hash(hasher);
                true
            }
            // A value that is left out is not that of somebody who sends an empty one.
            Found::Skip => {
                u8::MAX.hash(hasher);
                self.want.is_none()
            }
            Found::Value(_) | Found::Absent => false,
        }
    }

    pub(super) fn value<'a>(&'a self, view: &View<'a>) -> Found<'a> {
        let text = |text: &'a str| Found::Value(Value::Text(Cow::Borrowed(text)));
        match &self.source {
            Source::Generic(value) => text(value),
            Source::Header { name, skip_if_absent } => match name {
                HeaderKey::Method => text(view.head.method.as_str()),
                HeaderKey::Authority => text(view.head.authority),
                HeaderKey::Scheme => text(view.head.scheme),
                HeaderKey::Path => text(view.head.path),
                HeaderKey::Name(name) => match view.head.headers.get(name) {
                    Some(value) => Found::Value(Value::Bytes(Cow::Borrowed(value.as_bytes()))),
                    None => Found::absent(*skip_if_absent),
                },
            },
            Source::Query { name, skip_if_absent } => {
                match query::pairs(view.head.query()).find(|(key, _)| *form(key) == *name.as_bytes()) {
                    Some((_, value)) => Found::Value(Value::Bytes(form(value))),
                    None => Found::absent(*skip_if_absent),
                }
            }
            Source::Address => match view.address() {
                Some(address) => Found::Value(Value::Address(address)),
                None => text(UNKNOWN),
            },
            Source::Network { v4, v6 } => match view.address() {
                Some(address) => Found::Value(network(address, *v4, *v6)),
                None => text(UNKNOWN),
            },
            Source::Caller => match view.extensions.get::<SpiffeId>() {
                Some(id) => Found::Value(Value::Text(Cow::Borrowed(id.uri()))),
                None => text(UNKNOWN),
            },
            Source::Matches { value, headers, expect } => {
                match headers.iter().all(|header| header.matches(&view.head)) == *expect {
                    true => text(value),
                    false => Found::Absent,
                }
            }
            Source::Read(read) => read(view).map_or(Found::Absent, |value| Found::Value(Value::Text(value))),
        }
    }
}

/// What an entry finds in a request.
pub(super) enum Found<'a> {
    Value(Value<'a>),
    /// Nothing, and the descriptor stands without it.
    Skip,
    /// Nothing, so there is no descriptor.
    Absent,
}

impl Found<'_> {
    fn absent(skip: bool) -> Self {
        if skip { Self::Skip } else { Self::Absent }
    }
}

/// A part of a query as forms write it: a plus is a blank, unless it is encoded.
fn form(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return query::decoded(text);
    }
    Cow::Owned(query::decoded(&text.replace('+', " ")).into_owned())
}

fn network(address: IpAddr, v4: u8, v6: u8) -> Value<'static> {
    match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4.min(32))).unwrap_or(0);
            Value::Network((ip.to_bits() & mask).to_be_bytes().into(), v4)
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6.min(128))).unwrap_or(0);
            Value::Network((ip.to_bits() & mask).to_be_bytes().into(), v6)
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.want {
            Some(want) => write!(f, "{}={want}", self.key),
            None => f.write_str(&self.key),
        }
    }
}
