//! What one changed file does to the others, and what a file that cannot be read leaves.

use super::*;

#[test]
fn a_change_of_one_file_leaves_what_the_others_declare_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let write = |i: usize, subset: &str| {
        fs::write(dir.path().join(format!("{i}.yaml")), route(&format!("r{i}"), subset)).unwrap();
    };
    (0..20).for_each(|i| write(i, "v1"));
    let mut state = state::LastGood::new(&[]);
    let mut read = || {
        let mut reading = Reading::default();
        reading.add(dir.path(), true, None);
        let candidate = state.prepare(reading);
        state.commit(candidate).world
    };
    let before = read();
    write(7, "v2");
    let after = read();
    // What is read again is another one, if it says the same.
    let of =
        |world: &World, i: usize| world.get::<VirtualService>("default", &format!("r{i}")).cloned().unwrap();
    let touched: Vec<usize> = (0..20).filter(|i| !Arc::ptr_eq(&of(&before, *i), &of(&after, *i))).collect();
    assert_eq!(touched, [7]);
}

#[test]
fn a_file_that_cannot_be_read_any_more_keeps_what_it_held_and_says_so() {
    let mut one = One::new(&route("a", "v1"));
    // Not text: the permissions of a file stop nobody who may do everything.
    fs::write(one.dir.path().join("a.yaml"), [0xff, 0xfe]).unwrap();
    let mut reading = Reading::default();
    reading.add(one.dir.path(), true, None);
    let candidate = one.state.prepare(reading);
    assert_eq!(candidate.doubts.len(), 1, "it is looked at twice");
    let loaded = one.state.commit(candidate);
    assert_eq!(subset(&loaded.world, "a").as_deref(), Some("v1"));
    assert_eq!(loaded.findings[0].code, code::UNREADABLE);
    let (_, loaded) = one.step(&route("a", "v2"));
    assert_eq!(subset(&loaded.world, "a").as_deref(), Some("v2"));
    assert!(loaded.is_valid());
}

#[test]
fn findings_of_many_documents_stay_with_their_own() {
    let bad = |name: &str| route(name, "v1").replace("http:", "htpp:");
    let text = [bad("a"), route("b", "v1"), bad("c"), bad("c")].concat();
    let (_, loaded) = One::new("").step(&text);
    let named = |name: &str| loaded.findings.iter().filter(|f| &*f.resource.name == name).count();
    assert_eq!((named("a"), named("b")), (1, 0));
    assert!(named("c") >= 2, "{:?}", loaded.findings);
}
