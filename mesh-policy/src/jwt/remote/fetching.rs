//! One fetch, from its begin to the keys.

use super::{FetchRequest, Inner, Loaded, Source};
use crate::BoxError;
use crate::jwt::keys::KeySet;
use bytes::Bytes;
use http::Uri;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::{Instant, timeout};

/// Tells those who wait that the fetch has ended, however it ends.
pub(super) struct Ended(Arc<Inner>);

impl Ended {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self(inner)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.is_fetching.store(false, Ordering::Release);
        self.0.rounds.send_modify(|round| *round = round.wrapping_add(1));
    }
}

pub(super) async fn run(ended: Ended) {
    let inner = &ended.0;
    // One limit for all that it takes.
    let fetched = timeout(inner.settings.timeout, load(inner)).await;
    match fetched.unwrap_or_else(|elapsed| Err(elapsed.into())) {
        Ok(loaded) => {
            inner.settings.metrics.jwks_fetch_success();
            inner.loaded.store(Some(Arc::new(loaded)));
            inner.failed.store(None);
        }
        Err(error) => {
            inner.settings.metrics.jwks_fetch_failed();
            inner.failed.store(Some(Arc::new(error)));
        }
    }
}

async fn load(inner: &Inner) -> Result<Loaded, BoxError> {
    let uri = match &inner.source {
        Source::At(uri) => uri.clone(),
        Source::Discovered { issuer, document } => keys_of(issuer, &get(inner, document.clone()).await?)?,
    };
    let text = get(inner, uri).await?;
    // The same keys stay the same, so that tokens which they verified stay verified.
    let before = inner.loaded.load_full().filter(|before| before.text == text);
    let keys = match before {
        Some(before) => before.keys.clone(),
        None => Arc::new(KeySet::from_json(&text)?),
    };
    Ok(Loaded { keys, text, at: Instant::now() })
}

async fn get(inner: &Inner, uri: Uri) -> Result<Bytes, BoxError> {
    let settings = &inner.settings;
    if !settings.addresses.allows_uri(&uri) {
        return Err(format!("keys may not be fetched from {uri}").into());
    }
    let request = FetchRequest { uri, limit: settings.limit, addresses: settings.addresses.clone() };
    let body = inner.fetch.fetch(request).await?;
    if body.len() > settings.limit {
        return Err(format!("{} bytes of keys; at most {} are read", body.len(), settings.limit).into());
    }
    Ok(body)
}

/// Where a discovery document says that the keys are.
fn keys_of(issuer: &str, document: &[u8]) -> Result<Uri, BoxError> {
    let document: Value = serde_json::from_slice(document)?;
    let text = |name| document.get(name).and_then(Value::as_str);
    // OpenID Connect Discovery 1.0, 4.3: the document must be that issuer's own.
    if text("issuer").is_none_or(|its| its.trim_end_matches('/') != issuer.trim_end_matches('/')) {
        return Err("the discovery document is of another issuer".into());
    }
    Ok(text("jwks_uri").ok_or("the discovery document has no jwks_uri")?.parse()?)
}
