//! A line per request, in Envoy's formats.
//!
//! ```text
//! record ─▶ [AccessLog] ─▶ Format (compiled once) ─▶ bounded queue ─▶ one thread ─▶ file or stdout
//! ```
//!
//! A slow disk never delays a request: a line that finds the queue full is dropped and counted.

pub mod format;
mod operator;
#[cfg(test)]
mod tests;
pub mod writer;

pub use format::{Format, FormatError};
pub use writer::Writer;

use crate::record::{ConnectionEvent, ConnectionRecord, RequestRecord};
use crate::sink::Sink;

/// Prints every request and every connection that has ended. Envoy's `file_access_log`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: Format,
    writer: Writer,
}

impl AccessLog {
    /// Prints in this format to this file.
    pub fn new(format: Format, writer: Writer) -> Self {
        Self { format, writer }
    }

    /// The format, which knows what headers a record must carry.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The file.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }
}

impl Sink for AccessLog {
    fn request(&self, record: &RequestRecord) {
        let mut line = Vec::with_capacity(512);
        self.format.request(record, &mut line);
        self.writer.write(line);
    }

    fn connection(&self, record: &ConnectionRecord) {
        if record.event == ConnectionEvent::Closed {
            let mut line = Vec::with_capacity(256);
            self.format.connection(record, &mut line);
            self.writer.write(line);
        }
    }
}
