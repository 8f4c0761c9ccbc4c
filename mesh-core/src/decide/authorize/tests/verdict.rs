//! What a verdict says beside yes and no.

use super::*;
use crate::model::rbac::EnforcementMode::Shadow;

fn named(name: &str, path: &str) -> RbacPolicy {
    let policy = policy(Permission::Path(StringMatch::prefix(path)), Principal::Any);
    RbacPolicy { name: name.into(), ..policy }
}

fn on_trial(action: RbacAction, policies: Vec<RbacPolicy>) -> Rbac {
    Rbac { mode: Shadow, ..rbac(action, policies) }
}

#[test]
fn a_trial_changes_nothing_and_says_what_it_would() {
    let filters = [
        on_trial(RbacAction::Deny, vec![named("trial", "/admin")]),
        rbac(RbacAction::Allow, vec![named("all", "/")]),
    ];
    let case = Case::new(None);
    let admin = judge(&filters, &case.facts(&Method::GET, "/admin"));
    assert!(matches!(admin.decision, Decision::AllowedBy(p) if &*p.name == "all"));
    assert!(matches!(admin.shadow, Some(Decision::DeniedBy(p)) if &*p.name == "trial"));
    assert_eq!(judge(&filters, &case.facts(&Method::GET, "/x")).shadow, Some(Decision::AllowedByDefault));
    assert_eq!(judge(&filters[1..], &case.facts(&Method::GET, "/x")).shadow, None);
    assert!(authorize(&filters, &case.facts(&Method::GET, "/admin")).is_allowed());
}

#[test]
fn a_trial_of_an_allow_says_whom_it_would_lock_out() {
    let filters = [on_trial(RbacAction::Allow, vec![named("trial", "/ok")])];
    let case = Case::new(None);
    let verdict = judge(&filters, &case.facts(&Method::GET, "/x"));
    assert_eq!(
        (verdict.decision, verdict.shadow),
        (Decision::AllowedByDefault, Some(Decision::DeniedNoneMatched))
    );
}

#[test]
fn a_trial_speaks_even_of_what_is_denied_anyway() {
    let filters = [
        rbac(RbacAction::Deny, vec![named("deny", "/")]),
        on_trial(RbacAction::Allow, vec![named("trial", "/ok")]),
    ];
    let case = Case::new(None);
    let verdict = judge(&filters, &case.facts(&Method::GET, "/ok"));
    assert!(!verdict.decision.is_allowed());
    assert!(matches!(verdict.shadow, Some(Decision::AllowedBy(_))));
}

#[test]
fn an_audit_marks_what_it_matches_and_allows_nothing() {
    let filters = [
        rbac(RbacAction::Log, vec![named("audit", "/pay")]),
        rbac(RbacAction::Allow, vec![named("ok", "/pay/ok")]),
    ];
    let case = Case::new(None);
    let verdict = judge(&filters, &case.facts(&Method::GET, "/pay"));
    assert_eq!(verdict.decision, Decision::DeniedNoneMatched);
    assert_eq!(verdict.audited.map(|p| &*p.name), Some("audit"));
    assert_eq!(judge(&filters, &case.facts(&Method::GET, "/x")).audited, None);
}

#[test]
fn the_nearest_rules_are_told_with_what_they_lack() {
    let web = StringMatch::exact("spiffe://cluster.local/ns/default/sa/web");
    let wants = Principal::Authenticated(Some(web));
    let far = policy(Permission::And(vec![get(), Permission::DestinationPort(1)]), wants.clone());
    let near = RbacPolicy { name: "near".into(), ..policy(get(), wants.clone()) };
    let filters = [rbac(RbacAction::Allow, vec![far, near])];
    let case = Case::new(None);
    let facts = case.facts(&Method::GET, "/");
    let told = explain(&filters, &facts);
    assert_eq!(told.verdict.decision, Decision::DeniedNoneMatched);
    assert_eq!(told.near_misses[0].policy.name, "near".into());
    assert_eq!(told.near_misses[0].failed, [Condition::Principal(&wants)]);
    assert_eq!(told.near_misses[1].failed.len(), 2);

    let many = [rbac(RbacAction::Allow, (0..100).map(|_| named("x", "/x")).collect())];
    assert_eq!(explain(&many, &facts).near_misses.len(), 5);
}
