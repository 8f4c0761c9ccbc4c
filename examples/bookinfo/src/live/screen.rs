//! Where the table goes: painted over itself on a terminal, printed one below the other anywhere else.
//!
//! Between two frames the cursor stands above the table, not below it. What others write meanwhile (a log
//! line, the Enter key, the echo of Ctrl-C) so begins on a line that is left free for it, and the next frame
//! begins below: nothing is painted over that cannot be painted again.

use bookinfo::table::Style;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

/// A terminal that knows synchronized output shows a frame at once; others pass over it.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
/// A line that is too long for the terminal is cut off. Folded, it would be two, and the way back up wrong.
const CUT: &str = "\x1b[?7l";
const FOLD: &str = "\x1b[?7h";
const ERASE_REST_OF_LINE: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";

/// What standard output can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    paints: bool,
    style: Style,
}

impl Look {
    /// Of this process' standard output.
    pub(crate) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    /// `TERM=dumb` cannot move its cursor; `NO_COLOR` (no-color.org) wants no colours, if it is not empty.
    fn of(terminal: bool, var: impl Fn(&str) -> Option<OsString>) -> Self {
        let paints = terminal && var("TERM").is_none_or(|term| term != "dumb");
        let plain = !paints || var("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { paints, style: if plain { Style::Plain } else { Style::Color } }
    }

    /// Whether frames are painted over each other.
    pub(crate) fn paints(self) -> bool {
        self.paints
    }

    /// With colours or without.
    pub(crate) fn style(self) -> Style {
        self.style
    }
}

/// Shows frames on something that can be written to.
#[derive(Debug)]
pub(crate) struct Screen<W> {
    out: W,
    look: Look,
    /// Lines that the cursor stands above the end of the last frame.
    below: usize,
}

impl<W: Write> Screen<W> {
    pub(crate) fn new(out: W, look: Look) -> Self {
        Self { out, look, below: 0 }
    }

    pub(crate) fn look(&self) -> Look {
        self.look
    }

    /// Shows `news`, which stays, and below it a frame, which the next one replaces.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn show(&mut self, news: &str, frame: &str) -> io::Result<()> {
        let text = if self.look.paints { self.painted(news, frame) } else { format!("{news}{frame}\n") };
        // In one piece, so that nothing of anybody else's comes in between.
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn painted(&mut self, news: &str, frame: &str) -> String {
        let lines = |all: &str| -> String {
            all.lines().map(|line| format!("{line}{ERASE_REST_OF_LINE}\n")).collect()
        };
        // The first line is free for others.
        let frame = format!("\n{frame}");
        self.below = frame.lines().count();
        let (news, frame, up) = (lines(news), lines(&frame), self.below);
        format!("{BEGIN}\r{news}{CUT}{frame}{ERASE_BELOW}{FOLD}\x1b[{up}A{END}")
    }

    /// Leaves the last frame as it is and writes a last line below it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn leave(&mut self, line: &str) -> io::Result<()> {
        let down = match self.below {
            0 => String::new(),
            lines => format!("\r\x1b[{lines}B"),
        };
        self.below = 0;
        self.out.write_all(format!("{down}{line}\n").as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(terminal: bool, vars: &[(&str, &str)]) -> (bool, Style) {
        let look = Look::of(terminal, |name| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        });
        (look.paints(), look.style())
    }

    #[test]
    fn colours_and_painting_are_for_terminals_that_want_them() {
        assert_eq!(look(true, &[("TERM", "xterm-256color")]), (true, Style::Color));
        assert_eq!(look(true, &[]), (true, Style::Color));
        assert_eq!(look(true, &[("NO_COLOR", "1")]), (true, Style::Plain));
        assert_eq!(look(true, &[("NO_COLOR", "")]), (true, Style::Color));
        assert_eq!(look(true, &[("TERM", "dumb")]), (false, Style::Plain));
        assert_eq!(look(false, &[("TERM", "xterm")]), (false, Style::Plain));
    }

    #[test]
    fn a_frame_is_one_write_that_ends_where_it_began() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, Look { paints: true, style: Style::Plain });
        screen.show("", "a\nb\n").unwrap();
        screen.show("told\n", "c\n").unwrap();
        screen.leave("bye").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text.replace('\x1b', "^"),
            "^[?2026h\r^[?7l^[K\na^[K\nb^[K\n^[J^[?7h^[3A^[?2026l\
             ^[?2026h\rtold^[K\n^[?7l^[K\nc^[K\n^[J^[?7h^[2A^[?2026l\
             \r^[2Bbye\n"
        );
    }

    #[test]
    fn without_a_terminal_frames_stand_below_each_other() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, Look { paints: false, style: Style::Plain });
        screen.show("", "a\n").unwrap();
        screen.show("", "b\n").unwrap();
        screen.leave("bye").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a\n\nb\n\nbye\n");
    }
}
