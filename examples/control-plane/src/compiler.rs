//! One Snapshot per connected node, compiled anew whenever the World changes.
//!
//! Nodes that introduce themselves alike share one compilation. It ends when the last of them has gone.

use crate::Findings;
use mesh_core::compile::compile;
use mesh_core::model::Snapshot;
use mesh_core::node::Node;
use mesh_core::watch::{self, Watch};
use mesh_core::world::World;
use mesh_xds::server::{Refused, Snapshots};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// Compiles the newest World for every node that asks; clones are one compiler.
#[derive(Clone, Debug)]
pub struct Compiler {
    world: Watch<World>,
    findings: Findings,
    nodes: Arc<Mutex<HashMap<Node, Weak<watch::Sender<Snapshot>>>>>,
}

impl Compiler {
    /// Compiles what a source writes; what there is to say goes to `findings`.
    pub fn new(world: Watch<World>, findings: Findings) -> Self {
        Self { world, findings, nodes: Arc::default() }
    }

    /// The newest World; an empty one before the first was read.
    pub fn world(&self) -> Arc<World> {
        self.world.current().unwrap_or_default()
    }

    /// The nodes that are served, with the Snapshot that each has now.
    pub fn snapshots(&self) -> Vec<(Node, Option<Arc<Snapshot>>)> {
        let nodes = self.nodes.lock();
        let mut all: Vec<_> = nodes
            .iter()
            .filter_map(|(node, sender)| Some((node.clone(), sender.upgrade()?.subscribe().current())))
            .collect();
        all.sort_by_key(|(node, _)| node.id());
        all
    }
}

impl Snapshots for Compiler {
    fn subscribe(&self, node: &Node) -> Result<Watch<Snapshot>, Refused> {
        let mut nodes = self.nodes.lock();
        if let Some(sender) = nodes.get(node).and_then(Weak::upgrade) {
            return Ok(sender.subscribe());
        }
        let (sender, watch) = watch::channel();
        let sender = Arc::new(sender);
        nodes.insert(node.clone(), Arc::downgrade(&sender));
        drop(nodes);
        let work = Work { node: node.clone(), findings: self.findings.clone(), nodes: self.nodes.clone() };
        tokio::spawn(work.run(self.world.clone(), sender));
        Ok(watch)
    }
}

/// The compilation for one node.
struct Work {
    node: Node,
    findings: Findings,
    nodes: Arc<Mutex<HashMap<Node, Weak<watch::Sender<Snapshot>>>>>,
}

impl Work {
    async fn run(self, mut world: Watch<World>, sender: Arc<watch::Sender<Snapshot>>) {
        let mut next = world.ready().await;
        while let Ok(current) = next {
            let compiled = compile(&current, &self.node);
            self.findings.of_node(&self.node, compiled.findings);
            sender.send(Arc::new(compiled.snapshot));
            next = tokio::select! {
                changed = world.changed() => changed,
                () = sender.closed() => {
                    if self.forget_if_unused(&sender) { return; }
                    world.ready().await
                }
            };
        }
    }

    /// Under the lock that `subscribe` takes, so that nobody can subscribe to what is being forgotten.
    fn forget_if_unused(&self, sender: &Arc<watch::Sender<Snapshot>>) -> bool {
        let mut nodes = self.nodes.lock();
        if sender.has_readers() {
            return false;
        }
        nodes.remove(&self.node);
        self.findings.forget_node(&self.node);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::node::NodeKind;

    fn node(name: &str) -> Node {
        Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), name, "default")
    }

    #[tokio::test]
    async fn nodes_that_are_alike_share_a_compilation_which_ends_with_the_last_of_them() {
        let (worlds, world) = watch::channel();
        worlds.send(Arc::new(World::empty()));
        let compiler = Compiler::new(world, Findings::new(false));

        let mut first = compiler.subscribe(&node("a")).expect("a watch");
        let mut second = compiler.subscribe(&node("a")).expect("a watch");
        let mut other = compiler.subscribe(&node("b")).expect("a watch");
        let snapshot = first.ready().await.expect("a snapshot");
        assert!(Arc::ptr_eq(&snapshot, &second.ready().await.expect("a snapshot")));
        assert!(!Arc::ptr_eq(&snapshot, &other.ready().await.expect("a snapshot")));
        assert_eq!(compiler.snapshots().len(), 2);

        worlds.send(Arc::new(World::builder().build("1")));
        assert_eq!(second.changed().await.expect("a snapshot").version, "1");

        drop((first, second));
        while compiler.snapshots().len() > 1 {
            tokio::task::yield_now().await;
        }
        let mut again = compiler.subscribe(&node("a")).expect("a watch");
        assert_eq!(again.ready().await.expect("a snapshot").version, "1");
    }
}
