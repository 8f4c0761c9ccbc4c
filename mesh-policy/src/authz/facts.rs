//! What is known of a request's caller.

use crate::connection::Connection;
use crate::head::head_of;
use crate::token::RequestToken;
use http::Request;
use mesh_core::decide::{RequestFacts, Token};
use mesh_core::identity::SpiffeId;

/// A request's facts; `None` if nothing is known of its connection.
pub(super) fn facts<B>(request: &Request<B>) -> Option<RequestFacts<'_>> {
    let connection: &Connection = request.extensions().get()?;
    Some(RequestFacts {
        head: Some(head_of(request)),
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
