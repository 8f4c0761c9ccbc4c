//! What `validate` and `analyze` share: which files are read, which findings count, and how they are printed.

mod suppress;

use crate::stdout;
use clap::ValueEnum;
use mesh_core::diagnostic::{self, Color, Finding, Findings, Level, ResourceKey};
use mesh_core::source::{self, folder::Options};
use mesh_core::world::World;
use mesh_xds::envoy_filter::CHECKS;
use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use suppress::Suppression;

/// Which files are read, which findings count, and how they are printed.
#[derive(clap::Args, Debug)]
pub(crate) struct CheckArgs {
    /// Files, or folders of .yaml, .yml and .json files; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Read folders with all folders below them.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// How findings are printed: text to standard error, or a JSON list to standard output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Silence a code for a resource, as `CODE=KIND NAME.NAMESPACE`; `*` stands for any text. Of findings
    /// about no resource the file is compared. May be repeated.
    #[arg(short = 'S', long, value_name = "CODE=RESOURCE")]
    suppress: Vec<Suppression>,
    /// The least level that makes the exit code 1.
    #[arg(long, value_enum, ignore_case = true, default_value_t = Threshold::Error)]
    failure_threshold: Threshold,
    /// Whether text has colours; `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t = When::Auto)]
    color: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// As a compiler prints them, with the line and a caret.
    Text,
    /// A list of {code, level, resource, path, file, line, column, message, help, notes, related}.
    Json,
    /// SARIF 2.1.0, for code hosts and editors.
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Threshold {
    /// What is refused.
    Error,
    /// And what works, perhaps not as meant.
    Warning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// Reads the files, adds what `more` has to say about the World that they make, and prints what counts.
pub(crate) fn run(args: &CheckArgs, more: fn(&World) -> Findings) -> ExitCode {
    let options = Options { recursive: args.recursive, checks: CHECKS, ..Options::default() };
    let loaded = source::load_with(&args.paths, options, &mut std::io::stdin().lock());
    let checked = loaded.world.len() + refused(&loaded.findings, &loaded.world);
    let mut all = loaded.findings.to_vec();
    all.extend(more(&loaded.world));
    all.sort_by(|a, b| place(a).cmp(&place(b)));
    let found = all.len();
    all.retain(|finding| !args.suppress.iter().any(|s| s.covers(finding)));
    let verdict = match all.iter().any(|f| f.level >= args.failure_threshold.level()) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    };
    match args.output {
        Output::Text => {
            eprint!("{}", diagnostic::text(&all, args.color.now()));
            eprintln!("{}", summary(&all, checked, found - all.len()));
            verdict
        }
        Output::Json => stdout::print(&diagnostic::json(&all).to_string(), verdict),
        Output::Sarif => stdout::print(&diagnostic::sarif(&all).to_string(), verdict),
    }
}

/// How many documents are not in the World since there are errors in them.
fn refused(findings: &[Finding], world: &World) -> usize {
    let in_world: HashSet<_> = world.iter().map(|resource| ResourceKey::of(resource.meta())).collect();
    let errors = findings.iter().filter(|f| f.level == Level::Error && !in_world.contains(&f.resource));
    // Where documents begin, by file: found once, since one file may have thousands of findings.
    let mut starts: HashMap<_, Vec<usize>> = HashMap::new();
    // A file that cannot be read has no text, and holds no document that anybody knows of.
    let places = errors.filter_map(|f| {
        let source = f.source.as_ref()?;
        let start = f.span?.start;
        source.text.get(..start)?;
        let starts = starts.entry(source.file.clone()).or_insert_with(|| separators(&source.text));
        let document = starts.partition_point(|separator| *separator < start);
        Some((source.file.clone(), document, f.resource.clone()))
    });
    places.collect::<HashSet<_>>().len()
}

/// Where the lines stand that part documents.
fn separators(text: &str) -> Vec<usize> {
    let first = text.starts_with("---").then_some(0);
    first.into_iter().chain(text.match_indices("\n---").map(|(at, _)| at + 1)).collect()
}

/// File and place in it, so that all that there is to say about a file stands together.
fn place(finding: &Finding) -> (Option<&str>, usize) {
    (finding.file(), finding.span.map_or(0, |span| span.start))
}

impl Threshold {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::Error,
            Self::Warning => Level::Warning,
        }
    }
}

impl When {
    fn now(self) -> Color {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let wanted = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => std::io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb(),
        };
        if wanted { Color::Always } else { Color::Never }
    }
}

fn summary(findings: &[Finding], resources: usize, suppressed: usize) -> String {
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let count = |level| findings.iter().filter(|f| f.level == level).count();
    let mut out = format!(
        "{} checked: {}, {}",
        plural(resources, "resource"),
        plural(count(Level::Error), "error"),
        plural(count(Level::Warning), "warning")
    );
    if count(Level::Info) > 0 {
        out.push_str(&format!(", {}", plural(count(Level::Info), "note")));
    }
    if suppressed > 0 {
        out.push_str(&format!(" ({suppressed} suppressed)"));
    }
    out
}
