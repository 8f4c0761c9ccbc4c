//! The adapter: whoever wants to know what happened implements [`Sink`].
//!
//! ```text
//! record ─▶ [Sink] ─▶ metrics::Shard
//!             ├─────▶ AccessLog
//!             └─────▶ yours
//! ```
//!
//! A sink is called on the worker that served the request, after the last byte went out. It must not
//! block: what needs IO hands over to a queue of its own, drops what does not fit and counts it.

use crate::record::{ConnectionRecord, RequestRecord};
use std::sync::Arc;

/// Is told of every request and connection.
pub trait Sink: Send + Sync {
    /// A request has ended.
    fn request(&self, record: &RequestRecord);

    /// A connection was opened, has carried bytes or has ended.
    fn connection(&self, record: &ConnectionRecord) {
        let _ = record;
    }
}

impl<S: Sink + ?Sized> Sink for Arc<S> {
    fn request(&self, record: &RequestRecord) {
        (**self).request(record);
    }

    fn connection(&self, record: &ConnectionRecord) {
        (**self).connection(record);
    }
}

/// Several sinks, each told in turn.
#[derive(Clone, Default)]
pub struct Sinks(Vec<Arc<dyn Sink>>);

impl Sinks {
    /// No sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, sink: Arc<dyn Sink>) {
        self.0.push(sink);
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, sink: impl Sink + 'static) -> Self {
        self.push(Arc::new(sink));
        self
    }

    /// Whether nobody listens, so that filling a record can be spared.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sinks").field(&self.0.len()).finish()
    }
}

impl Sink for Sinks {
    fn request(&self, record: &RequestRecord) {
        for sink in &self.0 {
            sink.request(record);
        }
    }

    fn connection(&self, record: &ConnectionRecord) {
        for sink in &self.0 {
            sink.connection(record);
        }
    }
}
