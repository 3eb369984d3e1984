//! Phase 3: the sealed graph. Whoever holds a [`Plan`] holds something that compiled.
//!
//! petgraph appears only here.

mod dot;
mod node;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

pub use node::{NodeId, OnError, PlanInput, PlanNode, PlanOutput, PortColumns};

use crate::diagnostics::Source;
use crate::node::{same_label, split_variant};

type Graph = petgraph::graph::DiGraph<PlanNode, &'static str>;

/// The pipeline as it will run.
pub struct Plan {
    pub source: Arc<Source>,
    pub name: String,
    pub params: serde_json::Value,
    pub outputs: Vec<PlanOutput>,
    graph: Graph,
    order: Vec<NodeId>,
    of_name: HashMap<String, NodeId>,
}

/// A plan that is being put together.
pub(crate) struct PlanBuilder {
    graph: Graph,
}

impl PlanBuilder {
    pub(crate) fn new() -> Self {
        Self {
            graph: Graph::new(),
        }
    }

    /// Nodes come after the nodes that they read; their inputs name those by the ids given here.
    pub(crate) fn add(&mut self, node: PlanNode) -> NodeId {
        let edges: Vec<_> = node.inputs.iter().map(|i| (i.from, i.need.key)).collect();
        let id = self.graph.add_node(node);
        for (from, key) in edges {
            self.graph.add_edge(from.0, id, key);
        }
        NodeId(id)
    }

    pub(crate) fn node(&self, id: NodeId) -> &PlanNode {
        &self.graph[id.0]
    }

    pub(crate) fn count(&self) -> usize {
        self.graph.node_count()
    }

    /// In the order in which they were added.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeId, &PlanNode)> {
        self.graph
            .node_indices()
            .map(|index| (NodeId(index), &self.graph[index]))
    }

    pub(crate) fn seal(
        self,
        source: Arc<Source>,
        name: String,
        params: serde_json::Value,
        outputs: Vec<PlanOutput>,
    ) -> Plan {
        // Inputs exist before their readers do, so the order of insertion is a topological one.
        let order: Vec<NodeId> = self.graph.node_indices().map(NodeId).collect();
        let of_name = order
            .iter()
            .map(|&id| (self.graph[id.0].name.clone(), id))
            .collect();
        Plan {
            source,
            name,
            params,
            outputs,
            graph: self.graph,
            order,
            of_name,
        }
    }
}

impl Plan {
    /// All nodes, each after those that it reads.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &PlanNode)> {
        self.order.iter().map(|&id| (id, &self.graph[id.0]))
    }

    pub fn node(&self, id: NodeId) -> &PlanNode {
        &self.graph[id.0]
    }

    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.of_name.get(name).copied()
    }

    /// The nodes that a name means: the node of that name, or the variants of a swept node that fit what is
    /// said of them, in any order (`selected`, `selected[gamma=0.5]`).
    pub fn matching(&self, name: &str) -> Vec<NodeId> {
        if let Some(id) = self.find(name) {
            return vec![id];
        }
        let (wanted, choices) = split_variant(name);
        let fits = |node: &PlanNode| {
            let (base, of_node) = split_variant(&node.name);
            let has = |(axis, label): &(&str, &str)| {
                of_node
                    .iter()
                    .any(|(a, l)| a == axis && same_label(l, label))
            };
            base == wanted && choices.iter().all(has)
        };
        let all = self.nodes().filter(|(_, node)| fits(node));
        all.map(|(id, _)| id).collect()
    }

    /// `targets` and everything that they are made from.
    pub fn ancestors(&self, targets: impl IntoIterator<Item = NodeId>) -> HashSet<NodeId> {
        let mut open: Vec<NodeIndex> = targets.into_iter().map(|id| id.0).collect();
        let mut seen = HashSet::new();
        while let Some(index) = open.pop() {
            if seen.insert(NodeId(index)) {
                open.extend(self.graph.neighbors_directed(index, Direction::Incoming));
            }
        }
        seen
    }

    /// What the outputs need.
    pub fn needed_by_outputs(&self) -> HashSet<NodeId> {
        self.ancestors(self.outputs.iter().map(|o| o.from))
    }

    /// (from, to, key of the configuration), in the order of the nodes.
    pub fn edges(&self) -> Vec<(NodeId, NodeId, &'static str)> {
        let mut edges: Vec<_> = self
            .graph
            .edge_references()
            .map(|e| (NodeId(e.source()), NodeId(e.target()), *e.weight()))
            .collect();
        edges.sort();
        edges
    }
}
