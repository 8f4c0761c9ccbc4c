//! What an edit of one file costs in a folder of 1,000 files with 10,000 resources: from the file's new name to the
//! World that has it, without the wait for quiet.
//!
//! `cargo bench -p mesh-core --bench folder`

use divan::Bencher;
use mesh_core::source::FolderSource;
use mesh_core::source::folder::{Options, load};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn main() {
    divan::main();
}

const FILES: usize = 1000;
/// VirtualServices and DestinationRules, as many of each.
const PAIRS: usize = 5;

/// One file; the note makes two of them differ.
fn text(file: usize, note: usize) -> String {
    (0..PAIRS).fold(String::new(), |mut out, i| {
        let _ = write!(
            out,
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v{i}-{file}}}\nspec:\n  \
             hosts: [s{i}-{file}]\n  http:\n  - match: [{{uri: {{prefix: /v{note}}}}}]\n    route:\n    \
             - destination: {{host: s{i}-{file}}}\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
             metadata: {{name: r{i}-{file}}}\nspec: {{host: s{i}-{file}, subsets: [{{name: v1, labels: {{v: v{note}}}}}]}}\n"
        );
        out
    })
}

/// As editors save: a new file takes the old one's place.
fn save(folder: &Path, file: usize, note: usize) {
    let new = folder.join(".new");
    fs::write(&new, text(file, note))
        .and_then(|()| fs::rename(&new, folder.join(format!("{file}.yaml"))))
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The files, an hour old: what has just been written is read again whatever its time says.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let old = SystemTime::now() - Duration::from_secs(3600);
    for file in 0..FILES {
        save(dir.path(), file, 0);
        fs::File::options()
            .append(true)
            .open(dir.path().join(format!("{file}.yaml")))
            .and_then(|f| f.set_modified(old))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    dir
}

/// All of it at once: what a start costs.
#[divan::bench(sample_count = 10)]
fn read_all(bencher: Bencher<'_, '_>) {
    let dir = folder();
    bencher.bench(|| load(&[dir.path()], true));
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn edit_one_file(bencher: Bencher<'_, '_>) {
    let dir = folder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let options = Options { quiet: Duration::ZERO, ..Options::default() };
    let source = runtime.block_on(FolderSource::open_with(dir.path(), options));
    let mut world = source.world();
    let first = runtime.block_on(world.ready()).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(first.len(), FILES * PAIRS * 2);
    let mut note = 0;
    bencher.bench_local(|| {
        note += 1;
        save(dir.path(), 7, note);
        runtime.block_on(world.changed()).unwrap_or_else(|error| panic!("{error:?}"))
    });
}
