//! What became of each resource, and that reading by pieces is reading as a whole.

use super::*;
use crate::source::{State, Statuses, status};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Several files and the state that has seen them.
struct Many {
    dir: tempfile::TempDir,
    state: LastGood,
}

impl Many {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), state: LastGood::default() }
    }

    fn write(&self, name: &str, text: Option<&str>) {
        let path = self.dir.path().join(name);
        match text {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap_or_default(),
        }
    }

    fn read(&mut self) -> Loaded {
        let mut reading = Reading::default();
        reading.add(self.dir.path(), true, None);
        let candidate = self.state.prepare(reading);
        self.state.commit(candidate)
    }

    fn step(&mut self, files: &[(&str, Option<&str>)]) -> Loaded {
        files.iter().for_each(|(name, text)| self.write(name, *text));
        self.read()
    }
}

/// File name, line and state of each, in the words of `Display`.
fn told(statuses: &Statuses) -> Vec<String> {
    let file = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    let one = |s: &status::Status| {
        let state = match &s.state {
            State::Duplicate { in_force } => {
                format!("duplicate of {}:{}", file(&in_force.file), in_force.line)
            }
            other => other.to_string(),
        };
        format!("{} at {}:{} is {state}", s.key.name, file(&s.place.file), s.place.line)
    };
    statuses.iter().map(one).collect()
}

fn dated(name: &str, subset: &str, created: &str) -> String {
    route(name, subset).replace("metadata: {", &format!("metadata: {{creationTimestamp: '{created}', "))
}

#[test]
fn the_status_of_each_resource_says_what_became_of_it() {
    let mut many = Many::new();
    let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: w}\n\
                   spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}\n---\n";
    let good = [route("a", "v1"), route("b", "v1")].concat();
    let loaded = many.step(&[("1.yaml", Some(&good)), ("2.yaml", Some(gateway))]);
    assert_eq!(
        told(&loaded.status),
        [
            "a at 1.yaml:1 is in force since version 1",
            "b at 1.yaml:10 is in force since version 1",
            "w at 2.yaml:1 is in force since version 1, with warnings",
        ]
    );
    let bad =
        [route("a", "v2").replace("http:", "htpp:"), route("c", "v1").replace("http:", "htpp:")].concat();
    let edited = [bad, route("b", "v1")].concat();
    let loaded = many.step(&[("1.yaml", Some(&edited)), ("3.yaml", Some(&route("b", "v3")))]);
    assert_eq!(
        told(&loaded.status),
        [
            "a at 1.yaml:1 is refused; the last good version, of version 1, stays in force",
            "c at 1.yaml:10 is refused; nothing of it is in force",
            // It moved and says what it said: so it is in force for as long as before.
            "b at 1.yaml:19 is in force since version 1",
            "w at 2.yaml:1 is in force since version 1, with warnings",
            "b at 3.yaml:1 is duplicate of 1.yaml:19",
        ]
    );
    let refused = &loaded.status.of_file(&many.dir.path().join("1.yaml").to_string_lossy())[0];
    assert_eq!(refused.findings.iter().map(|f| f.code).collect::<Vec<_>>(), [code::SCHEMA]);
    assert_eq!(loaded.status.of(&refused.key).count(), 1);
    // Mended, and what took precedence is gone.
    let loaded = many.step(&[("1.yaml", Some(&route("a", "v2")))]);
    assert_eq!(
        told(&loaded.status),
        [
            "a at 1.yaml:1 is in force since version 3",
            "w at 2.yaml:1 is in force since version 1, with warnings",
            "b at 3.yaml:1 is in force since version 3",
        ]
    );
    assert_eq!(&**loaded.world.version(), "3");
}

#[test]
fn what_a_file_held_that_cannot_be_read_is_told_to_be_held_and_why() {
    let mut many = Many::new();
    many.step(&[("1.yaml", Some(&route("a", "v1")))]);
    let loaded = many.step(&[("1.yaml", Some("kind: ["))]);
    let held = "a at 1.yaml:1 is refused; the last good version, of version 1, stays in force";
    assert_eq!(told(&loaded.status), [held]);
    assert_eq!(loaded.status.iter().next().unwrap().findings[0].code, code::SYNTAX);
    assert_eq!(loaded.findings.len(), 1, "the finding is told once, however many it holds back");
    fs::write(many.dir.path().join("1.yaml"), b"\xff").unwrap();
    let loaded = many.read();
    assert_eq!(told(&loaded.status), [held]);
    assert_eq!(loaded.status.iter().next().unwrap().findings[0].code, code::UNREADABLE);
}

#[test]
fn of_a_resource_in_two_places_the_older_wins_wherever_it_stands() {
    let mut many = Many::new();
    let (old, new) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let loaded = many.step(&[
        ("1.yaml", Some(&dated("x", "newer", new))),
        ("2.yaml", Some(&dated("x", "older", old))),
        ("3.yaml", Some(&dated("x", "later", old))),
    ]);
    assert_eq!(subset(&loaded.world, "x").as_deref(), Some("older"));
    let notes: Vec<&String> = loaded.findings.iter().flat_map(|f| &f.notes).collect();
    assert!(notes[0].starts_with("the older one"), "{notes:?}");
    assert!(notes[1].starts_with("of two that are equally old, the first"), "{notes:?}");
    let in_force = &loaded.findings[0].labels[0].source.file;
    assert!(in_force.ends_with("2.yaml"), "{in_force}");
    // The one that comes next takes its place, and is no duplicate any more.
    let loaded = many.step(&[("2.yaml", None)]);
    assert_eq!(subset(&loaded.world, "x").as_deref(), Some("later"));
    assert_eq!(loaded.findings.len(), 1);
    let loaded = many.step(&[("3.yaml", None)]);
    assert_eq!(subset(&loaded.world, "x").as_deref(), Some("newer"));
    assert!(loaded.findings.is_empty());
}

#[test]
fn a_changed_file_touches_nothing_that_another_one_declares() {
    let mut many = Many::new();
    let before = many.step(&[("1.yaml", Some(&route("a", "v1"))), ("2.yaml", Some(&route("b", "v1")))]);
    let after = many.step(&[("1.yaml", Some(&route("a", "v2")))]);
    let b = |loaded: &Loaded| loaded.world.get::<VirtualService>("default", "b").unwrap().clone();
    assert!(Arc::ptr_eq(&b(&before), &b(&after)));
    // An edit that is refused as a whole is no new World at all.
    let refused = many.step(&[("1.yaml", Some("kind: ["))]);
    assert!(Arc::ptr_eq(&after.world, &refused.world));
}

#[test]
fn a_status_is_json_in_the_shape_of_istios() {
    let mut many = Many::new();
    let text = route("a", "v1").replace("metadata: {", "metadata: {generation: 3, ");
    let loaded = many.step(&[("1.yaml", Some(&text))]);
    let all = status::json(loaded.status.iter());
    assert_eq!(all[0]["apiVersion"], "networking.istio.io/v1");
    assert_eq!(all[0]["metadata"]["namespace"], "default");
    assert_eq!((&all[0]["state"], &all[0]["version"]), (&"Accepted".into(), &"1".into()));
    assert_eq!(all[0]["status"]["observedGeneration"], 3);
    assert_eq!(all[0]["status"]["conditions"][1]["status"], "True");
    assert!(all[0]["status"].get("validationMessages").is_none());

    let bad = text.replace("http:", "htpp:").replace("generation: 3", "generation: 4");
    let loaded = many.step(&[("1.yaml", Some(&bad))]);
    insta::assert_json_snapshot!(status::json(loaded.status.iter())[0]["status"], @r#"
    {
      "conditions": [
        {
          "message": "1 Error found; see validationMessages",
          "reason": "errorsFound",
          "status": "False",
          "type": "PassedAnalysis"
        },
        {
          "message": "refused; the last good version, of version 1, stays in force",
          "reason": "Invalid",
          "status": "False",
          "type": "Accepted"
        }
      ],
      "observedGeneration": 4,
      "validationMessages": [
        {
          "documentationUrl": "https://istio.io/latest/docs/reference/config/analysis/ist0106/",
          "level": "ERROR",
          "message": "spec.htpp: unknown field `htpp`",
          "type": {
            "code": "IST0106"
          }
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn the_status_of_a_watched_folder_is_there_before_the_world_that_it_speaks_of() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    fs::write(&file, route("a", "v1")).unwrap();
    let source = FolderSource::open(dir.path()).await;
    let (mut world, mut status) = (source.world(), source.status());
    assert_eq!(soon(status.ready()).await.unwrap().len(), 1);
    fs::write(&file, route("a", "v2")).unwrap();
    let world = until(&mut world, |w| subset(w, "a").as_deref() == Some("v2")).await;
    let since = status.current().unwrap().iter().next().unwrap().state.since().cloned();
    assert_eq!(since.as_ref(), Some(world.version()));
    fs::write(&file, "kind: [").unwrap();
    until(&mut status, |all| all.iter().any(|s| matches!(s.state, State::LastGoodInForce { .. }))).await;
}

/// One file: nothing, or some of three resources, some of them older than others.
fn file() -> impl Strategy<Value = Option<String>> {
    let one =
        ("[ab]", "v[12]", proptest::option::of("2026-01-0[12]T00:00:00Z")).prop_map(|(name, v, created)| {
            created.map_or_else(|| route(&name, &v), |created| dated(&name, &v, &created))
        });
    proptest::option::of(proptest::collection::vec(one, 0..3).prop_map(|all| all.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_that_change_one_by_one_mean_what_they_mean_when_they_are_read_at_once(
        steps in proptest::collection::vec(("[123]", file()), 1..10),
    ) {
        let mut many = Many::new();
        let mut last = Loaded::default();
        for (name, text) in steps {
            last = many.step(&[(&format!("{name}.yaml"), text.as_deref())]);
        }
        let whole = load(&[many.dir.path()], true);
        prop_assert!(last.world.same_content(&whole.world));
        prop_assert_eq!(&last.findings, &whole.findings);
        // But for the versions, which tell of what was before.
        let kinds = |all: &Statuses| -> BTreeMap<_, _> {
            all.iter().map(|s| ((s.place.clone(), s.key.clone()), s.state.as_str())).collect()
        };
        prop_assert_eq!(kinds(&last.status), kinds(&whole.status));
    }
}
