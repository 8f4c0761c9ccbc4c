//! Since when and until when a certificate is valid: as much of PEM, DER and X.509 as that takes (RFC 7468, X.690,
//! RFC 5280 section 4.1).
//!
//! Whether a chain holds is for a verifier to say; here it is enough to tell a certificate from what is none, so that
//! the vocabulary needs no library of certificates.

use base64::Engine as _;
use std::time::SystemTime;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};
use zeroize::Zeroizing;

/// When a certificate is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
    /// As `2024-05-01`.
    pub(super) from_date: String,
    pub(super) until_date: String,
}

/// The first certificate of a PEM text, read as far as its validity. An error completes `a certificate that …`.
pub(super) fn validity(pem: &[u8]) -> Result<Validity, &'static str> {
    let text = std::str::from_utf8(pem).map_err(|_| "is no PEM")?;
    let der = block(text, |label| label == "CERTIFICATE").ok_or("is no PEM")?;
    read(&der).ok_or("is no X.509")
}

/// Whether a text holds a private key in PEM, of whatever form.
pub(super) fn is_private_key(pem: &[u8]) -> bool {
    let text = std::str::from_utf8(pem).ok();
    text.and_then(|text| block(text, |label| label.ends_with("PRIVATE KEY")))
        .is_some_and(|der| !der.is_empty())
}

/// The first block whose label is wanted, decoded.
fn block(text: &str, is_wanted: impl Fn(&str) -> bool) -> Option<Zeroizing<Vec<u8>>> {
    let mut lines = text.lines().map(str::trim);
    let label = lines.by_ref().find_map(|line| {
        let label = line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
        is_wanted(label).then_some(label)
    })?;
    let mut body = Zeroizing::new(String::new());
    for line in lines {
        if line.strip_prefix("-----END ").and_then(|l| l.strip_suffix("-----")) == Some(label) {
            return base64::engine::general_purpose::STANDARD
                .decode(body.as_bytes())
                .ok()
                .map(Zeroizing::new);
        }
        // Headers of older forms, such as `Proc-Type: 4,ENCRYPTED`.
        if !line.contains(':') {
            body.push_str(line);
        }
    }
    None
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

fn read(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = value(der, SEQUENCE)?;
    let (to_be_signed, _) = value(certificate, SEQUENCE)?;
    // Version, where it is written; then serial number, algorithm, issuer and validity.
    let rest = value(to_be_signed, VERSION).map_or(to_be_signed, |(_, rest)| rest);
    let (_, rest) = value(rest, INTEGER)?;
    let (_, rest) = value(rest, SEQUENCE)?;
    let (_, rest) = value(rest, SEQUENCE)?;
    let (validity, _) = value(rest, SEQUENCE)?;
    let (from, rest) = instant(validity)?;
    let (until, _) = instant(rest)?;
    let date = |at: OffsetDateTime| at.date().to_string();
    Some(Validity { from: from.into(), until: until.into(), from_date: date(from), until_date: date(until) })
}

/// The content of the first value, which must have this tag, and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(*short), rest),
        // The length of the length; more than four bytes are no certificate.
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length =
                bytes.iter().try_fold(0_usize, |n, b| n.checked_mul(256)?.checked_add((*b).into()))?;
            (length, rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// A time in either form, always in UTC, and what follows it.
fn instant(der: &[u8]) -> Option<(OffsetDateTime, &[u8])> {
    let two = |text: &str, at: usize| text.get(at..at + 2)?.parse::<u8>().ok();
    let (text, rest, years) = match value(der, UTC_TIME) {
        Some((text, rest)) => (text, rest, 2),
        None => value(der, GENERALIZED_TIME).map(|(text, rest)| (text, rest, 4))?,
    };
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let year = text.get(..years)?.parse::<i32>().ok()?;
    let year = match years {
        2 if year < 50 => 2000 + year,
        2 => 1900 + year,
        _ => year,
    };
    let month = Month::try_from(two(text, years)?).ok()?;
    let date = Date::from_calendar_date(year, month, two(text, years + 2)?).ok()?;
    let time = Time::from_hms(two(text, years + 4)?, two(text, years + 6)?, two(text, years + 8)?).ok()?;
    Some((PrimitiveDateTime::new(date, time).assume_utc(), rest))
}
