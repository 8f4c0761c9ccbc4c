mod custom;
mod normalize;
mod spec;

use super::*;
use crate::testing::Script;
use crate::{Rejection, find};
use http::{Request, Response, StatusCode};
use mesh_core::identity::SpiffeId;
use mesh_core::model::matcher::{HeaderKey, HeaderMatch, StringMatch};
use mesh_core::model::rbac::{EnforcementMode, Permission, Principal, Rbac, RbacAction, RbacPolicy};
use proptest::prelude::*;
use std::sync::Arc;
use tower::{Layer, ServiceExt};

const WEB: &str = "spiffe://cluster.local/ns/default/sa/web";

fn policy(name: &str, permission: Permission, principal: Principal) -> RbacPolicy {
    RbacPolicy { name: name.into(), permissions: vec![permission], principals: vec![principal], origin: None }
}

fn layer(filters: impl IntoIterator<Item = (RbacAction, RbacPolicy)>) -> AuthzLayer {
    let filters: Vec<Arc<Rbac>> = filters
        .into_iter()
        .map(|(action, policy)| {
            Arc::new(Rbac {
                stat_prefix: "".into(),
                mode: EnforcementMode::Enforced,
                action,
                policies: vec![policy],
            })
        })
        .collect();
    AuthzLayer::new(filters)
}

fn request(path: &str, peer: Option<&str>) -> Request<()> {
    let mut request = Request::get(path).header("host", "api:9080").body(()).unwrap();
    let connection = Connection::new("10.0.0.1:9080".parse().unwrap(), "10.0.0.2:5000".parse().unwrap());
    request.extensions_mut().insert(connection);
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer.parse::<SpiffeId>().unwrap());
    }
    request
}

fn web() -> Principal {
    Principal::Authenticated(Some(StringMatch::exact(WEB)))
}

fn allow_web() -> (RbacAction, RbacPolicy) {
    (RbacAction::Allow, policy("ns[default]-policy[web]-rule[0]", Permission::Any, web()))
}

#[tokio::test]
async fn an_allowed_caller_passes_and_another_gets_envoys_403() {
    let metrics = AuthzMetrics::default();
    let layer = layer([allow_web()]).metrics(metrics.clone());
    let script = Script::new([]);
    let svc = layer.layer(script.clone());
    assert_eq!(svc.clone().oneshot(request("/", Some(WEB))).await.unwrap().status(), 200);

    let other = "spiffe://cluster.local/ns/default/sa/other";
    let err = svc.oneshot(request("/", Some(other))).await.unwrap_err();
    assert_eq!(find::<Denied>(&*err).unwrap().rule(), None);
    let rejection = Rejection::of(&*err).unwrap();
    assert_eq!(rejection.details, "rbac_access_denied_matched_policy[none]");
    assert!(rejection.flags.is_empty());
    assert_eq!(rejection.grpc_status, 7);
    let response: Response<String> = rejection.into_response(false);
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::FORBIDDEN, "RBAC: access denied"));
    assert_eq!(
        (script.sent(), metrics.snapshot()),
        (1, AuthzCounts { allowed: 1, denied: 1, ..AuthzCounts::default() })
    );
}

#[test]
fn the_rule_that_denied_is_named_without_blanks() {
    let admin = Permission::Path(StringMatch::prefix("/admin"));
    let layer = layer([(RbacAction::Deny, policy("no admin", admin, Principal::Any)), allow_web()]);
    let denied = layer.check(&request("/admin/x?y=1", Some(WEB))).unwrap_err();
    assert_eq!(denied.rule(), Some("no admin"));
    assert_eq!(crate::Reject::details(&denied), "rbac_access_denied_matched_policy[no_admin]");
    assert!(layer.check(&request("/x?y=/admin", Some(WEB))).is_ok());
}

#[test]
fn without_a_connection_nothing_is_allowed_that_policies_look_at() {
    let bare = Request::new(());
    let open = (RbacAction::Allow, policy("all", Permission::Any, Principal::Any));
    assert!(layer([open]).check(&bare).is_err());
    assert!(layer([]).check(&bare).is_ok());
}

#[test]
fn a_header_cannot_stand_for_an_identity_or_an_address() {
    let layer = layer([allow_web()]);
    let mut spoofed = request("/", None);
    for name in ["x-forwarded-client-cert", "x-forwarded-for", "authorization"] {
        spoofed.headers_mut().insert(name, format!("URI={WEB}").parse().unwrap());
    }
    assert!(layer.check(&spoofed).is_err());
}

#[test]
fn the_facts_are_those_of_the_request() {
    let only = |permission: Permission| layer([(RbacAction::Allow, policy("p", permission, Principal::Any))]);
    let from = |principal: Principal| layer([(RbacAction::Allow, policy("p", Permission::Any, principal))]);
    let header = |key, text: &str| Permission::Header(HeaderMatch::string(key, StringMatch::exact(text)));
    let h1 = request("/x", None);
    assert!(only(header(HeaderKey::Authority, "api:9080")).check(&h1).is_ok());
    assert!(only(header(HeaderKey::Method, "GET")).check(&h1).is_ok());
    assert!(only(header(HeaderKey::Path, "/x")).check(&h1).is_ok());
    assert!(only(Permission::DestinationPort(9080)).check(&h1).is_ok());
    assert!(from(Principal::DirectRemoteIp("10.0.0.2/32".parse().unwrap())).check(&h1).is_ok());
    assert!(from(Principal::RemoteIp("10.0.0.2/32".parse().unwrap())).check(&h1).is_ok());

    let mut h2 = request("https://web.example/x", None);
    let client = Some("192.0.2.1".parse().unwrap());
    let server_name = Some("sni.example".into());
    let connection = h2.extensions_mut().get_mut::<Connection>().unwrap();
    *connection = Connection { client, server_name, ..connection.clone() };
    assert!(only(header(HeaderKey::Authority, "web.example")).check(&h2).is_ok());
    assert!(only(header(HeaderKey::Scheme, "https")).check(&h2).is_ok());
    assert!(only(Permission::ServerName(StringMatch::exact("sni.example"))).check(&h2).is_ok());
    assert!(from(Principal::RemoteIp("192.0.2.0/24".parse().unwrap())).check(&h2).is_ok());
    assert!(from(Principal::DirectRemoteIp("192.0.2.0/24".parse().unwrap())).check(&h2).is_err());
}

proptest! {
    #[test]
    fn a_deny_that_matches_beats_every_allow(
        path in "/[a-c]{0,2}",
        denied in "/[a-c]{0,2}",
        identified: bool,
        deny_at in 0usize..3,
    ) {
        let open = || (RbacAction::Allow, policy("open", Permission::Any, Principal::Any));
        let mut filters = vec![open(), open()];
        let deny = policy("deny", Permission::Path(StringMatch::prefix(denied.clone())), Principal::Any);
        filters.insert(deny_at, (RbacAction::Deny, deny));
        let verdict = layer(filters).check(&request(&path, identified.then_some(WEB)));
        prop_assert_eq!(verdict.is_err(), path.starts_with(&denied));
    }
}

#[test]
fn the_future_is_no_larger_than_what_it_wraps_and_a_denial() {
    assert!(size_of::<AuthzFuture<u64>>() <= 32, "{}", size_of::<AuthzFuture<u64>>());
}
