//! What the first bytes of a connection are: TLS with its server name and ALPN, HTTP, or neither.
//!
//! Envoy's `tls_inspector` and `http_inspector`. Bounded in bytes here and in time by the caller; what was
//! read is kept and read again by whoever takes the connection.

use bytes::{Bytes, BytesMut};
use mesh_core::model::listener::Transport;
use rustls::server::Acceptor;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A hello that does not end within this is not TLS to us; rustls' own bound is the same.
const MAX_HELLO: usize = 64 * 1024;
/// A request line that does not end within this is not HTTP to us.
const MAX_REQUEST_LINE: usize = 8 * 1024;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Which inspectors run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspect {
    pub(crate) tls: bool,
    pub(crate) http: bool,
}

/// What the first bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) transport: Transport,
    pub(crate) server_name: Option<String>,
    pub(crate) protocols: Vec<String>,
}

impl Found {
    /// Nothing that an inspector knows.
    pub(crate) fn plain() -> Self {
        Self { transport: Transport::Plain, server_name: None, protocols: Vec::new() }
    }
}

enum Verdict {
    More,
    Is(Found),
}

/// Reads until it is clear what the connection carries; `seen` gets what was read, also if this is
/// cancelled or fails.
pub(crate) async fn sniff<T>(io: &mut T, inspect: Inspect, seen: &mut BytesMut) -> io::Result<Found>
where
    T: AsyncRead + Unpin,
{
    loop {
        match look(seen, inspect) {
            Verdict::Is(found) => return Ok(found),
            Verdict::More => {}
        }
        if io.read_buf(seen).await? == 0 {
            return Ok(Found::plain());
        }
    }
}

fn look(seen: &[u8], inspect: Inspect) -> Verdict {
    let Some(first) = seen.first() else { return Verdict::More };
    if inspect.tls && *first == 0x16 {
        return hello(seen);
    }
    if inspect.http {
        return request_line(seen);
    }
    Verdict::Is(Found::plain())
}

fn hello(seen: &[u8]) -> Verdict {
    let mut acceptor = Acceptor::default();
    let mut rest = seen;
    loop {
        match acceptor.read_tls(&mut rest) {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return Verdict::Is(Found::plain()),
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let text = |p: &[u8]| std::str::from_utf8(p).ok().map(str::to_owned);
                return Verdict::Is(Found {
                    transport: Transport::Tls,
                    server_name: hello.server_name().map(str::to_ascii_lowercase),
                    protocols: hello.alpn().into_iter().flatten().filter_map(text).collect(),
                });
            }
            Ok(None) => {}
            Err(_) => return Verdict::Is(Found::plain()),
        }
    }
    if seen.len() >= MAX_HELLO { Verdict::Is(Found::plain()) } else { Verdict::More }
}

fn request_line(seen: &[u8]) -> Verdict {
    let http = |protocol: &str| Verdict::Is(Found { protocols: vec![protocol.to_owned()], ..Found::plain() });
    if seen.len() < PREFACE.len() && PREFACE.starts_with(seen) {
        return Verdict::More;
    }
    if seen.starts_with(PREFACE) {
        return http("h2c");
    }
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let method = seen.iter().take_while(|b| is_token(b)).count();
    match seen.get(method) {
        // No method is that long.
        _ if method > 32 => return Verdict::Is(Found::plain()),
        None => return Verdict::More,
        Some(b' ') if method > 0 => {}
        Some(_) => return Verdict::Is(Found::plain()),
    }
    match seen.iter().position(|b| *b == b'\n') {
        Some(end) => {
            let line = seen.get(..end).unwrap_or_default().trim_ascii_end();
            if line.ends_with(b" HTTP/1.1") {
                http("http/1.1")
            } else if line.ends_with(b" HTTP/1.0") {
                http("http/1.0")
            } else {
                Verdict::Is(Found::plain())
            }
        }
        None if seen.len() > MAX_REQUEST_LINE => Verdict::Is(Found::plain()),
        None => Verdict::More,
    }
}

/// Whether a plain or decrypted stream begins with HTTP/2's preface; the bytes read are returned with it.
pub(crate) async fn begins_with_preface<T>(io: &mut T) -> io::Result<(bool, Bytes)>
where
    T: AsyncRead + Unpin,
{
    let mut seen = BytesMut::with_capacity(64);
    while seen.len() < PREFACE.len() && PREFACE.starts_with(&seen) {
        if io.read_buf(&mut seen).await? == 0 {
            break;
        }
    }
    Ok((seen.starts_with(PREFACE), seen.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Inspect = Inspect { tls: true, http: true };

    async fn of(chunks: &[&[u8]]) -> Found {
        let mut io = tokio_test_io(chunks);
        let mut seen = BytesMut::new();
        let found = sniff(&mut io, BOTH, &mut seen).await.unwrap();
        let sent: Vec<u8> = chunks.concat();
        assert!(sent.starts_with(&seen), "what was read is kept");
        found
    }

    fn tokio_test_io(chunks: &[&[u8]]) -> impl AsyncRead + Unpin {
        use tokio::io::AsyncReadExt as _;
        let (a, b) =
            (chunks.first().copied().unwrap_or_default(), chunks.get(1).copied().unwrap_or_default());
        std::io::Cursor::new(a.to_vec()).chain(std::io::Cursor::new(b.to_vec()))
    }

    #[tokio::test]
    async fn http_is_told_by_its_first_line_however_it_is_cut() {
        assert_eq!(of(&[b"GE", b"T / HTTP/1.1\r\nhost: a\r\n"]).await.protocols, ["http/1.1"]);
        assert_eq!(of(&[b"PRI * HTTP/2.0\r\n", b"\r\nSM\r\n\r\n"]).await.protocols, ["h2c"]);
        assert_eq!(of(&[b"POST /x HTTP/1.0\r\n"]).await.protocols, ["http/1.0"]);
        assert_eq!(of(&[b"\x00\x01binary"]).await, Found::plain());
        assert_eq!(of(&[b"EHLO mail.example\r\n"]).await, Found::plain());
    }

    #[tokio::test]
    async fn bytes_that_only_look_like_tls_are_plain() {
        assert_eq!(of(&[b"\x16nonsense that is no record"]).await, Found::plain());
    }

    #[tokio::test]
    async fn a_hello_tells_its_name_and_protocols() {
        let mut config = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"istio".to_vec(), b"h2".to_vec()];
        let name = "Reviews.Default.svc".to_owned().try_into().unwrap();
        let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        let (head, tail) = hello.split_at(9);
        let found = of(&[head, tail]).await;
        assert_eq!(found.transport, Transport::Tls);
        assert_eq!(found.server_name.as_deref(), Some("reviews.default.svc"));
        assert_eq!(found.protocols, ["istio", "h2"]);
    }
}
