//! One picture of the mesh: what the proxies say, what the users see, and the sum of it.

use super::Sender;
use super::screen::Look;
use bookinfo::load::{Mishap, Recent};
use bookinfo::table::{Row, render, render_users};
use std::time::{Duration, Instant};

/// What is shown at one moment.
pub(super) struct Frame<'a> {
    /// By service and version.
    pub(super) rows: Vec<Row>,
    /// The window that they are of.
    pub(super) length: Duration,
    /// When it began.
    pub(super) since: Option<Instant>,
    /// Who sends requests.
    pub(super) senders: &'a [Sender],
}

impl Frame<'_> {
    pub(super) fn text(&self, look: Look) -> String {
        let now = Instant::now();
        let since = self.since.unwrap_or(now);
        // Users are asked now, and the proxies were a moment ago.
        let length = now.duration_since(since);
        let users: Vec<(&str, Recent)> =
            self.senders.iter().map(|s| (s.name, s.load.recent(since))).collect();
        let mut sum = Sum::default();
        for sender in self.senders {
            let score = sender.load.score();
            sum.sent += score.sent;
            sum.failed += score.failed();
            sum.incomplete += score.incomplete;
            let newer = |m: &Mishap| sum.last.as_ref().is_none_or(|last| last.at < m.at);
            sum.last = score.last_mishap.filter(newer).or(sum.last.take());
        }
        format!(
            "{}\n{}\n{}{}\n",
            render(&self.rows, look.style()),
            render_users(&users, length, look.style()),
            sum.text(now),
            caption(self.length, look),
        )
    }
}

fn caption(length: Duration, look: Look) -> String {
    let length = format!("rates and latencies of the last {:.1} s", length.as_secs_f64());
    if look.paints() { format!("{length}; Ctrl-C stops") } else { length }
}

/// All that was sent since the start.
#[derive(Default)]
struct Sum {
    sent: u64,
    failed: u64,
    incomplete: u64,
    last: Option<Mishap>,
}

impl Sum {
    /// One line, and a second one if something went wrong.
    fn text(&self, now: Instant) -> String {
        let Self { sent, failed, incomplete, last } = self;
        let mut text = format!("{sent} requests, {failed} failed, {incomplete} pages incomplete\n");
        if let Some(Mishap { at, why }) = last {
            let ago = now.duration_since(*at).as_secs();
            text.push_str(&format!("the last mishap, {ago} s ago: {why}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_tells_what_went_wrong_last_and_how_long_ago() {
        let at = Instant::now();
        let well = Sum { sent: 7, ..Sum::default() };
        assert_eq!(well.text(at), "7 requests, 0 failed, 0 pages incomplete\n");
        let last = Some(Mishap { at, why: "status 503".into() });
        let ill = Sum { sent: 9, failed: 1, incomplete: 2, last };
        assert_eq!(
            ill.text(at + Duration::from_millis(3400)),
            "9 requests, 1 failed, 2 pages incomplete\nthe last mishap, 3 s ago: status 503\n"
        );
    }
}
