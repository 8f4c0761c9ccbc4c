//! A program on a terminal, seen as people see it: what is painted over is gone, what is too long is cut.

use crate::wait::within;
use avt::Terminal as Emulator;
use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size};
use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// The end of a synchronized update: the picture is whole, and may be looked at.
const END_OF_FRAME: &[u8] = b"\x1b[?2026l";

/// A program on a terminal of its own; it is killed when the test ends.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keys: OwnedWritePty,
    frames: UnboundedReceiver<Frame>,
    last: Option<Frame>,
}

/// What a terminal shows at one moment.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it was seen.
    pub at: Instant,
    /// The lines from the program's start on, those that have left the screen included, without the spaces
    /// at their ends.
    pub lines: Vec<String>,
}

/// A row of a table: its cells by the heads of their columns.
#[derive(Clone, Debug)]
pub struct Row(BTreeMap<String, String>);

impl Terminal {
    /// Starts a program on a terminal of this many columns and 40 lines.
    pub fn start(command: Command, columns: u16) -> Self {
        const LINES: u16 = 40;
        let (pty, program_side) = pty_process::open().expect("a pseudo-terminal");
        pty.resize(Size::new(LINES, columns)).expect("the size of a pseudo-terminal");
        let child = command
            .env("TERM", "xterm-256color")
            .kill_on_drop(true)
            .spawn(program_side)
            .expect("start a program on a terminal");
        let (output, keys) = pty.into_split();
        let screen = Emulator::with_scrollback(columns.into(), LINES.into(), None).expect("a size");
        let (seen, frames) = mpsc::unbounded_channel();
        tokio::spawn(look(output, screen, seen));
        Self { child, keys, frames, last: None }
    }

    /// What `ask` has to say of the first frame from now on of which it has something to say; panics with the
    /// last one after 20 s.
    pub async fn until<T>(&mut self, what: &str, mut ask: impl FnMut(&Frame) -> Option<T>) -> T {
        let asked = Instant::now();
        let look = async {
            loop {
                let frame = self.frames.recv().await?;
                let answer = if frame.at >= asked { ask(&frame) } else { None };
                self.last = Some(frame);
                if answer.is_some() {
                    return answer;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(20), look).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("the program ended before: {what}; the terminal shows\n{}", self.shown()),
            Err(_) => panic!("waited 20 s for: {what}; the terminal shows\n{}", self.shown()),
        }
    }

    /// Presses keys.
    pub async fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.expect("write to a terminal");
    }

    /// Waits until the program has ended by itself, and returns what the terminal shows then.
    pub async fn ended(mut self) -> (ExitStatus, Frame) {
        let status = within(Duration::from_secs(20), "the end of a program on a terminal", || {
            std::future::ready(self.child.try_wait().expect("its exit status"))
        })
        .await;
        while let Some(frame) = self.frames.recv().await {
            self.last = Some(frame);
        }
        (status, self.last.expect("a frame"))
    }

    fn shown(&self) -> String {
        self.last.as_ref().map(|frame| frame.lines.join("\n")).unwrap_or_default()
    }
}

/// Sends every whole frame, and at the program's end what is left on the screen.
async fn look(mut output: OwnedReadPty, mut screen: Emulator, seen: UnboundedSender<Frame>) {
    let mut unseen: Vec<u8> = Vec::new();
    let mut piece = [0; 4096];
    // Linux reports the end as an error.
    while let Ok(n @ 1..) = output.read(&mut piece).await {
        unseen.extend_from_slice(&piece[..n]);
        while let Some(at) = unseen.windows(END_OF_FRAME.len()).position(|w| w == END_OF_FRAME) {
            let frame: Vec<u8> = unseen.drain(..at + END_OF_FRAME.len()).collect();
            screen.feed(String::from_utf8_lossy(&frame).as_ref());
            // A test that has seen enough does not listen any more.
            let _ = seen.send(Frame::of(&screen));
        }
    }
    screen.feed(String::from_utf8_lossy(&unseen).as_ref());
    let _ = seen.send(Frame::of(&screen));
}

impl Frame {
    fn of(screen: &Emulator) -> Self {
        let lines = screen.screen().all_lines().map(|line| line.text().trim_end().to_owned()).collect();
        Self { at: Instant::now(), lines }
    }

    /// How many lines contain a text.
    pub fn count(&self, text: &str) -> usize {
        self.lines.iter().filter(|line| line.contains(text)).count()
    }

    /// The rows of the lowest table whose first head is this, as far as the next empty line.
    pub fn table(&self, head: &str) -> Vec<Row> {
        let Some(at) = self.lines.iter().rposition(|line| line.starts_with(head)) else { return vec![] };
        let words = |line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let heads = words(&self.lines[at]);
        self.lines[at + 1..]
            .iter()
            .take_while(|line| !line.is_empty())
            .map(|line| {
                let cells = words(line);
                assert_eq!(cells.len(), heads.len(), "{line:?} has a cell for each of {heads:?}");
                Row(heads.iter().cloned().zip(cells).collect())
            })
            .collect()
    }
}

impl Row {
    /// What stands in a column.
    pub fn cell(&self, head: &str) -> &str {
        self.0.get(head).unwrap_or_else(|| panic!("there is no column {head:?} in {:?}", self.0))
    }

    /// The number in a column, with or without a percent sign; `None` for a dash.
    pub fn number(&self, head: &str) -> Option<f64> {
        match self.cell(head) {
            "-" => None,
            cell => Some(cell.trim_end_matches('%').parse().expect("a number")),
        }
    }
}
