//! Secrets that Gateways name: whether they are there, and whether a proxy could show what they hold.
//!
//! A proxy reads them from its own namespace, so that this is where they are looked for. What is wrong is said
//! by the names of keys: no message repeats what a Secret holds.

mod der;
#[cfg(test)]
mod tests;

use super::context::{Context, Spot, beside, beside_key, say};
use crate::api::Resource;
use crate::api::kubernetes::Secret;
use crate::api::networking::Gateway;
use crate::api::networking::gateway::ServerTls;
use crate::diagnostic::{Finding, Findings, code};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

/// Where the chain and the key stand: in Secrets of type `kubernetes.io/tls`, and in Istio's older form.
const PAIRS: [(&str, &str); 2] = [("tls.crt", "tls.key"), ("cert", "key")];

type One<'w> = &'w Arc<Resource<Secret>>;

/// Secrets that are not there, or that hold no certificate that a caller would take.
pub(super) fn secrets(ctx: &Context<'_>, out: &mut Findings) {
    let mut by_name: HashMap<&str, Vec<One<'_>>> = HashMap::new();
    for secret in ctx.world.of::<Secret>() {
        by_name.entry(&secret.meta.name).or_default().push(secret);
    }
    let mut by_namespace: HashMap<&str, Vec<&str>> = HashMap::new();
    for secret in ctx.world.of::<Secret>() {
        by_namespace.entry(&secret.meta.namespace).or_default().push(&secret.meta.name);
    }
    let mut by_place: HashMap<(&str, &str), usize> = HashMap::new();
    for (name, all) in &by_name {
        by_place.extend(all.iter().enumerate().map(|(at, s)| ((*name, &*s.meta.namespace), at)));
    }
    let mut of_selector: HashMap<&BTreeMap<String, String>, BTreeSet<&str>> = HashMap::new();
    for gateway in ctx.world.of::<Gateway>() {
        let of_proxies = of_selector.entry(&gateway.spec.selector);
        let of_proxies = of_proxies.or_insert_with_key(|selector| namespaces_of_proxies(ctx, selector));
        for (i, server) in gateway.spec.servers.iter().enumerate() {
            for (field, written) in server.tls.iter().flat_map(names) {
                let Some((namespace, name)) = read(written) else { continue };
                let path = format!("spec.servers[{i}].tls.{field}");
                let same = by_name.get(name).map(Vec::as_slice).unwrap_or_default();
                let near: Vec<&str> = match namespace {
                    Some(namespace) => vec![namespace],
                    None if of_proxies.is_empty() => {
                        vec![&*gateway.meta.namespace, &*ctx.mesh.root_namespace]
                    }
                    None => of_proxies.iter().copied().collect(),
                };
                let found = near.iter().filter_map(|namespace| by_place.get(&(name, *namespace))).min();
                if let Some(secret) = found.and_then(|at| same.get(*at)) {
                    out.extend(judge(ctx.now, secret).map(|(at, what, help)| {
                        let of = &secret.meta;
                        let message = format!("Secret {}/{} {what}", of.namespace, of.name);
                        let finding = say(code::INVALID_CREDENTIAL, message).at(gateway, path).help(help);
                        beside_key(finding, &Spot::of(secret, at), "the Secret")
                    }));
                } else if namespace.is_some() || !of_proxies.is_empty() {
                    let place = near.first().copied().unwrap_or_default();
                    let known = by_namespace.get(place).map(Vec::as_slice).unwrap_or_default();
                    out.extend(missing(ctx, place, name, same, known).map(|f| f.at(gateway, path)));
                }
            }
        }
    }
}

/// The namespaces of the proxies that a Gateway selects, as far as they are known.
fn namespaces_of_proxies<'w>(ctx: &Context<'w>, selector: &BTreeMap<String, String>) -> BTreeSet<&'w str> {
    match selector.is_empty() {
        true => BTreeSet::new(),
        false => ctx.workloads.select(None, selector).map(|w| &*w.meta.namespace).collect(),
    }
}

/// The Secrets with certificates that a server names, and in which fields.
fn names(tls: &ServerTls) -> Vec<(String, &str)> {
    let one = Some(("credentialName".to_owned(), &*tls.credential_name)).filter(|(_, n)| !n.is_empty());
    let several = tls.credential_names.iter().enumerate();
    one.into_iter().chain(several.map(|(i, n)| (format!("credentialNames[{i}]"), &**n))).collect()
}

/// `name`, `namespace/name`, or either after `kubernetes://`; `None` for what is no Secret.
fn read(written: &str) -> Option<(Option<&str>, &str)> {
    let name = match written.split_once("://") {
        Some(("kubernetes", rest)) => rest,
        Some(_) => return None,
        None => written,
    };
    Some(match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    })
}

/// A Secret that is not where the proxies read it. Secrets are often made by other means: without one of its name
/// elsewhere, nothing is said unless files hold Secrets of that namespace.
fn missing(
    ctx: &Context<'_>,
    namespace: &str,
    name: &str,
    elsewhere: &[One<'_>],
    known: &[&str],
) -> Option<Finding> {
    let message = format!("there is no Secret `{name}` in namespace `{namespace}`");
    let finding = say(code::REFERENCE, message);
    match elsewhere.first() {
        Some(other) => {
            let help = format!(
                "proxies read Secrets of their own namespace: move it to `{namespace}`, or copy it there"
            );
            let text = format!("this one is in namespace `{}`", other.meta.namespace);
            Some(beside(finding, &Spot::of(other, "metadata.name"), &text).help(help))
        }
        None if known.is_empty() => None,
        None => Some(match ctx.nearest(name, known.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help("declare it, with tls.crt and tls.key and type kubernetes.io/tls"),
        }),
    }
}

/// What is wrong with a Secret: where, what, and what to do about it.
fn judge(now: SystemTime, secret: &Resource<Secret>) -> Option<(String, String, &'static str)> {
    let spec = &secret.spec;
    let at = |key: &str| match spec.string_data.contains_key(key) {
        true => format!("stringData.{key}"),
        false => format!("data.{key}"),
    };
    let written = |key: &str| spec.string_data.contains_key(key) || spec.data.contains_key(key);
    let Some((chain, key)) = PAIRS.into_iter().find(|(chain, key)| written(chain) || written(key)) else {
        let kind = if spec.kind.is_empty() { "Opaque" } else { &spec.kind };
        let what = format!("is of type `{kind}` and holds no certificate");
        let at = if spec.kind.is_empty() { "metadata.name" } else { "type" };
        return Some((at.to_owned(), what, "write tls.crt and tls.key, with type kubernetes.io/tls"));
    };
    if let Some(missing) = [chain, key].into_iter().find(|k| spec.get(k).is_none_or(|v| v.is_empty())) {
        let place =
            if written(missing) { at(missing) } else { at(if missing == chain { key } else { chain }) };
        return Some((place, format!("has no `{missing}`"), "write the chain and the key in PEM"));
    }
    let problem = match der::validity(&spec.get(chain)?) {
        Err(problem) => Some(problem.to_owned()),
        Ok(valid) if now > valid.until => Some(format!("expired on {}", valid.until_date)),
        Ok(valid) if now < valid.from => Some(format!("is not valid before {}", valid.from_date)),
        Ok(_) => None,
    };
    if let Some(problem) = problem {
        let help = "write a certificate that is valid now, in PEM, the server's first";
        return Some((at(chain), format!("holds a certificate in `{chain}` that {problem}"), help));
    }
    let is_key = der::is_private_key(&spec.get(key)?);
    (!is_key).then(|| {
        let what = format!("holds no private key in `{key}`");
        (at(key), what, "write the key in PEM, such as -----BEGIN PRIVATE KEY-----")
    })
}
