//! A small HTTP client that keeps nothing: one connection a request, everything in memory.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// An error of a request, as text.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Sends one request to an address.
///
/// # Errors
/// If there is no connection or no whole response.
pub async fn send(to: SocketAddr, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Error> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    Ok(Response::from_parts(head, body))
}

/// A GET of a path at an address, with headers.
///
/// # Errors
/// As [`send`].
pub async fn get(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Response<Bytes>, Error> {
    let mut request = Request::get(path).header("host", to.to_string());
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("host") {
            request.headers_mut().ok_or("a bad header")?.remove("host");
        }
        request = request.header(*name, *value);
    }
    send(to, request.body(Full::default())?).await
}

/// The body of a GET that succeeded, as text.
///
/// # Errors
/// As [`send`], or if the status is not 200.
pub async fn text(to: SocketAddr, path: &str) -> Result<String, Error> {
    let response = get(to, path, &[]).await?;
    let body = String::from_utf8_lossy(response.body()).into_owned();
    if response.status() != http::StatusCode::OK {
        return Err(format!("{path}: {} {body}", response.status()).into());
    }
    Ok(body)
}
