//! Quotas from a file, in the shape of the configuration of Envoy's reference service.

use super::service::{Quota, Quotas};
use super::store::Store;
use crate::SpecError;
use crate::ratelimit::global::message::RateLimitUnit;
use crate::ratelimit::local::spec::{DescriptorEntrySpec, each};
use serde::{Deserialize, Serialize};

/// The quotas of a domain.
///
/// ```
/// use mesh_policy::ratelimit::{MemoryStore, QuotasSpec};
///
/// let spec: QuotasSpec = serde_json::from_str(r#"{"domain": "shop", "descriptors": [{
///     "entries": [{"key": "remote_address"}],
///     "rateLimit": {"unit": "MINUTE", "requestsPerUnit": 60},
///     "sliding": true
/// }]}"#)?;
/// let quotas = spec.clone().quotas(MemoryStore::new(10_000))?;
///
/// let mut wrong = spec;
/// wrong.descriptors[0].entries.clear();
/// let error = wrong.quotas(MemoryStore::new(1)).unwrap_err();
/// assert_eq!(error.to_string(), "descriptors[0].entries: must have at least one");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QuotasSpec {
    /// Whose quotas: those of layers with this domain.
    pub domain: String,
    /// The quotas.
    pub descriptors: Vec<QuotaSpec>,
}

/// A quota.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaSpec {
    /// The entries of its descriptors, in their order; each value is counted apart where none is written.
    pub entries: Vec<DescriptorEntrySpec>,
    /// How many, in which time.
    pub rate_limit: QuotaRateSpec,
    /// In any stretch of that length, instead of from each full minute or hour on.
    #[serde(default)]
    pub sliding: bool,
    /// For `x-ratelimit-limit`.
    #[serde(default)]
    pub name: String,
}

/// How many, in which time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaRateSpec {
    /// `SECOND`, `MINUTE`, `HOUR` or `DAY`.
    pub unit: RateLimitUnit,
    /// So many; none at all with 0.
    pub requests_per_unit: u32,
}

impl TryFrom<&QuotaSpec> for Quota {
    type Error = SpecError;

    fn try_from(spec: &QuotaSpec) -> Result<Self, SpecError> {
        if spec.entries.is_empty() {
            return Err(SpecError::new("entries", "must have at least one"));
        }
        // It goes into a header, between quotation marks.
        if !spec.name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\' || b == b' ') {
            return Err(SpecError::new("name", "must be printable ASCII without quotation marks"));
        }
        let quota =
            Self::new(spec.rate_limit.requests_per_unit, spec.rate_limit.unit).name(spec.name.as_str());
        let quota = if spec.sliding { quota.sliding() } else { quota };
        Ok(spec.entries.iter().fold(quota, |quota, entry| match entry.value.as_str() {
            "" => quota.each(entry.key.as_str()),
            value => quota.only(entry.key.as_str(), value),
        }))
    }
}

impl QuotasSpec {
    /// The quotas, counted in this store.
    ///
    /// # Errors
    /// With the field that cannot be used.
    pub fn quotas<S: Store>(self, store: S) -> Result<Quotas<S>, SpecError> {
        if self.domain.is_empty() {
            return Err(SpecError::new("domain", "must not be empty"));
        }
        let quotas = each(&self.descriptors, "descriptors", |spec| Quota::try_from(spec))?;
        Ok(Quotas::new(store, self.domain, quotas))
    }
}
