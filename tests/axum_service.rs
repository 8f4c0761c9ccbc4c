//! The README of examples/axum-service, command by command, against the running example.

use mesh_tests::binary::binary;
use mesh_tests::peer::{Peer, run};
use tokio::process::Command;

/// The commands of the README's consoles, each with the lines that it prints.
fn commands(readme: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match (line, inside, line.strip_prefix("$ ")) {
            ("```console", ..) => inside = true,
            ("```", ..) => inside = false,
            (_, true, Some(command)) => commands.push((command.to_owned(), String::new())),
            (_, true, None) => {
                let (_, printed) = commands.last_mut().unwrap_or_else(|| panic!("a command comes first"));
                printed.push_str(line);
                printed.push('\n');
            }
            _ => {}
        }
    }
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn every_layer_of_the_axum_example_acts_as_its_readme_says() {
    let program = binary("axum-service").await;
    let mut service = Peer::start("axum-service", Command::new(program).args(["--listen", "127.0.0.1:0"]));
    let line = service.line().await;
    let address = line.strip_prefix("listening on http://").expect("it says where it listens");
    let readme = include_str!("../examples/axum-service/README.md").replace("localhost:8080", address);
    let commands = commands(&readme);
    assert!(commands.len() >= 15, "the README shows every layer: {commands:?}");
    for (command, printed) in commands {
        let (_, out, error) = run(Command::new("bash").args(["-c", &command])).await;
        assert_eq!(out, printed, "{command}\n{error}");
    }
    let (sent, ..) = run(Command::new("kill").args(["-INT", &service.pid().to_string()])).await;
    assert!(sent && service.ended().await.success(), "Ctrl-C ends it well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_its_file_is_an_error_that_names_the_field() {
    let folder = mesh_tests::loopback::Folder::empty();
    let right = include_str!("../examples/axum-service/policies.yaml");
    folder.write("policies.yaml", &right.replace("http2MaxRequests: 2", "http2MaxRequests: 0"));
    let file = folder.file("policies.yaml").display().to_string();
    let program = binary("axum-service").await;
    let (ok, _, error) = run(Command::new(program).args(["--policies", &file])).await;
    let said = "server.breaker.default.http2MaxRequests: must be at least 1; leave it out for no bound";
    assert!(!ok && error.contains(&format!("error: {file}: {said}")), "{error}");
}
