//! Against a Redis of a few lines, which answers as told; a real one is in the workspace's tests.

use super::*;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// The next command, as its words.
async fn command(stream: &mut BufReader<DuplexStream>) -> Option<Vec<String>> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
    let words: usize = line.trim().strip_prefix('*')?.parse().ok()?;
    let mut command = Vec::new();
    for _ in 0..words {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let length: usize = line.trim().strip_prefix('$')?.parse().ok()?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(length);
        command.push(String::from_utf8(word).ok()?);
    }
    Some(command)
}

/// A connection to a Redis that says `OK` until it is asked to run a script, and then gives these answers.
async fn redis(
    answers: Vec<&'static str>,
) -> (MultiplexedConnection, tokio::task::JoinHandle<Vec<Vec<String>>>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move {
        let mut stream = BufReader::new(far);
        let (mut seen, mut answers) = (Vec::new(), answers.into_iter());
        while let Some(command) = command(&mut stream).await {
            let is_script = command[0].starts_with("EVAL");
            let answer = match is_script {
                true => answers.next(),
                false => Some("+OK\r\n"),
            };
            if is_script {
                seen.push(command);
            }
            let Some(answer) = answer else { break };
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        }
        seen
    });
    let config = AsyncConnectionConfig::default();
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&RedisConnectionInfo::default(), near, config).await.unwrap();
    tokio::spawn(driver);
    (connection, server)
}

fn charge(key: &str, previous: Option<(&str, u32)>) -> Charge {
    Charge {
        key: key.to_owned(),
        previous: previous.map(|(key, weight)| (key.to_owned(), weight)),
        limit: 10,
        hits: 1,
        expires: 1_000,
        lifetime: 60,
    }
}

fn used(used: u64, over: bool) -> Charged {
    Charged { used, over, shared: false }
}

#[tokio::test]
async fn one_script_asks_for_all_counts() {
    let (connection, server) = redis(vec!["*4\r\n:3\r\n:0\r\n:10\r\n:1\r\n"]).await;
    let store = RedisStore::new(connection);
    let charges = vec![charge("a", None), charge("b", Some(("b-before", 250_000)))];
    let charged = store.charge(charges, 940).await.unwrap();
    assert_eq!(charged, [used(3, false), used(10, true)]);
    drop(store);
    let seen = server.await.unwrap();
    assert_eq!(seen[0][0], "EVALSHA");
    let words = ["4", "a", "a", "b", "b-before", "0", "10", "1", "60", "250000", "10", "1", "60"];
    assert_eq!(seen[0][2..], words);
}

#[tokio::test]
async fn a_redis_that_does_not_know_the_script_is_told_it() {
    let (connection, server) = redis(vec!["-NOSCRIPT No matching script.\r\n", "*2\r\n:1\r\n:0\r\n"]).await;
    let store = RedisStore::new(connection);
    assert_eq!(store.charge(vec![charge("a", None)], 0).await.unwrap(), [used(1, false)]);
    drop(store);
    let seen = server.await.unwrap();
    assert_eq!((seen[0][0].as_str(), seen[1][0].as_str(), seen[1][1].as_str()), ("EVALSHA", "EVAL", CHARGE));
    assert_eq!(seen[0][2..], seen[1][2..]);
}

#[tokio::test]
async fn a_long_value_makes_a_short_key_of_its_own() {
    let long = |last: char| format!("mesh:quota:shop|x-user=300:{}{last}|60s1", "ä".repeat(150));
    let (one, other) = (long('a'), long('b'));
    let keys = [bounded(&one), bounded(&other), bounded(&one)];
    assert_eq!(keys[0], keys[2]);
    assert_ne!(keys[0], keys[1]);
    assert!(keys.iter().all(|key| key.len() <= KEPT + 41 && key.starts_with("mesh:quota:shop|x-user=300:")));
    assert_eq!(bounded("mesh:quota:shop|x-user=1:a|60s1"), "mesh:quota:shop|x-user=1:a|60s1");
    let (connection, server) = redis(vec!["*2\r\n:1\r\n:0\r\n"]).await;
    RedisStore::new(connection).charge(vec![charge(&one, None)], 0).await.unwrap();
    assert_eq!(server.await.unwrap()[0][3], keys[0]);
}

#[tokio::test]
async fn who_goes_while_redis_thinks_leaves_its_connection_to_the_others() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (asked, mut was_asked) = tokio::sync::mpsc::channel(1);
    let (go, mut may_go) = tokio::sync::mpsc::channel::<()>(1);
    let server = tokio::spawn(async move {
        let mut stream = BufReader::new(far);
        let mut count = 0;
        while let Some(command) = command(&mut stream).await {
            let mut answer = "+OK\r\n".to_owned();
            if command[0].starts_with("EVAL") {
                asked.send(()).await.unwrap();
                may_go.recv().await.unwrap();
                count += 1;
                answer = format!("*2\r\n:{count}\r\n:0\r\n");
            }
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let config = AsyncConnectionConfig::default();
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&RedisConnectionInfo::default(), near, config).await.unwrap();
    tokio::spawn(driver);
    let store = RedisStore::new(connection);
    let mut gone = tokio_test::task::spawn(store.charge(vec![charge("a", None)], 0));
    tokio_test::assert_pending!(gone.poll());
    was_asked.recv().await.unwrap();
    drop(gone);
    let next = tokio::spawn(store.charge(vec![charge("a", None)], 0));
    go.send(()).await.unwrap();
    was_asked.recv().await.unwrap();
    go.send(()).await.unwrap();
    // It was charged for what it asked, and the next one has its own answer, not that of the one who left.
    assert_eq!(next.await.unwrap().unwrap(), [used(2, false)]);
    drop(store);
    server.await.unwrap();
}

#[tokio::test]
async fn a_redis_that_is_gone_or_talks_nonsense_is_an_error() {
    for answer in [vec![], vec!["-ERR no\r\n"], vec!["+what\r\n"], vec!["*1\r\n:1\r\n"]] {
        let (connection, _server) = redis(answer.clone()).await;
        assert!(RedisStore::new(connection).charge(vec![charge("a", None)], 0).await.is_err(), "{answer:?}");
    }
}
