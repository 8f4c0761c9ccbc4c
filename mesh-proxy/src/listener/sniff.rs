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
const MAX_METHOD: usize = 32;
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

/// What has been understood so far. Each byte is looked at once, however the bytes are cut: a caller who
/// sends one at a time must not cost more than one who sends them at once.
struct Sniffer {
    inspect: Inspect,
    acceptor: Acceptor,
    /// How many bytes were looked at.
    fed: usize,
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
    let mut sniffer = Sniffer { inspect, acceptor: Acceptor::default(), fed: 0 };
    loop {
        match sniffer.look(seen) {
            Verdict::Is(found) => return Ok(found),
            Verdict::More => {}
        }
        if io.read_buf(seen).await? == 0 {
            return Ok(Found::plain());
        }
    }
}

impl Sniffer {
    /// `seen` is everything so far, of which the end is new.
    fn look(&mut self, seen: &[u8]) -> Verdict {
        let Some(first) = seen.first() else { return Verdict::More };
        let new = seen.get(self.fed..).unwrap_or_default();
        let verdict = if self.inspect.tls && *first == 0x16 {
            self.hello(new, seen.len())
        } else if self.inspect.http {
            self.request_line(seen, new)
        } else {
            Verdict::Is(Found::plain())
        };
        self.fed = seen.len();
        verdict
    }

    fn hello(&mut self, mut new: &[u8], len: usize) -> Verdict {
        loop {
            match self.acceptor.read_tls(&mut new) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => return Verdict::Is(Found::plain()),
            }
            match self.acceptor.accept() {
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
        if len >= MAX_HELLO { Verdict::Is(Found::plain()) } else { Verdict::More }
    }

    fn request_line(&self, seen: &[u8], new: &[u8]) -> Verdict {
        let http =
            |protocol: &str| Verdict::Is(Found { protocols: vec![protocol.to_owned()], ..Found::plain() });
        if seen.len() < PREFACE.len() && PREFACE.starts_with(seen) {
            return Verdict::More;
        }
        if seen.starts_with(PREFACE) {
            return http("h2c");
        }
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        // No method is that long.
        let method = seen.iter().take(MAX_METHOD + 1).take_while(|b| is_token(b)).count();
        match seen.get(method) {
            _ if method > MAX_METHOD => return Verdict::Is(Found::plain()),
            None => return Verdict::More,
            Some(b' ') if method > 0 => {}
            Some(_) => return Verdict::Is(Found::plain()),
        }
        // A line that ended in what was looked at before would have been judged, unless it is the preface's.
        let unread = if PREFACE.starts_with(seen.get(..self.fed).unwrap_or_default()) { seen } else { new };
        match unread.iter().position(|b| *b == b'\n') {
            Some(end) => {
                let end = seen.len() - unread.len() + end;
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

    /// What a client of a mesh says first.
    fn hello() -> Vec<u8> {
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
        hello
    }

    /// One byte at a time.
    struct Drip<'b>(&'b [u8]);

    impl AsyncRead for Drip<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            if let Some((first, rest)) = self.0.split_first() {
                buf.put_slice(std::slice::from_ref(first));
                self.0 = rest;
            }
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_was_looked_at_is_not_looked_at_again() {
        let (hello, request) = (hello(), b"GET /index.html HTTP/1.1\r\n");
        for bytes in [&hello[..], request] {
            let mut sniffer = Sniffer { inspect: BOTH, acceptor: Acceptor::default(), fed: 0 };
            let verdict = (1..=bytes.len()).find_map(|n| {
                let mut seen = bytes[..n].to_vec();
                if bytes[0] == 0x16 && n > 1 {
                    // Whoever read these again would not find a hello; the first says that it is one.
                    seen[1..n - 1].fill(0xff);
                }
                match sniffer.look(&seen) {
                    Verdict::Is(found) => Some(found),
                    Verdict::More => None,
                }
            });
            assert_ne!(verdict, Some(Found::plain()));
            assert_eq!(sniffer.fed, bytes.len());
        }
    }

    #[tokio::test]
    async fn http_that_comes_byte_by_byte_is_told_by_its_first_line() {
        for (line, protocol) in [
            (&b"GET /index HTTP/1.1\r\nhost: a\r\n"[..], "http/1.1"),
            (PREFACE, "h2c"),
            (b"P / HTTP/1.0\r\n", "http/1.0"),
        ] {
            let found = sniff(&mut Drip(line), BOTH, &mut BytesMut::new()).await.unwrap();
            assert_eq!(found.protocols, [protocol]);
        }
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
        let hello = hello();
        let (head, tail) = hello.split_at(9);
        let found = of(&[head, tail]).await;
        let mut drip = Drip(&hello);
        let dripped = sniff(&mut drip, BOTH, &mut BytesMut::new()).await.unwrap();
        assert_eq!(dripped, found);
        assert_eq!(found.transport, Transport::Tls);
        assert_eq!(found.server_name.as_deref(), Some("reviews.default.svc"));
        assert_eq!(found.protocols, ["istio", "h2"]);
    }
}
