//! The index gives the verdict that looking at every rule gives, and a denial is never outvoted.

use super::super::*;
use crate::compile::rbac::{Layer, Policies, Sight};
use crate::decide::Claims;
use crate::model::matcher::{HeaderKey, HeaderMatch, Pattern, Regex, StringMatch, UriTemplate};
use crate::model::rbac::{MetadataMatch, MetadataValue, Permission, Principal};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

fn text() -> impl Strategy<Value = StringMatch> {
    let path = "/[ab]?(/[ab])?";
    prop_oneof![
        path.prop_map(StringMatch::exact),
        path.prop_map(StringMatch::prefix),
        path.prop_map(StringMatch::suffix),
        (path, any::<bool>())
            .prop_map(|(text, ignore_case)| StringMatch { pattern: Pattern::Prefix(text), ignore_case }),
    ]
}

fn identity() -> impl Strategy<Value = String> {
    ("[st]", "[ab]", "[xy]").prop_map(|(td, ns, sa)| format!("spiffe://{td}/ns/{ns}/sa/{sa}"))
}

fn regex(text: &str) -> StringMatch {
    Pattern::Regex(Regex::new(text).unwrap()).into()
}

fn peer() -> impl Strategy<Value = Principal> {
    let names = [
        ".*/ns/a/.*",
        ".*/ns/b/.*",
        "spiffe://.+/ns/a/(.+/|)sa/x(/.+)?",
        "spiffe://.+/ns/b/(.+/|)sa/y(/.+)?",
        ".*/ns/[^/]*/.*",
    ];
    let name = prop_oneof![
        identity().prop_map(StringMatch::exact),
        "[ab]".prop_map(|ns| StringMatch::prefix(format!("spiffe://s/ns/{ns}/"))),
        select(names.map(regex).to_vec()),
    ];
    proptest::option::of(name).prop_map(Principal::Authenticated)
}

fn header(key: HeaderKey, text: &str, ignore_case: bool) -> HeaderMatch {
    HeaderMatch::string(key, StringMatch { pattern: Pattern::Exact(text.to_owned()), ignore_case })
}

fn host() -> impl Strategy<Value = Permission> {
    prop_oneof![
        select(vec!["a.b", "A.b:80", "kk.b"]).prop_map(|h| Permission::Header(header(
            HeaderKey::Authority,
            h,
            true
        ))),
        select([r"(?i)a\.b:[0-9]*", r"(?i)kk\.b:[0-9]*", r"(?i).*\.b:[0-9]*"].map(regex).to_vec())
            .prop_map(|re| Permission::Header(HeaderMatch::string(HeaderKey::Authority, re))),
    ]
}

fn x_header() -> HeaderMatch {
    header(HeaderKey::Name(HeaderName::from_static("x")), "1", false)
}

fn claim() -> MetadataMatch {
    MetadataMatch::claim(["g"], MetadataValue::text_or_list(vec![StringMatch::exact("dev")]))
}

fn permission() -> impl Strategy<Value = Permission> {
    let template = select(vec!["/*", "/a/**", "/a/*", "/a"]);
    let leaf = prop_oneof![
        Just(Permission::Any),
        text().prop_map(Permission::Path),
        template.prop_map(|t| Permission::UriTemplate(UriTemplate::new(t).unwrap())),
        (1u16..4).prop_map(Permission::DestinationPort),
        host(),
        Just(Permission::Header(x_header())),
        Just(Permission::Header(header(HeaderKey::Method, "GET", false))),
        Just(Permission::Metadata(claim())),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Permission::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Permission::Or),
            inner.prop_map(|p| Permission::Not(Box::new(p))),
        ]
    })
}

fn principal() -> impl Strategy<Value = Principal> {
    let leaf = prop_oneof![
        Just(Principal::Any),
        peer(),
        text().prop_map(Principal::Path),
        Just(Principal::RemoteIp("10.0.0.0/31".parse().unwrap())),
        Just(Principal::Header(x_header())),
        Just(Principal::Metadata(claim())),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Principal::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Principal::Or),
            inner.prop_map(|p| Principal::Not(Box::new(p))),
        ]
    })
}

fn rbac() -> impl Strategy<Value = Arc<Rbac>> {
    use proptest::collection::vec;
    let policy = (vec(permission(), 0..3), vec(principal(), 0..3));
    let action = select(vec![RbacAction::Allow, RbacAction::Deny, RbacAction::Log]);
    let mode = select(vec![EnforcementMode::Enforced, EnforcementMode::Enforced, EnforcementMode::Shadow]);
    (action, mode, vec(policy, 0..16)).prop_map(|(action, mode, policies)| {
        let numbered = policies.into_iter().enumerate();
        let policies = numbered.map(|(i, (permissions, principals))| RbacPolicy {
            name: format!("{i}").into(),
            permissions,
            principals,
            origin: None,
        });
        Arc::new(Rbac { stat_prefix: "".into(), mode, action, policies: policies.collect() })
    })
}

#[derive(Clone, Debug)]
struct Ask {
    is_request: bool,
    method: Method,
    authority: String,
    path: String,
    headers: HeaderMap,
    peer: Option<SpiffeId>,
    port: u16,
    remote: u8,
    token: Option<Option<Claims>>,
}

impl Ask {
    fn facts(&self) -> RequestFacts<'_> {
        let Self { method, authority, path, headers, .. } = self;
        let head = RequestHead { method, scheme: "http", authority, path, headers };
        RequestFacts {
            head: self.is_request.then_some(head),
            peer: self.peer.as_ref(),
            token: match &self.token {
                None => Token::Unverified,
                Some(None) => Token::Absent,
                Some(Some(claims)) => Token::Verified(claims),
            },
            destination: SocketAddr::from(([10, 0, 0, 9], self.port)),
            direct_remote: IpAddr::from([10, 0, 0, 1]),
            remote: IpAddr::from([10, 0, 0, self.remote]),
            server_name: None,
        }
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let token = proptest::option::of(proptest::option::of(select(vec![
        serde_json::json!({"g": ["dev", "ops"]}),
        serde_json::json!({"g": "dev"}),
        serde_json::json!({"h": "dev"}),
    ])));
    let identity = proptest::option::of(identity());
    let header = select(vec![None, Some(&b"1"[..]), Some(&b"2"[..]), Some(&b"\xff"[..])]);
    let authority = select(vec!["a.b", "A.B:80", "\u{212a}k.b:1", "c.b:", ""]);
    let method = select(vec![Method::GET, Method::POST]);
    (any::<bool>(), method, authority, "/[ab]?(/[abc])?(\\?x)?", header, identity, 1u16..4, 0u8..4, token)
        .prop_map(|(is_request, method, authority, path, header, identity, port, remote, token)| Ask {
            is_request,
            method,
            authority: authority.to_owned(),
            path,
            headers: header
                .map(|value| (HeaderName::from_static("x"), HeaderValue::from_bytes(value).unwrap()))
                .into_iter()
                .collect(),
            peer: identity.map(|id| id.parse().unwrap()),
            port,
            remote,
            token: token.map(|t| t.map(|c| Claims::verified(c.as_object().cloned().unwrap()))),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_gives_the_verdict_that_every_rule_gives(
        filters in proptest::collection::vec(rbac(), 0..4),
        ask in ask(),
    ) {
        let authorizer = Authorizer::new(filters.iter().cloned());
        let all = judge(filters.iter().map(|f| &**f), &ask.facts());
        prop_assert_eq!(authorizer.judge(&ask.facts()), all);
        prop_assert_eq!(authorize(filters.iter().map(|f| &**f), &ask.facts()), all.decision);
        prop_assert_eq!(explain(filters.iter().map(|f| &**f), &ask.facts()).verdict, all);
    }

    #[test]
    fn a_denial_that_matches_is_never_outvoted(
        mut filters in proptest::collection::vec(rbac(), 0..3),
        ask in ask(),
        at in 0usize..3,
    ) {
        let everything = RbacPolicy {
            name: "deny".into(),
            permissions: vec![Permission::Any],
            principals: vec![Principal::Any],
            origin: None,
        };
        let deny = Rbac {
            stat_prefix: "".into(),
            mode: EnforcementMode::Enforced,
            action: RbacAction::Deny,
            policies: vec![everything],
        };
        filters.insert(at.min(filters.len()), Arc::new(deny));
        prop_assert!(!Authorizer::new(filters).judge(&ask.facts()).decision.is_allowed());
    }

    /// Knowing less never allows more.
    #[test]
    fn who_sees_only_the_connection_never_allows_what_who_sees_the_request_denies(
        filters in proptest::collection::vec(rbac(), 0..4),
        ask in ask(),
    ) {
        let authorizer = Authorizer::new(filters);
        let known = Ask { is_request: true, token: Some(ask.token.clone().flatten()), ..ask.clone() };
        let blind = Ask { is_request: false, token: None, ..ask };
        if authorizer.judge(&blind.facts()).decision.is_allowed() {
            prop_assert!(
                authorizer.judge(&known.facts()).decision.is_allowed()
                    || known.headers.values().any(|v| v.to_str().is_err())
            );
        }
    }
}

#[test]
fn what_istios_policies_become_is_found_by_the_index() {
    let mut text = String::new();
    for i in 0..100 {
        text.push_str(&format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p{i}, namespace: shop}}\nspec: {{rules: [{{from: [{{source: {{namespaces: [n-{i}]}}}}], to: [{{operation: {{hosts: [h{i}.example.com], paths: [\"/p{i}/{{*}}\"]}}}}]}}]}}\n"
        ));
    }
    let mut policies = Policies::default();
    let sight = Sight {
        layer: Layer::Http,
        tokens: true,
        providers: true,
        trust_domains: &["cluster.local".to_owned()],
    };
    for outcome in crate::yaml::resources("a.yaml", &text, &crate::yaml::Limits::default()).outcomes {
        match outcome.resource {
            Some(crate::api::AnyResource::AuthorizationPolicy(policy)) => {
                assert_eq!(policies.add(&policy, &sight), []);
            }
            other => panic!("{other:?}"),
        }
    }
    let authorizer = Authorizer::new(policies.filters());
    let headers = HeaderMap::new();
    let peer: SpiffeId = "spiffe://cluster.local/ns/n-70/sa/web".parse().unwrap();
    let judge = |authority: &str, path: &str| {
        let head = RequestHead { method: &Method::GET, scheme: "http", authority, path, headers: &headers };
        let facts = RequestFacts {
            head: Some(head),
            peer: Some(&peer),
            token: Token::Absent,
            destination: "10.0.0.1:80".parse().unwrap(),
            direct_remote: "10.0.0.2".parse().unwrap(),
            remote: "10.0.0.2".parse().unwrap(),
            server_name: None,
        };
        authorizer.judge(&facts).decision.policy().map(|p| p.name.to_string())
    };
    assert_eq!(judge("H70.example.com:80", "/p70/x").as_deref(), Some("ns[shop]-policy[p70]-rule[0]"));
    assert_eq!(judge("h71.example.com", "/p70/x"), None);
    assert_eq!(judge("h70.example.com", "/p70/x/y"), None);
}
