mod agreement;
mod tokens;
mod verdict;

use super::*;
use crate::model::matcher::{HeaderKey, HeaderMatch, StringMatch};
use crate::model::rbac::{Permission, Principal};
use http::{HeaderMap, Method};

fn rbac(action: RbacAction, policies: Vec<RbacPolicy>) -> Rbac {
    Rbac { stat_prefix: "".into(), mode: EnforcementMode::Enforced, action, policies }
}

fn policy(permission: Permission, principal: Principal) -> RbacPolicy {
    RbacPolicy { name: "p".into(), permissions: vec![permission], principals: vec![principal], origin: None }
}

fn get() -> Permission {
    Permission::Header(HeaderMatch::string(HeaderKey::Method, StringMatch::exact("GET")))
}

struct Case {
    headers: HeaderMap,
    peer: Option<SpiffeId>,
}

impl Case {
    fn new(peer: Option<&str>) -> Self {
        Self { headers: HeaderMap::new(), peer: peer.map(|p| p.parse().unwrap()) }
    }

    fn facts<'a>(&'a self, method: &'a Method, path: &'a str) -> RequestFacts<'a> {
        let head = RequestHead { method, scheme: "http", authority: "a", path, headers: &self.headers };
        RequestFacts { head: Some(head), ..self.connection() }
    }

    fn connection(&self) -> RequestFacts<'_> {
        RequestFacts {
            head: None,
            token: Token::Unverified,
            peer: self.peer.as_ref(),
            destination: "10.0.0.1:9080".parse().unwrap(),
            direct_remote: "10.0.0.2".parse().unwrap(),
            remote: "10.0.0.2".parse().unwrap(),
            server_name: None,
        }
    }
}

#[test]
fn without_policies_everything_passes() {
    let case = Case::new(None);
    assert_eq!(authorize([], &case.facts(&Method::GET, "/")), Decision::AllowedByDefault);
}

#[test]
fn a_deny_beats_an_allow_of_the_same_request() {
    let case = Case::new(Some("spiffe://cluster.local/ns/default/sa/web"));
    let deny =
        rbac(RbacAction::Deny, vec![policy(Permission::Path(StringMatch::prefix("/admin")), Principal::Any)]);
    let allow = rbac(RbacAction::Allow, vec![policy(Permission::Any, Principal::Any)]);
    let filters = [deny, allow];
    assert!(matches!(authorize(&filters, &case.facts(&Method::GET, "/admin/x?y")), Decision::DeniedBy(_)));
    assert!(matches!(authorize(&filters, &case.facts(&Method::GET, "/")), Decision::AllowedBy(_)));
}

#[test]
fn an_allow_without_a_match_denies() {
    let case = Case::new(Some("spiffe://cluster.local/ns/default/sa/web"));
    let other = StringMatch::exact("spiffe://cluster.local/ns/default/sa/other");
    let allow = rbac(RbacAction::Allow, vec![policy(get(), Principal::Authenticated(Some(other)))]);
    assert_eq!(authorize([&allow], &case.facts(&Method::GET, "/")), Decision::DeniedNoneMatched);
    let empty = rbac(RbacAction::Allow, vec![]);
    assert_eq!(authorize([&empty], &case.facts(&Method::GET, "/")), Decision::DeniedNoneMatched);
}

#[test]
fn a_caller_without_a_certificate_is_nobody() {
    let case = Case::new(None);
    let allow = rbac(RbacAction::Allow, vec![policy(Permission::Any, Principal::Authenticated(None))]);
    assert!(!authorize([&allow], &case.facts(&Method::GET, "/")).is_allowed());
}

#[test]
fn a_rule_about_requests_fails_closed_on_a_connection() {
    let case = Case::new(None);
    let deny = rbac(RbacAction::Deny, vec![policy(get(), Principal::Any)]);
    assert!(matches!(authorize([&deny], &case.connection()), Decision::DeniedUnevaluable(_)));
    let not = rbac(RbacAction::Deny, vec![policy(Permission::Not(Box::new(get())), Principal::Any)]);
    assert!(matches!(authorize([&not], &case.connection()), Decision::DeniedUnevaluable(_)));
    let allow = rbac(RbacAction::Allow, vec![policy(get(), Principal::Any)]);
    assert_eq!(authorize([&allow], &case.connection()), Decision::DeniedNoneMatched);
    let elsewhere = rbac(
        RbacAction::Deny,
        vec![policy(Permission::And(vec![get(), Permission::DestinationPort(1)]), Principal::Any)],
    );
    assert_eq!(authorize([&elsewhere], &case.connection()), Decision::AllowedByDefault);
}

fn role() -> Permission {
    let name = HeaderKey::Name(http::HeaderName::from_static("x-role"));
    Permission::Header(HeaderMatch::string(name, StringMatch::exact("admin")))
}

#[test]
fn a_second_or_an_unreadable_value_does_not_hide_a_denied_one() {
    let deny = rbac(RbacAction::Deny, vec![policy(role(), Principal::Any)]);
    let denied = |values: &[&[u8]]| {
        let mut case = Case::new(None);
        for value in values {
            case.headers.append("x-role", http::HeaderValue::from_bytes(value).unwrap());
        }
        !authorize([&deny], &case.facts(&Method::GET, "/")).is_allowed()
    };
    assert!(denied(&[b"admin"]));
    assert!(denied(&[b"admin", b"guest"]));
    assert!(denied(&[b"guest", b"admin"]));
    assert!(denied(&[b"guest", b"\xff"]), "nobody can say what the second is");
    assert!(!denied(&[b"guest"]) && !denied(&[]));
}

#[test]
fn presence_is_seen_whatever_the_bytes() {
    let name = HeaderKey::Name(http::HeaderName::from_static("x-any"));
    let any = HeaderMatch {
        value: crate::model::matcher::ValueMatch::Present(true),
        ..HeaderMatch::string(name, StringMatch::exact(""))
    };
    let deny = rbac(RbacAction::Deny, vec![policy(Permission::Header(any), Principal::Any)]);
    let mut case = Case::new(None);
    case.headers.append("x-any", http::HeaderValue::from_bytes(b"\xe9").unwrap());
    assert!(!authorize([&deny], &case.facts(&Method::GET, "/")).is_allowed());
}

#[test]
fn an_allow_is_not_given_for_what_cannot_be_read() {
    let not_admin = Permission::Not(Box::new(role()));
    let allow = rbac(RbacAction::Allow, vec![policy(not_admin, Principal::Any)]);
    let mut case = Case::new(None);
    case.headers.append("x-role", http::HeaderValue::from_bytes(b"\xff").unwrap());
    assert!(!authorize([&allow], &case.facts(&Method::GET, "/")).is_allowed());
}
