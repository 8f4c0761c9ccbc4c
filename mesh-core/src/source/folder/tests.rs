use super::*;
use crate::api::networking::{DestinationRule, VirtualService};
use crate::diagnostic::{Finding, Level, code};
use std::fs;
use std::future::Future;
use std::os::unix::fs::symlink;
use std::sync::Arc;

mod change;
mod status;

/// Reviews, with its traffic going to one subset.
fn route(name: &str, subset: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n  \
         hosts: [{name}]\n  http:\n  - route:\n    - destination: {{host: {name}, subset: {subset}}}\n---\n"
    )
}

fn rule(name: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}}}\n\
         spec: {{host: {name}, subsets: [{{name: v1, labels: {{version: v1}}}}]}}\n---\n"
    )
}

fn subset(world: &World, name: &str) -> Option<String> {
    let spec = &world.get::<VirtualService>("default", name)?.spec;
    Some(spec.http[0].route[0].destination.subset.clone())
}

/// What must happen soon; the bound is only there so that a failure ends.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("in time")
}

async fn until<T>(watch: &mut Watch<T>, mut is_met: impl FnMut(&T) -> bool) -> Arc<T> {
    soon(async {
        let mut value = watch.ready().await.unwrap();
        while !is_met(&value) {
            value = watch.changed().await.unwrap();
        }
        value
    })
    .await
}

#[test]
fn all_files_of_a_folder_make_one_world_and_what_editors_leave_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("sub")).unwrap();
    fs::create_dir(at(".git")).unwrap();
    fs::write(at("a.yaml"), route("a", "v1")).unwrap();
    fs::write(at("sub/b.yml"), route("b", "v1")).unwrap();
    fs::write(at("c.json"), r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"c"}}"#).unwrap();
    for ignored in ["a.yaml~", ".#a.yaml", ".a.yaml.swp", "#a.yaml#", "4913", ".git/x.yaml", "notes.txt"] {
        fs::write(at(ignored), "kind: [").unwrap();
    }
    symlink("nowhere.yaml", at("dangling.yaml")).unwrap();
    symlink("..", at("sub/loop")).unwrap();
    let loaded = load(&[dir.path()], true);
    assert!(loaded.is_valid(), "{:?}", loaded.findings);
    assert_eq!(loaded.world.len(), 3);
    assert_eq!(load(&[dir.path()], false).world.len(), 2);
    assert_eq!(load(&[at("a.yaml"), at("sub")], false).world.len(), 2);
}

#[test]
fn what_cannot_be_read_is_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), b"kind: \xff").unwrap();
    let loaded = load(&[dir.path().to_path_buf(), dir.path().join("missing")], true);
    assert_eq!(loaded.findings.iter().map(|f| f.code).collect::<Vec<_>>(), [code::UNREADABLE; 2]);
    assert!(loaded.findings[0].message.contains("not UTF-8"), "{}", loaded.findings[0].message);
}

#[test]
fn a_dash_is_what_the_reader_gives_and_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), route("a", "v1")).unwrap();
    let paths = [dir.path(), Path::new("-"), Path::new("-")];
    let text = route("b", "v2");
    let loaded = load_with(&paths, Options { recursive: true, ..Options::default() }, &mut text.as_bytes());
    assert_eq!(subset(&loaded.world, "b").as_deref(), Some("v2"));
    assert_eq!((loaded.world.len(), loaded.findings.len()), (2, 0));
    let wrong =
        load_with(&paths[1..], Options { recursive: true, ..Options::default() }, &mut &b"kind: \xff"[..]);
    assert_eq!(wrong.findings[0].code, code::UNREADABLE);
    assert_eq!(wrong.findings[0].file(), Some("stdin"));
}

#[test]
fn of_a_resource_in_two_places_the_first_file_by_name_wins() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("b.yaml"), route("x", "second")).unwrap();
    fs::write(dir.path().join("a.yaml"), route("x", "first")).unwrap();
    let loaded = load(&[dir.path()], true);
    assert_eq!(subset(&loaded.world, "x").as_deref(), Some("first"));
    assert_eq!(loaded.findings.len(), 1);
    let finding = &loaded.findings[0];
    assert_eq!(finding.code, code::DUPLICATE);
    assert!(finding.file().unwrap().ends_with("b.yaml"));
    let [label] = finding.labels.as_slice() else { panic!("{:?}", finding.labels) };
    assert!(label.source.file.ends_with("a.yaml"), "{label}");
    assert!(label.to_string().starts_with("this one is in force: ") && label.span.is_some(), "{label}");
}

#[test]
fn what_a_further_check_says_counts_like_our_own_rules() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("a.yaml"),
        [route("bad", "v1"), route("odd", "v1"), route("good", "v1")].concat(),
    )
    .unwrap();
    let by_name: &[Check] = &[|resource| {
        let level = match &*resource.meta().name {
            "bad" => Level::Error,
            "odd" => Level::Warning,
            _ => return Findings::new(),
        };
        vec![Finding::new(level, code::SCHEMA, "a name").about(
            resource.meta(),
            resource.source(),
            "metadata.name",
        )]
    }];
    let loaded =
        load_with(&[dir.path()], Options { checks: by_name, ..Options::default() }, &mut std::io::empty());
    assert_eq!((loaded.world.len(), loaded.findings.len()), (2, 2), "{:?}", loaded.findings);
    let states: Vec<_> = loaded.status.iter().map(|s| (&*s.key.name, s.state.as_str())).collect();
    let expected = [("bad", "NothingInForce"), ("odd", "AcceptedWithWarnings"), ("good", "Accepted")];
    assert_eq!(states, expected);
}

/// One file and the state that has seen it.
struct One {
    dir: tempfile::TempDir,
    state: LastGood,
}

impl One {
    fn new(text: &str) -> Self {
        let mut one = Self { dir: tempfile::tempdir().unwrap(), state: LastGood::default() };
        let (doubts, loaded) = one.step(text);
        assert!(doubts == 0 && loaded.is_valid(), "{:?}", loaded.findings);
        one
    }

    fn prepare(&self, text: &str) -> state::Candidate {
        fs::write(self.dir.path().join("a.yaml"), text).unwrap();
        let mut reading = Reading::default();
        reading.add(self.dir.path(), true, None);
        self.state.prepare(reading)
    }

    fn step(&mut self, text: &str) -> (usize, Loaded) {
        let candidate = self.prepare(text);
        (candidate.doubts.len(), self.state.commit(candidate))
    }
}

#[test]
fn a_resource_with_an_error_is_quarantined_alone_and_its_last_good_version_stays() {
    let mut one = One::new(&[route("a", "v1"), route("b", "v1")].concat());
    let bad = [route("a", "v2").replace("http:", "htpp:"), route("b", "v2")].concat();
    let (doubts, loaded) = one.step(&bad);
    assert_eq!(doubts, 1);
    assert_eq!(subset(&loaded.world, "a").as_deref(), Some("v1"));
    assert_eq!(subset(&loaded.world, "b").as_deref(), Some("v2"));
    assert_eq!(loaded.findings.len(), 1);
    assert!(loaded.findings[0].help.as_deref().unwrap().contains("the last good version stays in force"));
    // And once more: the last good version is not the last version.
    let (_, loaded) = one.step(&bad.replace("htpp", "httpp"));
    assert_eq!(subset(&loaded.world, "a").as_deref(), Some("v1"));
    let (doubts, loaded) = one.step(&[route("a", "v3"), route("b", "v3")].concat());
    assert_eq!((doubts, subset(&loaded.world, "a").as_deref()), (0, Some("v3")));
    assert!(loaded.is_valid());
}

#[test]
fn what_validation_refuses_is_quarantined_as_well() {
    let mut one = One::new(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
         data: {mesh: 'trustDomain: a'}\n",
    );
    let (_, loaded) = one.step(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
         data: {mesh: 'trustDomian: b'}\n",
    );
    assert!(!loaded.is_valid());
    assert_eq!(loaded.world.mesh().trust_domain, "a");
}

#[test]
fn a_trust_domain_that_is_none_is_refused_at_its_line() {
    let text = |domain: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
             data:\n  mesh: |\n    enableTracing: false\n    trustDomain: {domain}\n"
        )
    };
    let mut one = One::new(&text("a.b"));
    let (_, loaded) = one.step(&text("A_B"));
    let [finding] = loaded.findings.as_slice() else { panic!("{:?}", loaded.findings) };
    assert_eq!((finding.level, finding.path.as_str()), (Level::Error, "data.mesh.trustDomain"));
    assert_eq!(finding.span.map(|s| s.line), Some(7));
    assert_eq!(loaded.world.mesh().trust_domain, "a.b");
}

#[test]
fn a_policy_that_never_was_good_says_that_nothing_of_it_is_enforced() {
    let policy = |kind: &str, field: &str| {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {{name: p}}\nspec: {{{field}: 1}}\n"
        )
    };
    let kinds = ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"];
    let bad: String = kinds.iter().map(|kind| policy(kind, "wrong")).collect();
    let open = "nothing of it is enforced";
    let never = One::new("").step(&bad).1;
    assert_eq!(never.findings.len(), 3);
    assert!(never.findings.iter().all(|f| f.help.as_deref().unwrap().contains(open)), "{never:?}");
    // With a last good version, something is.
    let good =
        "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: {}\n";
    let held = One::new(good).step(&policy("AuthorizationPolicy", "wrong")).1;
    let help = held.findings[0].help.as_deref().unwrap();
    assert!(help.contains("last good version stays in force") && !help.contains(open), "{help}");
    // What protects nothing does not open anything.
    let route = One::new("").step(&route("a", "v1").replace("http:", "htpp:")).1;
    assert!(!route.findings[0].help.as_deref().unwrap_or_default().contains(open));
}

#[test]
fn a_text_that_is_not_yaml_keeps_all_that_it_held() {
    let mut one = One::new(&[route("a", "v1"), rule("b")].concat());
    let (_, loaded) = one.step("kind: [");
    assert_eq!(subset(&loaded.world, "a").as_deref(), Some("v1"));
    assert!(loaded.world.get::<DestinationRule>("default", "b").is_some());
    // A part that can be read comes into force all the same.
    let (_, loaded) = one.step(&[route("a", "v2"), "kind: [\n".to_owned()].concat());
    assert_eq!(subset(&loaded.world, "a").as_deref(), Some("v2"));
    assert!(loaded.world.get::<DestinationRule>("default", "b").is_some());
    // Without an error, what is not there is gone.
    let (doubts, loaded) = one.step(&route("a", "v2"));
    assert_eq!(doubts, 1);
    assert!(loaded.world.get::<DestinationRule>("default", "b").is_none());
}

#[test]
fn a_file_that_was_caught_half_written_is_in_doubt_and_the_whole_one_is_not() {
    let one = One::new(&[route("a", "v1"), rule("b")].concat());
    let whole = [route("a", "v2"), rule("b")].concat();
    // Cut anywhere: it has an error, or a resource is gone, or nothing that was there has changed.
    for cut in (0..whole.len() - 1).step_by(7) {
        let half = one.prepare(&whole[..cut]);
        let is_whole = whole[cut..].trim_matches(['-', '\n']).is_empty();
        assert!(!half.doubts.is_empty() || is_whole, "{:?}", &whole[..cut]);
    }
    let candidate = one.prepare(&whole);
    assert!(candidate.changed && candidate.doubts.is_empty());
}

#[test]
fn a_file_that_is_gone_is_in_doubt_and_then_its_resources_are_gone() {
    let mut one = One::new(&route("a", "v1"));
    fs::remove_file(one.dir.path().join("a.yaml")).unwrap();
    let mut reading = Reading::default();
    reading.add(one.dir.path(), true, None);
    let candidate = one.state.prepare(reading);
    assert_eq!(candidate.doubts.len(), 1);
    assert!(one.state.commit(candidate).world.is_empty());
}

#[test]
fn a_folder_that_is_gone_as_a_whole_takes_nothing_along() {
    let mut one = One::new(&route("a", "v1"));
    fs::remove_dir_all(one.dir.path()).unwrap();
    let mut reading = Reading::default();
    reading.add(one.dir.path(), true, None);
    let candidate = one.state.prepare(reading);
    let loaded = one.state.commit(candidate);
    assert_eq!(loaded.world.len(), 1);
    assert_eq!(loaded.findings[0].code, code::UNREADABLE);
}

#[tokio::test]
async fn an_edit_comes_into_force_and_a_broken_one_is_reported_while_the_last_good_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    fs::write(&file, route("a", "v1")).unwrap();
    let source = FolderSource::open(dir.path()).await;
    let (mut world, mut findings) = (source.world(), source.findings());
    assert_eq!(subset(&soon(world.ready()).await.unwrap(), "a").as_deref(), Some("v1"));
    assert!(soon(findings.ready()).await.unwrap().is_empty());

    fs::write(&file, route("a", "v2")).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v2")).await;

    let before = world.current().unwrap();
    fs::write(&file, "kind: [").unwrap();
    let reported = until(&mut findings, |f| !f.is_empty()).await;
    assert_eq!(reported[0].code, code::SYNTAX);
    assert!(Arc::ptr_eq(&before, &world.current().unwrap()), "nobody is woken by an edit that was refused");

    fs::write(&file, route("a", "v3")).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v3")).await;
    until(&mut findings, Vec::is_empty).await;
}

#[tokio::test]
async fn files_that_appear_move_and_vanish_are_followed_in_new_folders_too() {
    let dir = tempfile::tempdir().unwrap();
    let source = FolderSource::open(dir.path()).await;
    let mut world = source.world();
    assert!(soon(world.ready()).await.unwrap().is_empty());
    fs::create_dir_all(dir.path().join("x/y")).unwrap();
    fs::write(dir.path().join("x/y/a.yaml"), route("a", "v1")).unwrap();
    until(&mut world, |w| w.len() == 1).await;
    // As editors save: a new file takes the old one's place.
    fs::write(dir.path().join("x/y/.a.tmp"), route("a", "v2")).unwrap();
    fs::rename(dir.path().join("x/y/.a.tmp"), dir.path().join("x/y/a.yaml")).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v2")).await;
    fs::remove_file(dir.path().join("x/y/a.yaml")).unwrap();
    until(&mut world, World::is_empty).await;
}

#[tokio::test]
async fn a_link_that_is_turned_as_kubernetes_does_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (version, subset) in [("..1", "v1"), ("..2", "v2")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("a.yaml"), route("a", subset)).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/a.yaml", at("a.yaml")).unwrap();
    let source = FolderSource::open(dir.path()).await;
    let mut world = source.world();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v1")).await;
    symlink("..2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v2")).await;
}

#[tokio::test]
async fn a_folder_that_is_replaced_is_watched_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("config");
    let source = FolderSource::open(&folder).await;
    let (mut world, mut findings) = (source.world(), source.findings());
    assert_eq!(soon(findings.ready()).await.unwrap()[0].code, code::UNREADABLE);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.yaml"), route("a", "v1")).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v1")).await;

    fs::create_dir(dir.path().join("next")).unwrap();
    fs::write(dir.path().join("next/a.yaml"), route("a", "v2")).unwrap();
    fs::rename(&folder, dir.path().join("old")).unwrap();
    fs::rename(dir.path().join("next"), &folder).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v2")).await;
    // The watch is on the new folder now.
    fs::write(folder.join("a.yaml"), route("a", "v3")).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v3")).await;
    until(&mut findings, Vec::is_empty).await;
}

#[tokio::test]
async fn the_poll_sees_what_no_event_told() {
    let dir = tempfile::tempdir().unwrap();
    // Changes behind a link to outside of the folder raise no event in it.
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("real.yaml"), route("a", "v1")).unwrap();
    symlink(outside.path().join("real.yaml"), dir.path().join("a.yaml")).unwrap();
    let options = Options { poll: Duration::from_millis(50), ..Options::default() };
    let source = FolderSource::open_with(dir.path(), options).await;
    let mut world = source.world();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v1")).await;
    fs::write(outside.path().join("real.yaml"), route("a", "longer")).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("longer")).await;
}

#[tokio::test]
async fn reading_the_folder_does_not_wake_its_own_watch() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), route("a", "v1")).unwrap();
    let (wake, mut changes) = tokio::sync::mpsc::channel(1000);
    let mut eyes = watch::Eyes::new(dir.path(), true, wake);
    eyes.look();
    for _ in 0..100 {
        load(&[dir.path()], true);
    }
    // Events come in order: what the readings raised, if anything, is there before this one.
    fs::write(dir.path().join("b.yaml"), "").unwrap();
    soon(changes.recv()).await.unwrap();
    assert!(changes.len() < 20, "{} wake-ups", changes.len());
}

#[tokio::test]
async fn the_task_ends_with_its_last_reader_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), route("a", "v1")).unwrap();
    let source = FolderSource::open(dir.path()).await;
    let mut world = source.world();
    drop(source);
    fs::write(dir.path().join("a.yaml"), route("a", "v2")).unwrap();
    until(&mut world, |w| subset(w, "a").as_deref() == Some("v2")).await;
    let tasks = tokio::runtime::Handle::current().metrics();
    assert_eq!(tasks.num_alive_tasks(), 1);
    drop(world);
    soon(async {
        while tasks.num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
