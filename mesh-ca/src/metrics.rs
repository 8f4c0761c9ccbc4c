//! Counters of the CA service under Istio's names, usable without any registry.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the CA service counted since it began.
#[derive(Debug, Default)]
pub struct CaMetrics {
    pub(crate) requests: AtomicU64,
    pub(crate) issued: AtomicU64,
    pub(crate) authentication_failures: AtomicU64,
    pub(crate) csr_errors: AtomicU64,
    pub(crate) sign_errors: AtomicU64,
}

pub(crate) fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl CaMetrics {
    /// Requests received, `citadel_server_csr_count`.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Certificates issued, `citadel_server_success_cert_issuance_count`.
    pub fn issued(&self) -> u64 {
        self.issued.load(Relaxed)
    }

    /// Callers that could not be authenticated, `citadel_server_authentication_failure_count`.
    pub fn authentication_failures(&self) -> u64 {
        self.authentication_failures.load(Relaxed)
    }

    /// Requests that are no certificate requests, `citadel_server_csr_parsing_err_count`.
    pub fn csr_errors(&self) -> u64 {
        self.csr_errors.load(Relaxed)
    }

    /// Requests that the signer refused, `citadel_server_csr_sign_err_count`.
    pub fn sign_errors(&self) -> u64 {
        self.sign_errors.load(Relaxed)
    }

    /// The counters in Prometheus' text format, with the expiry of the signing certificate as
    /// `citadel_server_cert_chain_expiry_timestamp`.
    pub(crate) fn render(&self, not_after: SystemTime) -> String {
        let expiry = not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let families = [
            ("citadel_server_csr_count", "counter", "Certificate requests received.", self.requests()),
            ("citadel_server_success_cert_issuance_count", "counter", "Certificates issued.", self.issued()),
            (
                "citadel_server_authentication_failure_count",
                "counter",
                "Callers that could not be authenticated.",
                self.authentication_failures(),
            ),
            (
                "citadel_server_csr_parsing_err_count",
                "counter",
                "Certificate requests that could not be read.",
                self.csr_errors(),
            ),
            (
                "citadel_server_csr_sign_err_count",
                "counter",
                "Certificate requests that were not signed.",
                self.sign_errors(),
            ),
            (
                "citadel_server_cert_chain_expiry_timestamp",
                "gauge",
                "Unix time at which the signing certificate expires.",
                expiry,
            ),
        ];
        let mut out = String::new();
        for (name, kind, help, value) in families {
            // Writing to a String cannot fail.
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_family_is_printed_with_its_type_and_value() {
        let metrics = CaMetrics::default();
        increment(&metrics.requests);
        increment(&metrics.requests);
        let text = metrics.render(UNIX_EPOCH + Duration::from_secs(7));
        let family = "# TYPE citadel_server_csr_count counter\ncitadel_server_csr_count 2\n";
        assert!(text.contains(family), "{text}");
        assert!(text.contains("\ncitadel_server_cert_chain_expiry_timestamp 7\n"), "{text}");
        assert_eq!(text.matches("# TYPE").count(), 6);
    }
}
