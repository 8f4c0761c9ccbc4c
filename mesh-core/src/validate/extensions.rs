//! WasmPlugin and TrafficExtension.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | `sha256` differs from the `@sha256:` of the url | accepted; the module is not loaded | a warning | it can be seen here |
//! | a Lua script that defines neither callback | accepted | a warning | it never runs |
//! | a url without a host, such as `https:///a` | accepted | refused | nothing can be fetched from nowhere |
//! | an `oci` url whose port is no number | accepted | refused | nobody listens there |
//! | a port twice in one match | refused by the schema | a warning | it says nothing wrong |
//! | letters of other scripts in a url's host | accepted | refused | names on the wire have none |

use super::names::is_longer_than;
use super::report::Report;
use crate::api::extensions::{
    EnvValueSource, LuaConfig, TrafficExtension, TrafficSelector, VmConfig, WasmConfig, WasmPlugin,
};
use std::collections::HashSet;

/// Bounds of Istio's schema, in bytes.
const LONGEST_SECRET: usize = 253;
const LONGEST_NAME: usize = 256;
/// The same, in characters.
const LONGEST_VALUE: usize = 2048;
const LONGEST_SCRIPT: usize = 65536;
/// As many variables may a module have.
const MOST_VARIABLES: usize = 256;

/// What both kinds say of a module.
struct Module<'a> {
    url: &'a str,
    sha256: &'a str,
    image_pull_secret: Option<&'a str>,
    plugin_name: Option<&'a str>,
    vm_config: Option<&'a VmConfig>,
}

pub(super) fn wasm_plugin(spec: &WasmPlugin, report: &mut Report<'_>) {
    report.targets(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    check_match(&spec.r#match, report);
    let module = Module {
        url: &spec.url,
        sha256: &spec.sha256,
        image_pull_secret: spec.image_pull_secret.as_deref(),
        plugin_name: spec.plugin_name.as_deref(),
        vm_config: spec.vm_config.as_ref(),
    };
    check_module(&module, "spec", report);
}

pub(super) fn traffic_extension(spec: &TrafficExtension, report: &mut Report<'_>) {
    report.targets(spec.selector.as_ref(), None, &spec.target_refs);
    check_match(&spec.r#match, report);
    match (&spec.wasm, &spec.lua) {
        (Some(wasm), None) => check_wasm(wasm, report),
        (None, Some(lua)) => check_lua(lua, report),
        (Some(_), Some(_)) => report.refuse("spec.lua", "lua beside wasm", "keep one of them"),
        (None, None) => report.refuse("spec", "neither wasm nor lua", "write one of them"),
    }
}

fn check_wasm(wasm: &WasmConfig, report: &mut Report<'_>) {
    let module = Module {
        url: &wasm.url,
        sha256: &wasm.sha256,
        image_pull_secret: wasm.image_pull_secret.as_deref(),
        plugin_name: wasm.plugin_name.as_deref(),
        vm_config: wasm.vm_config.as_ref(),
    };
    check_module(&module, "spec.wasm", report);
}

fn check_lua(lua: &LuaConfig, report: &mut Report<'_>) {
    let path = "spec.lua.inlineCode";
    let code = &lua.inline_code;
    if code.is_empty() {
        report.refuse(path, "the script is missing", "define envoy_on_request(handle)");
    } else if is_longer_than(code, LONGEST_SCRIPT) {
        let message = format!("a script of {} characters", code.chars().count());
        report.refuse(path, message, "at most 65536; write a WebAssembly module instead");
    } else if !code.contains("envoy_on_request") && !code.contains("envoy_on_response") {
        let help = "define envoy_on_request(handle), envoy_on_response(handle) or both";
        report.warn(path, "a script that nothing calls", help);
    }
}

fn check_match(all: &[TrafficSelector], report: &mut Report<'_>) {
    for (i, selector) in all.iter().enumerate() {
        let mut seen = HashSet::new();
        for (n, port) in selector.ports.iter().enumerate() {
            let path = format!("spec.match[{i}].ports[{n}].number");
            report.port_number(&path, port.number);
            if port.number != 0 && !seen.insert(port.number) {
                report.warn(&path, format!("port {} is there twice", port.number), "keep one of them");
            }
        }
    }
}

fn check_module(module: &Module<'_>, path: &str, report: &mut Report<'_>) {
    check_url(module.url, &format!("{path}.url"), report);
    check_hash(module, &format!("{path}.sha256"), report);
    for (field, text, longest) in [
        ("imagePullSecret", module.image_pull_secret, LONGEST_SECRET),
        ("pluginName", module.plugin_name, LONGEST_NAME),
    ] {
        let Some(text) = text else { continue };
        let path = format!("{path}.{field}");
        if text.is_empty() {
            report.refuse(&path, "an empty name", "write a name, or leave the field out");
        } else if text.len() > longest {
            report.refuse(&path, format!("a name of {} bytes", text.len()), format!("at most {longest}"));
        }
    }
    if let Some(vm) = module.vm_config {
        check_environment(vm, &format!("{path}.vmConfig.env"), report);
    }
}

/// `http`, `https`, `file`, `oci`, or a reference to an image without a scheme.
fn check_url(url: &str, path: &str, report: &mut Report<'_>) {
    let help = "write oci://REGISTRY/IMAGE:TAG, https://…, http://… or file:///…";
    if url.is_empty() {
        return report.refuse(path, "the url of the module is missing", help);
    }
    let wrong = |report: &mut Report<'_>| report.refuse(path, format!("{url:?} is not a URL"), help);
    let rest = match scheme_of(url) {
        Some((scheme, rest)) if ["http", "https", "file", "oci"].contains(&&*scheme.to_ascii_lowercase()) => {
            rest
        }
        // `registry:5000/image` is read like that, too.
        Some((scheme, rest)) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            let message = format!("{scheme:?} is read as the scheme of this url");
            return report.refuse(path, message, format!("write oci://{url}"));
        }
        Some((scheme, _)) => {
            let message = format!("modules are not fetched by {scheme:?}");
            return report.refuse(path, message, help);
        }
        None => url,
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~%:[]@+,;=!$&'()*".contains(c);
    let is_file = scheme_of(url).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("file"));
    if rest.is_empty()
        || rest.contains(|c: char| c.is_whitespace() || c.is_control())
        || !escapes_are_whole(rest)
        || (!is_file && (host.is_empty() || !host.chars().all(legal) || !has_legal_port(host)))
    {
        wrong(report);
    }
}

/// Whether digits alone follow the colon of a host, if it has one. Colons in brackets are of an address.
fn has_legal_port(host: &str) -> bool {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let rest = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    rest.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
}

/// What stands before the first colon, if it can be a scheme, and what follows.
fn scheme_of(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(legal);
    is_scheme.then_some((scheme, rest))
}

/// Whether two hexadecimal digits follow each `%`.
fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        digits.next().is_some_and(|b| b.is_ascii_hexdigit())
            && digits.next().is_some_and(|b| b.is_ascii_hexdigit())
    })
}

fn check_hash(module: &Module<'_>, path: &str, report: &mut Report<'_>) {
    let hash = module.sha256;
    let legal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if hash.is_empty() {
        return;
    }
    if hash.len() != 64 || !hash.bytes().all(legal) {
        report.refuse(path, "not a SHA-256", "write its 64 digits of 0-9 and a-f");
    } else if let Some((_, of_url)) = module.url.split_once("@sha256:")
        && of_url != hash
    {
        report.warn(path, "another hash than that of the url", "keep one of them");
    }
}

fn check_environment(vm: &VmConfig, path: &str, report: &mut Report<'_>) {
    if vm.env.len() > MOST_VARIABLES {
        report.refuse(path, format!("{} variables", vm.env.len()), "at most 256");
    }
    let names = vm.env.iter().enumerate().filter(|(_, v)| !v.name.is_empty());
    report.unique("variable", names.map(|(i, v)| (format!("{path}[{i}].name"), v.name.as_str())));
    for (i, variable) in vm.env.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        if variable.name.is_empty() {
            report.refuse(&at("name"), "the variable's name is missing", "name it");
        } else if variable.name.len() > LONGEST_NAME {
            let message = format!("a name of {} bytes", variable.name.len());
            report.refuse(&at("name"), message, "at most 256");
        }
        let Some(value) = &variable.value else { continue };
        if variable.value_from == EnvValueSource::Host {
            let help = "leave it out, or write valueFrom: INLINE";
            report.refuse(&at("value"), "a value of a variable that is taken from the host", help);
        } else if is_longer_than(value, LONGEST_VALUE) {
            let message = format!("a value of {} characters", value.chars().count());
            report.refuse(&at("value"), message, "at most 2048");
        }
    }
}
