//! A real peer as a child process: its output is kept, and it ends with the test.

use std::process::Stdio;
use std::sync::Arc;
use tail::Output;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running program.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    log: Arc<Output>,
}

mod tail {
    //! The tail of a program's standard error, for the message of a test that fails.
    use tokio::sync::Mutex;

    #[derive(Debug, Default)]
    pub(super) struct Output(Mutex<Vec<String>>);

    impl Output {
        pub(super) async fn push(&self, line: String) {
            let mut lines = self.0.lock().await;
            if lines.len() == 200 {
                lines.remove(0);
            }
            lines.push(line);
        }

        pub(super) async fn tail(&self) -> String {
            self.0.lock().await.join("\n")
        }
    }
}

impl Peer {
    /// Starts a program; it is killed when the test ends.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut stderr = BufReader::new(child.stderr.take().expect("piped")).lines();
        let log = Arc::new(Output::default());
        let keep = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                keep.push(line).await;
            }
        });
        Self { name: name.to_owned(), child, stdin, stdout, log }
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        let line = tokio::time::timeout(std::time::Duration::from_secs(60), self.stdout.next_line()).await;
        match line {
            Ok(Ok(Some(line))) => line,
            other => panic!("{} printed no line ({other:?}); its log:\n{}", self.name, self.log.tail().await),
        }
    }

    /// Sends it a line.
    pub async fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        stdin.write_all(format!("{line}\n").as_bytes()).await.expect("write to a peer");
        stdin.flush().await.expect("write to a peer");
    }

    /// What it wrote to standard error last.
    pub async fn log(&self) -> String {
        self.log.tail().await
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), self.child.wait()).await;
        match ended {
            Ok(status) => status.expect("its exit status"),
            Err(_) => panic!("{} does not end; its log:\n{}", self.name, self.log.tail().await),
        }
    }

    /// Panics with its log if it has ended.
    pub async fn assert_running(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("{} ended with {status}; its log:\n{}", self.name, self.log.tail().await);
        }
    }
}

/// Runs a program to its end and returns (success, standard output, standard error).
pub async fn run(command: &mut Command) -> (bool, String, String) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("start a program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// The value of a variable that tests/all.sh sets.
pub fn from_all_sh(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run this test with `bash tests/all.sh`"))
}
