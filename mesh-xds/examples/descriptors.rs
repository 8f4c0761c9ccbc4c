//! Makes `src/json/descriptors.bin` and `src/envoy_filter/descriptors.bin` anew, from the descriptors that
//! envoy-types brings along:
//!
//! ```text
//! cargo run -p mesh-xds --example descriptors
//! ```
//!
//! To be run after envoy-types changed its version. The first keeps the files that our resources and a bootstrap
//! file need, the second those of all of Envoy's configuration; both without comments and annotations.

use prost_reflect::prost::Message;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is asked for; what these import comes with them.
const ROOTS: [&str; 31] = [
    "envoy/config/bootstrap/v3/bootstrap.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/extensions/access_loggers/file/v3/file.proto",
    "envoy/extensions/access_loggers/stream/v3/stream.proto",
    "envoy/extensions/filters/http/cors/v3/cors.proto",
    "envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto",
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/grpc_stats/v3/config.proto",
    "envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto",
    "envoy/extensions/filters/http/health_check/v3/health_check.proto",
    "envoy/extensions/filters/http/jwt_authn/v3/config.proto",
    "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
    "envoy/extensions/filters/http/lua/v3/lua.proto",
    "envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto",
    "envoy/extensions/filters/http/rbac/v3/rbac.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
    "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/network/rbac/v3/rbac.proto",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
    "envoy/extensions/path/match/uri_template/v3/uri_template_match.proto",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
    "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/transport_sockets/tls/v3/secret.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
];

/// Folders of which a patch may name any message.
const CONFIGURATION: [&str; 4] = ["envoy/config/", "envoy/extensions/", "google/protobuf/", "xds/"];

/// Files that only define options on fields and messages. The options themselves are lost in reading, since
/// nothing here knows them.
const ANNOTATIONS: [&str; 5] =
    ["envoy/annotations/", "google/api/annotations", "udpa/annotations/", "validate/", "xds/annotations/"];

fn main() -> Result<(), Box<dyn Error>> {
    let all = std::fs::read(source()?.join("src/generated/types.bin"))?;
    let all = FileDescriptorSet::decode(&*all)?;
    let names = all.file.iter().map(FileDescriptorProto::name);
    let is_annotation = |name: &str| ANNOTATIONS.iter().any(|prefix| name.starts_with(prefix));
    let is_configuration = |name: &str| CONFIGURATION.iter().any(|prefix| name.starts_with(prefix));
    let configuration: Vec<String> =
        names.filter(|n| is_configuration(n) && !is_annotation(n)).map(str::to_owned).collect();
    write(&all, &ROOTS, "src/json/descriptors.bin")?;
    write(&all, &configuration, "src/envoy_filter/descriptors.bin")
}

fn write(all: &FileDescriptorSet, roots: &[impl AsRef<str>], to: &str) -> Result<(), Box<dyn Error>> {
    let trimmed = trim(all.clone(), roots)?.encode_to_vec();
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join(to);
    std::fs::write(&out, &trimmed)?;
    println!("{}: {} bytes", out.display(), trimmed.len());
    Ok(())
}

/// Where cargo keeps the source of envoy-types.
fn source() -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata.get("packages").and_then(|p| p.as_array()).into_iter().flatten();
    let manifest = packages
        .filter(|p| p.get("name").is_some_and(|name| name == "envoy-types"))
        .find_map(|p| p.get("manifest_path")?.as_str())
        .ok_or("cargo metadata does not list envoy-types")?;
    Ok(Path::new(manifest).parent().ok_or("a manifest is in a folder")?.to_owned())
}

fn trim(all: FileDescriptorSet, roots: &[impl AsRef<str>]) -> Result<FileDescriptorSet, Box<dyn Error>> {
    let mut files: BTreeMap<String, FileDescriptorProto> =
        all.file.into_iter().map(|file| (file.name().to_owned(), file)).collect();
    for file in files.values_mut() {
        drop_annotations(file);
    }
    let mut wanted: Vec<&str> = roots.iter().map(AsRef::as_ref).collect();
    let mut kept = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if kept.insert(name) {
            let file = files.get(name).ok_or_else(|| format!("envoy-types has no {name}"))?;
            wanted.extend(file.dependency.iter().map(String::as_str));
        }
    }
    Ok(FileDescriptorSet { file: kept.iter().filter_map(|name| files.get(*name).cloned()).collect() })
}

/// Takes comments and imports of annotations out. Public and weak imports are given by their index among all.
fn drop_annotations(file: &mut FileDescriptorProto) {
    file.source_code_info = None;
    file.options = None;
    let all = std::mem::take(&mut file.dependency);
    let public = std::mem::take(&mut file.public_dependency);
    file.weak_dependency.clear();
    for (old, name) in (0..).zip(all) {
        if ANNOTATIONS.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        if public.contains(&old) {
            file.public_dependency.extend(i32::try_from(file.dependency.len()));
        }
        file.dependency.push(name);
    }
}
