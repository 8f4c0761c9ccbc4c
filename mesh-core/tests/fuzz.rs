//! The fuzz targets as property tests: arbitrary bytes, and the seeds with changes that a hand might make.
//!
//! `fuzz/run.sh` runs the same functions under libFuzzer for as long as it is told.

#![allow(clippy::unwrap_used)]

#[path = "../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "public in the crate of the fuzz targets")]
mod targets;

use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has seeds");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One change of a text.
#[derive(Clone, Debug)]
enum Change {
    Insert(Vec<u8>),
    Remove(usize),
    Repeat(usize),
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Change)>> {
    let pieces = [
        ":", " ", "\n", "- ", "[", "]", "{", "}", "\"", "'", "#", "&a ", "*a", "<<: ", "!", "|", ">", "%",
        "\t", "---\n", "~", "0", "-1", "1e9", "\u{0}", "ä", "\r\n", "*", ".", "/", "null", "yes", "\\", ",",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    let change = prop_oneof![
        4 => piece.prop_map(|piece| Change::Insert(piece.as_bytes().to_vec())),
        1 => any::<u8>().prop_map(|byte| Change::Insert(vec![byte])),
        3 => (1_usize..20).prop_map(Change::Remove),
        1 => (1_usize..60).prop_map(Change::Repeat),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), change), 1..6)
}

fn changed(seed: &[u8], changes: &[(prop::sample::Index, Change)]) -> Vec<u8> {
    let mut text = seed.to_vec();
    for (at, change) in changes {
        let at = at.index(text.len() + 1);
        let until = |length: usize| (at + length).min(text.len());
        match change {
            Change::Insert(piece) => drop(text.splice(at..at, piece.iter().copied())),
            Change::Remove(length) => drop(text.drain(at..until(*length))),
            Change::Repeat(length) => {
                let part = text[at..until(*length)].to_vec();
                drop(text.splice(at..at, part));
            }
        }
    }
    text
}

#[test]
fn every_target_survives_its_seeds() {
    for (name, target) in targets::ALL {
        seeds(name).iter().for_each(|seed| target(seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_target_survives_arbitrary_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        targets::ALL.iter().for_each(|(_, target)| target(&data));
    }

    #[test]
    fn every_target_survives_arbitrary_texts(text in "\\PC{0,80}") {
        targets::ALL.iter().for_each(|(_, target)| target(text.as_bytes()));
    }

    #[test]
    fn every_target_survives_its_seeds_with_changes(changes in changes()) {
        for (name, target) in targets::ALL {
            seeds(name).iter().for_each(|seed| target(&changed(seed, &changes)));
        }
    }
}
