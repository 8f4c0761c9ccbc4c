//! Real configuration against the JSON Schemas and the rules: what a schema marks in an editor must be what reading
//! refuses, no more and no less of it.
//!
//! Every YAML file of the workspace's examples and tests is read. `MESH_CORPUS` names one more folder of files, of
//! which none may have an error: `MESH_CORPUS=istio/samples cargo test -p mesh-core --all-features --test corpus`.
#![allow(clippy::unwrap_used, reason = "a broken test must fail")]

use mesh_core::diagnostic::{Color, Findings, Level, text};
use mesh_core::{validate, yaml};
use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn yaml_below(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{}: no YAML file", root.display());
    found
}

/// The folder that the caller names, if any.
fn named() -> Option<PathBuf> {
    std::env::var_os("MESH_CORPUS").map(PathBuf::from)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What reading and validation have to say of a file; `UPSTREAM` stands for a port in the tests' own.
fn findings_of(path: &Path) -> Findings {
    let parsed = yaml::resources(
        &path.display().to_string(),
        &read(path).replace("UPSTREAM", "8080"),
        &yaml::Limits::default(),
    );
    let resources = parsed.outcomes.iter().filter_map(|o| o.resource.as_ref());
    parsed.findings.iter().cloned().chain(resources.flat_map(validate::check)).collect()
}

#[test]
fn real_configuration_has_no_error() {
    let root = workspace();
    let mut files = yaml_below(&root.join("examples"));
    files.extend(yaml_below(&root.join("tests/config")));
    if let Some(folder) = named() {
        let more = yaml_below(&folder);
        println!("{}: {} files validated", folder.display(), more.len());
        files.extend(more);
    }
    let errors: Findings =
        files.iter().flat_map(|f| findings_of(f)).filter(|f| f.level == Level::Error).collect();
    assert!(errors.is_empty(), "{}", text(&errors, Color::Never));
}

#[cfg(feature = "schema")]
mod schemas {
    use super::{findings_of, named, read, workspace, yaml_below};
    use jsonschema::Validator;
    use mesh_core::api::kind::schema;
    use mesh_core::api::{KINDS, KindInfo};
    use mesh_core::yaml;
    use serde_json::{Value, json};
    use std::path::{Path, PathBuf};

    /// The schemas of all kinds, by group and kind.
    struct Schemas(Vec<(KindInfo, Validator)>);

    impl Schemas {
        fn new() -> Self {
            let one = |info: &KindInfo| {
                let schema = schema(info.group, info.kind).unwrap().to_value();
                let validator = jsonschema::draft7::new(&schema);
                (*info, validator.unwrap_or_else(|e| panic!("{}: {e}", info.kind)))
            };
            Self(KINDS.iter().map(one).collect())
        }

        /// Of the kind that a document names.
        fn of(&self, document: &Value) -> Option<&Validator> {
            let group = document["apiVersion"].as_str()?.split_once('/').map_or("", |(group, _)| group);
            let kind = document["kind"].as_str()?;
            let (_, found) = self.0.iter().find(|(info, _)| info.group == group && info.kind == kind)?;
            Some(found)
        }
    }

    /// Every document below the folders, as JSON.
    fn documents(files: &[PathBuf]) -> Vec<(&Path, Value)> {
        let of_file = |path| {
            let read = yaml::documents("a.yaml", &read(path), &yaml::Limits::default());
            read.documents.into_iter().map(move |d| (path, without_nulls(d.value)))
        };
        files.iter().map(PathBuf::as_path).flat_map(of_file).collect()
    }

    /// A null is a field that is not written.
    fn without_nulls(value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let written = fields.into_iter().filter(|(_, value)| !value.is_null());
                written.map(|(name, value)| (name, without_nulls(value))).collect()
            }
            Value::Array(items) => items.into_iter().map(without_nulls).collect(),
            scalar => scalar,
        }
    }

    /// What reading says of a document, if it refuses it.
    fn refusal(document: &Value) -> Option<String> {
        let parsed = yaml::resources("a.json", &document.to_string(), &yaml::Limits::default());
        let read = parsed.outcomes.iter().any(|o| o.resource.is_some());
        (!read).then(|| parsed.findings.iter().map(|f| f.message.clone()).collect())
    }

    #[test]
    fn what_can_be_read_is_accepted_by_the_schema_of_its_kind() {
        let schemas = Schemas::new();
        let mut files = ["examples", "tests/config", "mesh-core/tests", "mesh-core/fuzz/seeds"]
            .iter()
            .flat_map(|folder| yaml_below(&workspace().join(folder)))
            .collect::<Vec<_>>();
        if let Some(folder) = named() {
            let more = yaml_below(&folder);
            println!("{}: {} files held against the schemas", folder.display(), more.len());
            files.extend(more);
        }
        let (mut wrong, mut accepted) = (Vec::new(), 0);
        for (path, document) in documents(&files) {
            let Some(validator) = schemas.of(&document) else { continue };
            if refusal(&document).is_some() {
                continue;
            }
            accepted += 1;
            for error in validator.iter_errors(&document) {
                wrong.push(format!("{}: {} {error}", path.display(), error.instance_path()));
            }
        }
        println!("{accepted} documents of {} files", files.len());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_the_schema_of_its_kind() {
        let schemas = Schemas::new();
        let files = yaml_below(&workspace().join("mesh-core/tests/broken/validate"));
        let (mut wrong, mut refused) = (Vec::new(), 0);
        for (path, document) in documents(&files) {
            let Some(validator) = schemas.of(&document) else { continue };
            let Some(why) = refusal(&document) else { continue };
            refused += 1;
            if validator.is_valid(&document) {
                wrong.push(format!("{}: {why}", path.display()));
            }
        }
        println!("{refused} documents");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn an_unknown_field_is_refused_wherever_it_stands() {
        let schemas = Schemas::new();
        let files = yaml_below(&workspace().join("mesh-core/tests/broken/validate"));
        let mut seen = 0;
        for path in &files {
            let unknown = |f: &mesh_core::diagnostic::Finding| f.message.starts_with("unknown field");
            // What a ConfigMap holds is a text to its own schema; of Pods not all fields are known.
            let said = findings_of(path).into_iter().find(unknown);
            let Some(finding) = said.filter(|f| f.path.starts_with("spec.")) else { continue };
            for (_, document) in documents(std::slice::from_ref(path)) {
                let validator = schemas.of(&document).unwrap();
                let mut errors = validator.iter_errors(&document);
                let name = finding.message.split('`').nth(1).unwrap();
                assert!(
                    errors.any(|e| e.to_string().contains(name)),
                    "{}: {}",
                    path.display(),
                    finding.message
                );
                seen += 1;
            }
        }
        assert!(seen >= 8, "{seen} broken examples with unknown fields");
        let stray =
            json!({"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {}, "egress": []});
        assert!(!schemas.of(&stray).unwrap().is_valid(&stray), "a field beside the spec");
    }
}
