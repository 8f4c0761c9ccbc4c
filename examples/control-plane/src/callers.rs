//! Who may read a workload's configuration.
//!
//! Over TLS a caller proves its service account with a token, and gets the configuration of that account's
//! workloads only. The plain port asks nobody: it is for loopback, where every process is the user's own.

use mesh_ca::TokenIssuer;
use mesh_core::node::Node;
use std::sync::Arc;
use std::time::SystemTime;
use tonic::Status;
use tonic::metadata::MetadataMap;

/// Checks a stream's token against the node that it says it is.
pub(crate) fn authorize(
    tokens: &Arc<TokenIssuer>,
    over_tls: bool,
    node: &Node,
    metadata: &MetadataMap,
) -> Result<(), Status> {
    if !over_tls {
        return Ok(());
    }
    let bearer = metadata
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| Status::unauthenticated("xDS over TLS needs a token: authorization: Bearer …"))?;
    let caller = tokens
        .verify(bearer, SystemTime::now())
        .map_err(|error| Status::unauthenticated(error.to_string()))?;
    let proved = (caller.namespace(), caller.service_account());
    if proved != (node.namespace.as_str(), node.service_account.as_str()) {
        let (namespace, account) = proved;
        return Err(Status::permission_denied(format!(
            "the token proves {namespace}/{account}, and the node says that it is {}/{}",
            node.namespace, node.service_account
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::node::NodeKind;
    use std::time::Duration;
    use tonic::Code;

    fn ask(over_tls: bool, token: Option<&str>, tokens: &Arc<TokenIssuer>) -> Result<(), Code> {
        let mut node = Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), "reviews-v1", "default");
        node.service_account = "reviews".to_owned();
        let mut metadata = MetadataMap::new();
        if let Some(token) = token {
            metadata.insert("authorization", format!("Bearer {token}").parse().expect("a token is ASCII"));
        }
        authorize(tokens, over_tls, &node, &metadata).map_err(|status| status.code())
    }

    #[test]
    fn over_tls_a_caller_gets_its_own_accounts_configuration_only() {
        let tokens = Arc::new(TokenIssuer::in_memory().expect("a key"));
        let token = |namespace, account| {
            tokens.issue(namespace, account, Duration::from_secs(60), SystemTime::now()).expect("a token")
        };
        assert_eq!(ask(true, Some(&token("default", "reviews")), &tokens), Ok(()));
        assert_eq!(ask(true, Some(&token("default", "ratings")), &tokens), Err(Code::PermissionDenied));
        assert_eq!(ask(true, Some(&token("other", "reviews")), &tokens), Err(Code::PermissionDenied));
        assert_eq!(ask(true, Some("forged"), &tokens), Err(Code::Unauthenticated));
        assert_eq!(ask(true, None, &tokens), Err(Code::Unauthenticated));
        assert_eq!(ask(false, None, &tokens), Ok(()));
    }
}
