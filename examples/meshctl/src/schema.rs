//! `meshctl schema`: the JSON Schemas of the kinds, which editors complete and check by.

mod names;

use crate::stdout;
use mesh_core::api::{KINDS, KindInfo, kind};
use names::Lookup;
use std::process::ExitCode;

/// Print the JSON Schema of a kind, or the list of kinds.
///
/// A schema describes whole documents: editors complete fields, show what they mean, and mark what is wrong
/// while it is typed. Kinds are found by name, plural or short name, in any case.
///
/// Exit codes: 0 if there is such a kind, 2 if not.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  meshctl schema                                list the kinds
  meshctl schema VirtualService
  meshctl schema dr > destination-rule.json
  meshctl schema gateways.networking.istio.io   where several groups have a kind of that name

In an editor with the YAML language server, begin a file with:
  # yaml-language-server: $schema=destination-rule.json")]
pub(crate) struct Args {
    /// A kind, such as VirtualService, virtualservices, vs or virtualservice.networking.istio.io.
    kind: Option<String>,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let Some(wanted) = &args.kind else { return stdout::print(&list(), ExitCode::SUCCESS) };
    match names::find(wanted) {
        Lookup::One(found) => match kind::schema(found.group, found.kind) {
            Some(schema) => stdout::print(&format!("{:#}", schema.to_value()), ExitCode::SUCCESS),
            None => {
                eprintln!("error: {} has no schema", found.kind);
                ExitCode::FAILURE
            }
        },
        Lookup::Several(all) => {
            eprintln!("error: several groups have a kind `{wanted}`");
            let full: Vec<String> = all.iter().map(|k| names::full(k)).collect();
            eprintln!("help: write {}", full.join(" or "));
            ExitCode::from(2)
        }
        Lookup::None(nearest) => {
            eprintln!("error: there is no kind `{wanted}`");
            match nearest {
                Some(near) => eprintln!("help: did you mean `{}`?", near.kind),
                None => eprintln!("help: `meshctl schema` lists the kinds"),
            }
            ExitCode::from(2)
        }
    }
}

/// A table: kind, short name, group and versions.
fn list() -> String {
    let short = |k: &KindInfo| names::short(k).unwrap_or_default();
    let group = |k: &KindInfo| if k.group.is_empty() { "core" } else { k.group };
    let widest = |width: fn(&KindInfo) -> usize| KINDS.iter().map(width).max().unwrap_or_default();
    let (kinds, groups) = (widest(|k| k.kind.len()), widest(|k| k.group.len()));
    let mut lines = vec![format!("{:kinds$}  {:9}  {:groups$}  VERSIONS", "KIND", "SHORT", "GROUP")];
    lines.extend(KINDS.iter().map(|k| {
        let versions = k.versions.join(", ");
        format!("{:kinds$}  {:9}  {:groups$}  {versions}", k.kind, short(k), group(k))
    }));
    lines.join("\n")
}
