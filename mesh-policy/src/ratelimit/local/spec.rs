//! The local limit from a file, in the shape of Envoy's `LocalRateLimit`.

use super::header_match::{HeaderMatchSpec, header_key};
use super::layer::LocalRateLimitLayer;
use crate::SpecError;
use crate::ratelimit::bucket::Rate;
use crate::ratelimit::entry::Entry;
use crate::ratelimit::table;
use http::{HeaderName, HeaderValue, StatusCode};
use mesh_core::api::value::Span;
use mesh_core::model::matcher::HeaderMatch;
use mesh_core::model::values::Fraction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of a [`LocalRateLimitLayer`].
///
/// ```
/// use mesh_policy::ratelimit::{LocalRateLimitLayer, LocalRateLimitSpec};
///
/// let spec: LocalRateLimitSpec = serde_json::from_str(r#"{
///     "tokenBucket": {"maxTokens": 1000, "tokensPerFill": 1000, "fillInterval": "1s"},
///     "rateLimits": [{"actions": [{"requestHeaders": {"headerName": "x-plan"}}, {"remoteAddress": {}}]}],
///     "descriptors": [{
///         "entries": [{"key": "x-plan", "value": "free"}, {"key": "remote_address"}],
///         "tokenBucket": {"maxTokens": 10, "fillInterval": "1s"}
///     }],
///     "enableXRatelimitHeaders": "DRAFT_VERSION_03"
/// }"#)?;
/// let layer = LocalRateLimitLayer::try_from(spec.clone())?;
///
/// let wrong = LocalRateLimitSpec { filter_enforced: Some(120.0), ..spec };
/// let error = LocalRateLimitLayer::try_from(wrong).unwrap_err();
/// assert_eq!(error.to_string(), "filterEnforced: must be a percentage from 0 to 100");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalRateLimitSpec {
    /// The bucket of all requests.
    pub token_bucket: Option<TokenBucketSpec>,
    /// Which requests have which descriptors.
    pub rate_limits: Vec<RateLimitsSpec>,
    /// The buckets of descriptors. Each must have the keys of one of `rateLimits`, in its order.
    pub descriptors: Vec<DescriptorSpec>,
    /// The share of requests that are looked at, in percent; all by default.
    pub filter_enabled: Option<f64>,
    /// The share of requests over a limit that are refused, in percent; all by default.
    pub filter_enforced: Option<f64>,
    /// How many callers each descriptor keeps apart; 16,384 by default.
    pub max_dynamic_descriptors: Option<u32>,
    /// Whether requests that have descriptors take from the bucket of all, too; so by default.
    pub always_consume_default_token_bucket: Option<bool>,
    /// Whether callers are told how they stand.
    pub enable_x_ratelimit_headers: XRateLimitHeaders,
    /// Status of a refusal, from 400 to 599; 429 by default.
    pub status: Option<u16>,
    /// Refuses gRPC calls with `RESOURCE_EXHAUSTED` instead of `UNAVAILABLE`.
    pub rate_limited_as_resource_exhausted: bool,
    /// Headers of a refusal.
    pub response_headers_to_add: BTreeMap<String, String>,
}

/// Whether callers are told how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum XRateLimitHeaders {
    /// Not.
    #[default]
    #[serde(rename = "OFF")]
    Off,
    /// By `x-ratelimit-limit`, `x-ratelimit-remaining` and `x-ratelimit-reset`.
    #[serde(rename = "DRAFT_VERSION_03")]
    DraftVersion03,
}

/// Envoy's `type.v3.TokenBucket`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenBucketSpec {
    /// Tokens of a full bucket.
    pub max_tokens: u32,
    /// Tokens that it gains each interval; 1 by default.
    #[serde(default = "one")]
    pub tokens_per_fill: u32,
    /// The interval, over which the tokens come evenly.
    pub fill_interval: Span,
}

fn one() -> u32 {
    1
}

impl TryFrom<&TokenBucketSpec> for Rate {
    type Error = SpecError;

    fn try_from(spec: &TokenBucketSpec) -> Result<Self, SpecError> {
        Self::token_bucket(spec.max_tokens, spec.tokens_per_fill, spec.fill_interval.0)
    }
}

/// What a descriptor is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimitsSpec {
    /// Its entries. A request that lacks the value of one has no such descriptor.
    pub actions: Vec<ActionSpec>,
}

/// A descriptor's bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DescriptorSpec {
    /// Keys, and values where not every value has a bucket.
    pub entries: Vec<DescriptorEntrySpec>,
    /// The bucket, or each of them.
    pub token_bucket: TokenBucketSpec,
}

/// An entry of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DescriptorEntrySpec {
    /// The key that an action gives it.
    pub key: String,
    /// Its value; without, each value has a bucket of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// Where an entry's value comes from. Envoy's `route.v3.RateLimit.Action`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ActionSpec {
    /// A constant.
    GenericKey {
        /// The value.
        descriptor_value: String,
        /// The key; `generic_key` by default.
        descriptor_key: Option<String>,
    },
    /// A header; of the pseudo-headers `:method`, `:authority`, `:scheme` and `:path`.
    RequestHeaders {
        /// Its name.
        header_name: String,
        /// The key; the header's name by default.
        descriptor_key: Option<String>,
        /// Leaves the entry out if there is no such header, instead of the descriptor.
        #[serde(default)]
        skip_if_absent: bool,
    },
    /// A query parameter.
    QueryParameters {
        /// Its name.
        query_parameter_name: String,
        /// The key; the parameter's name by default.
        descriptor_key: Option<String>,
        /// Leaves the entry out if there is no such parameter, instead of the descriptor.
        #[serde(default)]
        skip_if_absent: bool,
    },
    /// The caller's address, as `remote_address`.
    RemoteAddress {},
    /// The caller's network, as `masked_remote_address`.
    MaskedRemoteAddress {
        /// Bits of an IPv4 network; 32 by default.
        v4_prefix_mask_len: Option<u8>,
        /// Bits of an IPv6 network; 128 by default.
        v6_prefix_mask_len: Option<u8>,
    },
    /// The caller's SPIFFE identity, as `caller`.
    Caller {},
    /// A constant, for requests whose headers all match.
    HeaderValueMatch {
        /// The value.
        descriptor_value: String,
        /// The key; `header_match` by default.
        descriptor_key: Option<String>,
        /// With `false`, for those whose headers do not all match.
        expect_match: Option<bool>,
        /// The headers.
        headers: Vec<HeaderMatchSpec>,
    },
}

impl TryFrom<&ActionSpec> for Entry {
    type Error = SpecError;

    fn try_from(spec: &ActionSpec) -> Result<Self, SpecError> {
        let keyed = |entry: Entry, key: &Option<String>| match key {
            Some(key) => entry.key(key.as_str()),
            None => entry,
        };
        let skipping = |entry: Entry, skip: bool| if skip { entry.skip_if_absent() } else { entry };
        Ok(match spec {
            ActionSpec::GenericKey { descriptor_value, descriptor_key } => {
                keyed(Self::generic_key(descriptor_value.as_str()), descriptor_key)
            }
            ActionSpec::RequestHeaders { header_name, descriptor_key, skip_if_absent } => {
                let name = header_key(header_name).map_err(|e| e.under("requestHeaders.headerName"))?;
                skipping(keyed(Self::header_key(name), descriptor_key), *skip_if_absent)
            }
            ActionSpec::QueryParameters { query_parameter_name, descriptor_key, skip_if_absent } => skipping(
                keyed(Self::query_parameter(query_parameter_name.as_str()), descriptor_key),
                *skip_if_absent,
            ),
            ActionSpec::RemoteAddress {} => Self::remote_address(),
            ActionSpec::MaskedRemoteAddress { v4_prefix_mask_len, v6_prefix_mask_len } => {
                let (v4, v6) = (v4_prefix_mask_len.unwrap_or(32), v6_prefix_mask_len.unwrap_or(128));
                let field = match (v4, v6) {
                    (33.., _) => Some(("v4PrefixMaskLen", "must be from 0 to 32")),
                    (_, 129..) => Some(("v6PrefixMaskLen", "must be from 0 to 128")),
                    _ => None,
                };
                if let Some((field, must)) = field {
                    return Err(SpecError::new(field, must).under("maskedRemoteAddress"));
                }
                Self::masked_remote_address(v4, v6)
            }
            ActionSpec::Caller {} => Self::caller(),
            ActionSpec::HeaderValueMatch { descriptor_value, descriptor_key, expect_match, headers } => {
                let headers = each(headers, "headerValueMatch.headers", |spec| HeaderMatch::try_from(spec))?;
                let expect = expect_match.unwrap_or(true);
                keyed(Self::header_value_match(descriptor_value.as_str(), headers, expect), descriptor_key)
            }
        })
    }
}

/// Each of a list, with its index in the path of an error.
pub(in crate::ratelimit) fn each<T, U>(
    list: &[T],
    field: &str,
    convert: impl Fn(&T) -> Result<U, SpecError>,
) -> Result<Vec<U>, SpecError> {
    let at = |(i, item)| convert(item).map_err(|e| e.under(&format!("{field}[{i}]")));
    list.iter().enumerate().map(at).collect()
}

/// The entries of each descriptor that requests may have.
pub(in crate::ratelimit) fn descriptors(specs: &[RateLimitsSpec]) -> Result<Vec<Vec<Entry>>, SpecError> {
    each(specs, "rateLimits", |spec| match spec.actions.is_empty() {
        true => Err(SpecError::new("actions", "must have at least one")),
        false => each(&spec.actions, "actions", |action| Entry::try_from(action)),
    })
}

fn percentage(value: Option<f64>, field: &str) -> Result<Fraction, SpecError> {
    Fraction::percent(value.unwrap_or(100.0))
        .ok_or_else(|| SpecError::new(field, "must be a percentage from 0 to 100"))
}

/// Headers by name.
pub(in crate::ratelimit) fn header_lines(
    lines: &BTreeMap<String, String>,
    field: &str,
) -> Result<Vec<(HeaderName, HeaderValue)>, SpecError> {
    let line = |(name, value): (&String, &String)| {
        let path = format!("{field}.{name}");
        let key = HeaderName::try_from(name.as_str())
            .map_err(|_| SpecError::new(path.as_str(), "must be the name of a header"))?;
        let value = HeaderValue::try_from(value.as_str())
            .map_err(|_| SpecError::new(path.as_str(), "must be the value of a header"))?;
        Ok((key, value))
    };
    lines.iter().map(line).collect()
}

/// A status that refuses.
pub(in crate::ratelimit) fn refusal(status: Option<u16>, field: &str) -> Result<StatusCode, SpecError> {
    let status = status.unwrap_or(429);
    let code = StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
    code.ok_or_else(|| SpecError::new(field, "must be a status from 400 to 599"))
}

impl TryFrom<LocalRateLimitSpec> for LocalRateLimitLayer {
    type Error = SpecError;

    fn try_from(spec: LocalRateLimitSpec) -> Result<Self, SpecError> {
        let rate = |bucket: &TokenBucketSpec| Rate::try_from(bucket).map_err(|e| e.under("tokenBucket"));
        let mut layer = Self::new(spec.token_bucket.as_ref().map(rate).transpose()?)
            .filter_enabled(percentage(spec.filter_enabled, "filterEnabled")?)
            .filter_enforced(percentage(spec.filter_enforced, "filterEnforced")?)
            .status(refusal(spec.status, "status")?);
        if let Some(callers) = spec.max_dynamic_descriptors {
            let callers = usize::try_from(callers).ok().filter(|n| (1..=table::MOST).contains(n));
            let callers = callers
                .ok_or_else(|| SpecError::new("maxDynamicDescriptors", "must be from 1 to 16777216"))?;
            layer = layer.max_dynamic_descriptors(callers);
        }
        if let Some(always) = spec.always_consume_default_token_bucket {
            layer = layer.always_consume_default_token_bucket(always);
        }
        if spec.enable_x_ratelimit_headers == XRateLimitHeaders::DraftVersion03 {
            layer = layer.x_ratelimit_headers();
        }
        if spec.rate_limited_as_resource_exhausted {
            layer = layer.rate_limited_as_resource_exhausted();
        }
        for (name, value) in header_lines(&spec.response_headers_to_add, "responseHeadersToAdd")? {
            layer = layer.response_header(name, value);
        }
        let made = descriptors(&spec.rate_limits)?;
        let limits = each(&spec.descriptors, "descriptors", |descriptor| {
            let rate = rate(&descriptor.token_bucket)?;
            Ok(wanted(descriptor, &made)?.into_iter().map(|entries| (entries, rate)).collect::<Vec<_>>())
        })?;
        if limits.is_empty() && spec.token_bucket.is_none() {
            return Err(SpecError::new("tokenBucket", "must be there where there are no descriptors"));
        }
        for (entries, rate) in limits.into_iter().flatten() {
            layer = layer.limit(entries, rate);
        }
        Ok(layer)
    }
}

/// The entries that give a request a descriptor, as often as there is a way to it. None at all would be a bucket that
/// no request ever takes from.
fn wanted(descriptor: &DescriptorSpec, made: &[Vec<Entry>]) -> Result<Vec<Vec<Entry>>, SpecError> {
    let same_keys = |entries: &&Vec<Entry>| {
        let keys = entries.iter().map(|entry| &**entry.name());
        keys.eq(descriptor.entries.iter().map(|entry| entry.key.as_str()))
    };
    let with_keys: Vec<_> = made.iter().filter(same_keys).collect();
    if with_keys.is_empty() {
        return Err(SpecError::new("entries", "must have the keys of one of rateLimits, in its order"));
    }
    // The first entry, by its place, whose value is not the one that an action always gives.
    let never = |entries: &Vec<Entry>| {
        let each = entries.iter().zip(&descriptor.entries);
        each.map(|(entry, want)| want.value.is_empty() || entry.may_be(&want.value)).position(|may| !may)
    };
    let (mut found, mut wrong) = (Vec::new(), None);
    for entries in with_keys {
        match never(entries) {
            Some(at) => wrong = wrong.max(Some(at)),
            None => found.push(with_values(entries, descriptor)),
        }
    }
    match (found.is_empty(), wrong) {
        (true, Some(at)) => {
            Err(SpecError::new(format!("entries[{at}].value"), "must be one that an action gives it"))
        }
        _ => Ok(found),
    }
}

fn with_values(entries: &[Entry], descriptor: &DescriptorSpec) -> Vec<Entry> {
    let each = entries.iter().cloned().zip(&descriptor.entries);
    each.map(|(entry, want)| match want.value.as_str() {
        "" => entry,
        value => entry.is(value),
    })
    .collect()
}
