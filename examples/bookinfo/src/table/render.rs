//! Rows as text for a terminal. A pure function: who prints it decides on colours.

use super::Row;

/// How the table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Letters alone, for files and pipes.
    Plain,
    /// With ANSI colours.
    Color,
}

const HEAD: [&str; 8] = ["SERVICE", "VERSION", "RATE/s", "SUCCESS", "P50 ms", "P99 ms", "mTLS", "SHARE"];

#[derive(Clone, Copy, PartialEq)]
enum Tone {
    Plain,
    Head,
    Good,
    Bad,
    Faint,
}

/// The table, a line per row and one for the heads.
pub fn render(rows: &[Row], style: Style) -> String {
    let mut lines: Vec<[(String, Tone); 8]> = vec![HEAD.map(|h| (h.to_owned(), Tone::Head))];
    let mut last = None;
    for row in rows {
        // A service's name stands once, before its first version.
        let service = if last == Some(&row.service) { "" } else { row.service.as_str() };
        last = Some(&row.service);
        let share = |value: Option<f64>, good: bool| match value {
            None => ("-".to_owned(), Tone::Faint),
            Some(v) => {
                // What rounds to all of it but is not must not look like it.
                let percent = if v < 1.0 { (v * 1000.0).floor() / 10.0 } else { 100.0 };
                let tone = match good {
                    true if v >= 1.0 => Tone::Good,
                    true => Tone::Bad,
                    false => Tone::Plain,
                };
                (format!("{percent:.1}%"), tone)
            }
        };
        let millis = |value: Option<f64>| match value {
            None => ("-".to_owned(), Tone::Faint),
            Some(v) if v < 100.0 => (format!("{v:.1}"), Tone::Plain),
            Some(v) => (format!("{v:.0}"), Tone::Plain),
        };
        let rate = (format!("{:.1}", row.rate), if row.requests > 0.0 { Tone::Plain } else { Tone::Faint });
        lines.push([
            (service.to_owned(), Tone::Plain),
            (row.version.clone(), Tone::Plain),
            rate,
            share(row.success, true),
            millis(row.p50),
            millis(row.p99),
            share(row.mtls, true),
            share(row.share, false),
        ]);
    }
    let mut widths = [0usize; 8];
    for line in &lines {
        for (width, (text, _)) in widths.iter_mut().zip(line) {
            *width = (*width).max(text.chars().count());
        }
    }
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (column, ((cell, tone), width)) in line.iter().zip(widths).enumerate() {
            if column > 0 {
                text.push_str("  ");
            }
            let fill = " ".repeat(width - cell.chars().count());
            let cell = paint(cell, *tone, style);
            // Names to the left, numbers to the right.
            if column < 2 {
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
