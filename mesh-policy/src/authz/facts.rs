//! What is known of a request's caller.

use crate::connection::Connection;
use crate::token::RequestToken;
use http::{Request, header};
use mesh_core::decide::{RequestFacts, Token};
use mesh_core::identity::SpiffeId;
use mesh_core::model::matcher::RequestHead;

/// A request's facts; `None` if nothing is known of its connection.
pub(super) fn facts<B>(request: &Request<B>) -> Option<RequestFacts<'_>> {
    let connection: &Connection = request.extensions().get()?;
    let uri = request.uri();
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default(),
    };
    Some(RequestFacts {
        head: Some(RequestHead {
            method: request.method(),
            scheme: uri.scheme_str().unwrap_or("http"),
            authority,
            path: uri.path_and_query().map_or("/", |path| path.as_str()),
            headers: request.headers(),
        }),
        token: RequestToken::facts(request.extensions().get()),
        ..of_connection(connection, request.extensions().get())
    })
}

/// What is known where no request is seen.
pub(super) fn of_connection<'a>(connection: &'a Connection, peer: Option<&'a SpiffeId>) -> RequestFacts<'a> {
    RequestFacts {
        head: None,
        peer,
        token: Token::Unverified,
        destination: connection.local,
        direct_remote: connection.remote.ip(),
        remote: connection.client.unwrap_or(connection.remote.ip()),
        server_name: connection.server_name.as_deref(),
    }
}
