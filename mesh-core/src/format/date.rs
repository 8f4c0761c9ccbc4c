//! `START_TIME`'s formats: strftime's letters and Envoy's fractions of a second.

use std::io::Write as _;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// A compiled date format, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A letter of strftime.
    Field(char),
    /// So many digits of the fraction of the second: `%3f`, and without its number nine.
    Fraction(usize),
    /// Seconds and, behind a dot, so many digits: absl's `%E3S`; `None` is `%E*S`, as many as there are.
    Seconds(Option<usize>),
    /// Seconds since 1970, with so many digits of the fraction put behind them without a dot: `%s`, `%3s`.
    Epoch(usize),
}

/// Letters that [`write_field`] knows.
const FIELDS: &str = "YmdHMSyjeIpaAbBhuwzZnt%FTDRC";

impl DateFormat {
    /// Envoy's default, `2018-05-27T12:00:00.123Z`.
    pub(super) fn rfc3339_millis() -> Self {
        let mut parts = Vec::new();
        for (i, field) in "YmdHM".chars().enumerate() {
            let before = ["", "-", "-", "T", ":"].get(i).copied().unwrap_or_default();
            parts.extend([Part::Literal(before.to_owned()), Part::Field(field)]);
        }
        parts.extend([Part::Literal(":".to_owned()), Part::Seconds(Some(3)), Part::Literal("Z".to_owned())]);
        parts.retain(|p| !matches!(p, Part::Literal(l) if l.is_empty()));
        Self(parts)
    }

    /// Compiles a format; an error is the offset of what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, usize> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text.char_indices();
        while let Some((at, c)) = rest.next() {
            if c != '%' {
                match parts.last_mut() {
                    Some(Part::Literal(l)) => l.push(c),
                    _ => parts.push(Part::Literal(c.into())),
                }
                continue;
            }
            let digits = |c: char| c.to_digit(10).and_then(|d| usize::try_from(d).ok());
            let mut next = || rest.next().map(|(_, c)| c).ok_or(at);
            let part = match next()? {
                'E' => match (next()?, next()?) {
                    ('*', 'S') => Part::Seconds(None),
                    ('*', 'f') => Part::Fraction(9),
                    (n, 'S') => Part::Seconds(Some(digits(n).ok_or(at)?)),
                    (n, 'f') => Part::Fraction(digits(n).ok_or(at)?),
                    _ => return Err(at),
                },
                'f' => Part::Fraction(9),
                's' => Part::Epoch(0),
                n @ '0'..='9' => match next()? {
                    'f' => Part::Fraction(digits(n).ok_or(at)?),
                    's' => Part::Epoch(digits(n).ok_or(at)?),
                    _ => return Err(at),
                },
                c if FIELDS.contains(c) => Part::Field(c),
                _ => return Err(at),
            };
            parts.push(part);
        }
        Ok(Self(parts))
    }

    /// Appends a date.
    pub fn write(&self, at: SystemTime, out: &mut Vec<u8>) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let nanos = format_nanos(since.subsec_nanos());
        let digits = |n: usize| nanos.get(..n.min(nanos.len())).unwrap_or_default();
        // Beyond the year 9999 nothing can be said of the date; the epoch stands for it.
        let date = i64::try_from(since.as_secs())
            .ok()
            .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Field(letter) => write_field(*letter, date, out),
                Part::Fraction(n) => out.extend_from_slice(digits(*n)),
                Part::Seconds(n) => {
                    let fraction = match n {
                        Some(n) => digits(*n),
                        None => nanos.trim_ascii_end_zeros(),
                    };
                    _ = write!(out, "{:02}", date.second());
                    if !fraction.is_empty() {
                        out.push(b'.');
                        out.extend_from_slice(fraction);
                    }
                }
                Part::Epoch(n) => {
                    _ = write!(out, "{}", since.as_secs());
                    out.extend_from_slice(digits(*n));
                }
            }
        }
    }
}

/// Nine digits.
fn format_nanos(nanos: u32) -> [u8; 9] {
    let mut out = [b'0'; 9];
    let mut left = nanos;
    for digit in out.iter_mut().rev() {
        *digit += u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
    }
    out
}

trait TrimZeros {
    fn trim_ascii_end_zeros(&self) -> &[u8];
}

impl TrimZeros for [u8; 9] {
    fn trim_ascii_end_zeros(&self) -> &[u8] {
        let end = self.iter().rposition(|b| *b != b'0').map_or(0, |i| i + 1);
        self.get(..end).unwrap_or_default()
    }
}

fn write_field(letter: char, date: OffsetDateTime, out: &mut Vec<u8>) {
    let (month, weekday) = (date.month().to_string(), date.weekday().to_string());
    let month_number = u8::from(date.month());
    let hour12 = match date.hour() % 12 {
        0 => 12,
        h => h,
    };
    let short = |name: &str| name.get(..3).unwrap_or_default().to_owned();
    let written = match letter {
        'Y' => write!(out, "{}", date.year()),
        'C' => write!(out, "{:02}", date.year() / 100),
        'y' => write!(out, "{:02}", date.year() % 100),
        'm' => write!(out, "{month_number:02}"),
        'd' => write!(out, "{:02}", date.day()),
        'e' => write!(out, "{:2}", date.day()),
        'j' => write!(out, "{:03}", date.ordinal()),
        'H' => write!(out, "{:02}", date.hour()),
        'I' => write!(out, "{hour12:02}"),
        'p' => out.write_all(if date.hour() < 12 { b"AM" } else { b"PM" }),
        'M' => write!(out, "{:02}", date.minute()),
        'S' => write!(out, "{:02}", date.second()),
        'a' => write!(out, "{}", short(&weekday)),
        'A' => write!(out, "{weekday}"),
        'b' | 'h' => write!(out, "{}", short(&month)),
        'B' => write!(out, "{month}"),
        'u' => write!(out, "{}", date.weekday().number_from_monday()),
        'w' => write!(out, "{}", date.weekday().number_days_from_sunday()),
        'z' => out.write_all(b"+0000"),
        'Z' => out.write_all(b"UTC"),
        'n' => out.write_all(b"\n"),
        't' => out.write_all(b"\t"),
        '%' => out.write_all(b"%"),
        'F' => write!(out, "{}-{month_number:02}-{:02}", date.year(), date.day()),
        'T' => write!(out, "{:02}:{:02}:{:02}", date.hour(), date.minute(), date.second()),
        'R' => write!(out, "{:02}:{:02}", date.hour(), date.minute()),
        'D' => write!(out, "{month_number:02}/{:02}/{:02}", date.day(), date.year() % 100),
        _ => Ok(()),
    };
    // Writing to memory does not fail.
    debug_assert!(written.is_ok());
}
