//! What is long: a list in one resource, or many resources that meet in one place.

mod hosts;
mod kubernetes;
mod policies;
mod routes;

use std::fmt::Write as _;

/// A kind of length.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The shorter of two lengths.
    pub(crate) length: usize,
    /// Writes it at a length.
    pub(crate) write: fn(usize) -> String,
}

const fn shape(name: &'static str, length: usize, write: fn(usize) -> String) -> Shape {
    Shape { name, length, write }
}

/// Every shape.
pub(crate) fn all() -> impl Iterator<Item = &'static Shape> {
    [hosts::ALL, routes::ALL, policies::ALL, kubernetes::ALL].into_iter().flatten()
}

const ENTRY: &str = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: the, namespace: d}\nspec:\n  hosts:\n";
const ROUTES: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: the, namespace: d}\nspec:\n  hosts: [a]\n  http:\n";

/// The head of the only resource of a kind.
fn one(version: &str, kind: &str) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: the, namespace: d}}\n")
}

/// The head of one among many of a kind.
fn named(version: &str, kind: &str, i: usize) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: n{i}, namespace: d}}\n")
}

/// A list of items of one line each, and what follows it.
fn list(head: &str, n: usize, item: impl Fn(usize) -> String, tail: &str) -> String {
    let last = head.trim_end_matches('\n').lines().last().unwrap_or_default();
    let text = last.trim_start();
    let mut indent = last.len() - text.len();
    indent += if text.starts_with("- ") && text.ends_with(':') { 2 } else { 0 };
    let mut out = head.to_owned();
    for i in 0..n {
        let _ = writeln!(out, "{:indent$}- {}", "", item(i));
    }
    out + tail
}

fn many(n: usize, resource: impl Fn(usize) -> String) -> String {
    (0..n).map(resource).collect::<Vec<_>>().join("---\n")
}

fn service(name: &str, selector: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: d}}\n\
         spec: {{selector: {{{selector}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n"
    )
}

fn pod(i: usize) -> String {
    pod_of(i, "a")
}

fn pod_of(i: usize, app: &str) -> String {
    let address = address(i);
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: n{i}, namespace: d, labels: {{app: {app}, version: v{i}}}}}\n\
         spec: {{containers: [{{name: istio-proxy}}]}}\nstatus: {{podIP: {address}}}\n"
    )
}

fn address(i: usize) -> String {
    format!("10.{}.{}.{}", i / 65_536, i / 256 % 256, i % 256)
}
