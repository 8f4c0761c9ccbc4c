//! What the README promises of the live table, read off the terminal that it is painted on.

use mesh_tests::live::{Live, Program, Table};
use std::process::Stdio;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Whether the versions of reviews have these shares, five points more or less.
fn is_split(table: &Table, expected: [f64; 3]) -> Option<()> {
    let close = |(seen, wanted): (f64, f64)| (seen - wanted).abs() <= 5.0;
    table.split()?.into_iter().zip(expected).all(close).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_split_shows_in_the_table_and_no_request_fails() {
    let mut live = Live::start(80, 50).await;
    live.until("90/10, as configured", |table| is_split(table, [90.0, 10.0, 0.0])).await;

    let weights = [("weight: 90", "weight: 50"), ("weight: 10", "weight: 50")];
    live.program.config.edit_all("reviews.yaml", &weights);
    let edited = Instant::now();
    let mut moved = None;
    let (stood, sent) = live
        .until("50/50, as edited", |table| {
            if table.split().is_some_and(|[_, v2, _]| v2 > 20.0) {
                moved.get_or_insert(table.at);
            }
            is_split(table, [50.0, 50.0, 0.0]).map(|()| (table.at, table.sum[0]))
        })
        .await;
    println!(
        "the table moved {:?} after the edit, and stood at 50/50 after {:?}",
        moved.expect("it moved before it stood") - edited,
        stood - edited,
    );

    // It still stands there when a whole window lies behind, everything is mTLS, and everybody was served.
    let (mtls, sum) = live
        .until("50/50 of a whole window", |table| {
            let mtls = ["v1", "v2"].map(|version| table.version("reviews", version).number("mTLS"));
            is_split(table, [50.0, 50.0, 0.0])
                .filter(|()| table.sum[0] >= sent + 50)
                .map(|()| (mtls, table.sum))
        })
        .await;
    assert_eq!((mtls, &sum[1..]), ([Some(100.0); 2], &[0, 0][..]), "mTLS; failed, incomplete");
}

/// Every request to the product page by jason is held back for five seconds.
const DELAY: &str = "  http:
  - match:
    - headers:
        end-user:
          exact: jason
    fault:
      delay:
        fixedDelay: 5s
        percentage:
          value: 100
    route:
    - destination:
        host: productpage
        port:
          number: 9080
";

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_for_one_user_shows_in_his_row_alone_and_no_request_fails() {
    let mut live = Live::start(80, 50).await;
    live.until("jason is served", |table| table.user("jason").number("P50(ms)")).await;

    live.program.config.edit("gateway.yaml", "  http:\n", DELAY);
    let edited = Instant::now();
    // Nothing of his ends any more, and what he waits for grows older.
    let (shown, waiting) = live
        .until("jason waits", |table| {
            let jason = table.user("jason");
            let waits = jason.number("RATE/s") == Some(0.0) && jason.number("LONGEST(ms)")? > 300.0;
            waits.then(|| (table.at, jason.cell("WAITING").to_owned()))
        })
        .await;
    println!("the table showed {waiting} requests of his waiting {:?} after the edit", shown - edited);

    let (jason, others, sum) = live
        .until("his pages come, five seconds late", |table| {
            let (jason, others) = (table.user("jason"), table.user("anonymous"));
            (jason.number("P50(ms)")? >= 5000.0).then(|| (jason.clone(), others.clone(), table.sum))
        })
        .await;
    assert_eq!(jason.number("SUCCESS"), Some(100.0), "late, but whole");
    assert!(others.number("P50(ms)").is_some_and(|p50| p50 < 5000.0), "the others are served: {others:?}");
    assert_eq!(sum[1..], [0, 0], "failed, incomplete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_rule_shows_at_the_service_that_denies_and_its_end_too() {
    let mut live = Live::start(80, 50).await;
    let success = |table: &Table, service| table.version(service, "v1").number("SUCCESS");
    live.until("reviews are served", |table| (success(table, "reviews")? == 100.0).then_some(())).await;

    live.program.config.write("deny.yaml", super::DENY_REVIEWS);
    let edited = Instant::now();
    let table = live
        .until("all calls of reviews are denied, and pages come without them", |table| {
            let [_, failed, incomplete] = table.sum;
            (success(table, "reviews")? == 0.0 && incomplete > failed).then(|| table.clone())
        })
        .await;
    println!("the table showed the denial {:?} after the edit", table.at - edited);
    let code = |service| table.version(service, "v1").cell("CODE");
    assert_eq!((code("reviews"), code("details")), ("403", "-"), "and the table says why");
    assert_eq!(success(&table, "details"), Some(100.0), "details are not denied");
    assert_eq!(table.sum[1], 0, "no request failed");

    live.program.config.remove("deny.yaml");
    live.until("reviews and whole pages are served again", |table| {
        let whole = table.user("anonymous").number("SUCCESS")? == 100.0;
        (whole && success(table, "reviews")? == 100.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_narrow_terminal_there_is_one_table_whatever_is_typed_or_said_and_ctrl_c_leaves_it_there() {
    let mut live = Live::start(50, 50).await;
    live.terminal.press("\r").await;
    live.program.config.edit("reviews.yaml", "weight: 90", "wieght: 90");
    // Two frames later, all that could have been painted over it has been.
    let mut frames = 0;
    live.terminal
        .until("the mistake, and the table below it", |frame| {
            frames += usize::from(frame.count("did you mean `weight`?") == 1);
            assert_eq!((frame.count("SERVICE"), frame.count("USER")), (1, 1), "{}", frame.lines.join("\n"));
            (frames > 2).then_some(())
        })
        .await;

    live.terminal.press("\x03").await;
    let (status, frame) = live.terminal.ended().await;
    let shown = frame.lines.join("\n");
    assert!(status.success(), "{status}: {shown}");
    let line = |text| frame.lines.iter().position(|line: &String| line.contains(text));
    let order = [line("error[IST0106]"), line("help:"), line("SERVICE"), line("USER"), line("stopping")];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?} in:\n{shown}");
    assert_eq!((frame.count("SERVICE"), frame.count("stopping")), (1, 1), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_so_many_requests_fails_if_a_file_of_the_configuration_is_refused() {
    let program = Program::new(50).await;
    program.config.write("deny.yaml", &super::DENY_REVIEWS.replace("action: DENY", "action: DENI"));
    let mut command = tokio::process::Command::new(&program.path);
    let output = command.args(&program.args).args(["--once", "300"]).output().await.expect("start bookinfo");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}{error}");
    assert!(!out.contains("all as configured"), "{out}");
    assert!(error.contains("deny.yaml:") && error.contains("the configuration has 1 error, "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pipe_the_table_is_plain_text_and_ends_with_its_reader() {
    let program = Program::new(50).await;
    let mut child = tokio::process::Command::new(&program.path)
        .args(&program.args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("start bookinfo");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut seen = String::new();
    while !seen.contains(" requests, ") {
        let line = tokio::time::timeout(std::time::Duration::from_secs(20), lines.next_line()).await;
        let line = line.expect("a line within 20 s").expect("standard output").expect("a whole table");
        seen.push_str(&line);
        seen.push('\n');
    }
    assert!(!seen.contains('\x1b'), "{seen}");
    let row: Vec<_> =
        seen.lines().find(|l| l.starts_with("reviews  ")).expect("reviews").split_whitespace().collect();
    assert_eq!((row.len(), row[1], row[7]), (9, "v1", "100.0%"), "{seen}");

    drop(lines);
    let output = tokio::time::timeout(std::time::Duration::from_secs(20), child.wait_with_output()).await;
    let output = output.expect("it ends within 20 s").expect("its exit status");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !error.contains("panicked"), "{}: {error}", output.status);
}
