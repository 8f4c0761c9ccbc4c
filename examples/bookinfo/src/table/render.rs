//! Rows as text for a terminal. Pure functions: who prints them decides on colours.
//!
//! A line is one row, a word is one cell, and the first line names the columns: `awk` reads it as well as
//! people do.

use super::Row;
use crate::load::Recent;
use std::collections::BTreeSet;
use std::time::Duration;

/// How the table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Letters alone, for files, pipes and `NO_COLOR`.
    Plain,
    /// With ANSI colours.
    Color,
}

#[derive(Clone, Copy, PartialEq)]
enum Tone {
    Plain,
    Head,
    Good,
    Bad,
    Faint,
}

type Cell = (String, Tone);

/// What the proxies say, a line per row and one for the heads.
pub fn render(rows: &[Row], style: Style) -> String {
    const HEAD: [&str; 9] =
        ["SERVICE", "VERSION", "RATE/s", "SUCCESS", "CODE", "P50(ms)", "P99(ms)", "mTLS", "SHARE"];
    let lines = rows.iter().zip(shares(rows)).map(|(row, share)| {
        [
            (row.service.clone(), Tone::Plain),
            (row.version.clone(), Tone::Plain),
            rate(row.rate),
            percent(row.success),
            failure(row.failure.as_deref()),
            millis(row.p50),
            millis(row.p99),
            percent(row.mtls),
            share,
        ]
    });
    layout(HEAD, 2, lines, style)
}

/// What those who send the load saw in the last so many seconds, a line per user and one for the heads.
pub fn render_users(users: &[(&str, Recent)], length: Duration, style: Style) -> String {
    const HEAD: [&str; 7] = ["USER", "RATE/s", "SUCCESS", "P50(ms)", "P99(ms)", "WAITING", "LONGEST(ms)"];
    let seconds = length.as_secs_f64();
    let ms = |value: Option<Duration>| millis(value.map(|d| d.as_secs_f64() * 1e3));
    let lines = users.iter().map(|(user, recent)| {
        let ended = count(recent.ended);
        [
            ((*user).to_owned(), Tone::Plain),
            rate(if seconds > 0.0 { ended / seconds } else { 0.0 }),
            percent((recent.ended > 0).then(|| count(recent.good) / ended)),
            ms(recent.p50),
            ms(recent.p99),
            (recent.open.to_string(), if recent.open > 0 { Tone::Plain } else { Tone::Faint }),
            ms(recent.oldest),
        ]
    });
    layout(HEAD, 1, lines, style)
}

fn count(n: usize) -> f64 {
    // No window holds four billion requests.
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

fn rate(per_second: f64) -> Cell {
    (format!("{per_second:.1}"), if per_second > 0.0 { Tone::Plain } else { Tone::Faint })
}

fn none() -> Cell {
    ("-".to_owned(), Tone::Faint)
}

fn failure(code: Option<&str>) -> Cell {
    code.map_or_else(none, |code| (code.to_owned(), Tone::Bad))
}

/// Each row's share of its service, in percent: rounded so that those of one service add up to 100.0, by
/// giving what rounding down leaves to those that lost most by it.
fn shares(rows: &[Row]) -> Vec<Cell> {
    const WHOLE: f64 = 1000.0;
    let mut tenths: Vec<Option<f64>> =
        rows.iter().map(|row| row.share.map(|share| (share * WHOLE).floor())).collect();
    let services: BTreeSet<&str> = rows.iter().map(|row| row.service.as_str()).collect();
    for service in services {
        let mut lost: Vec<(f64, &mut f64)> = rows
            .iter()
            .zip(&mut tenths)
            .filter(|(row, _)| row.service == service)
            .filter_map(|(row, tenths)| Some((row.share? * WHOLE, tenths.as_mut()?)))
            .map(|(exact, rounded)| (exact - *rounded, rounded))
            .collect();
        let mut left = lost.iter().map(|(lost, _)| lost).sum::<f64>().round();
        lost.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        for (_, rounded) in lost {
            if left >= 1.0 {
                *rounded += 1.0;
                left -= 1.0;
            }
        }
    }
    let cell = |tenths: f64| (format!("{:.1}%", tenths / 10.0), Tone::Plain);
    tenths.into_iter().map(|tenths| tenths.map_or_else(none, cell)).collect()
}

/// A share in percent, of which less than all is bad.
fn percent(share: Option<f64>) -> Cell {
    let Some(share) = share else { return none() };
    // What rounds to all of it but is not must not look like it.
    let percent = if share < 1.0 { (share * 1000.0).floor() / 10.0 } else { 100.0 };
    let tone = if share >= 1.0 { Tone::Good } else { Tone::Bad };
    (format!("{percent:.1}%"), tone)
}

fn millis(value: Option<f64>) -> Cell {
    match value {
        None => none(),
        Some(v) if v < 100.0 => (format!("{v:.1}"), Tone::Plain),
        Some(v) => (format!("{v:.0}"), Tone::Plain),
    }
}

/// Heads and lines in columns as wide as they need; the first `names` columns to the left, the numbers
/// behind them to the right.
fn layout<const N: usize>(
    head: [&str; N],
    names: usize,
    lines: impl Iterator<Item = [Cell; N]>,
    style: Style,
) -> String {
    let mut all = vec![head.map(|h| (h.to_owned(), Tone::Head))];
    all.extend(lines);
    let mut widths = [0usize; N];
    for line in &all {
        for (width, (text, _)) in widths.iter_mut().zip(line) {
            *width = (*width).max(text.chars().count());
        }
    }
    let mut out = String::new();
    for line in &all {
        let mut text = String::new();
        for (column, ((cell, tone), width)) in line.iter().zip(widths).enumerate() {
            if column > 0 {
                text.push_str("  ");
            }
            let fill = " ".repeat(width - cell.chars().count());
            let cell = paint(cell, *tone, style);
            if column < names {
                text.push_str(&cell);
                text.push_str(&fill);
            } else {
                text.push_str(&fill);
                text.push_str(&cell);
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn paint(text: &str, tone: Tone, style: Style) -> String {
    let code = match tone {
        _ if style == Style::Plain || text.is_empty() => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
        Tone::Head => "1",
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Faint => "2",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
