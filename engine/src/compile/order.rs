//! Puts nodes after what they read and shows a cycle as a path.

use std::collections::HashMap;

use super::nodes::{Draft, Drafts};
use crate::diagnostics::{Problem, Problems};

/// Nodes of a circle that are shown.
const MOST_SHOWN: usize = 20;

/// The nodes in an order in which inputs come first; those in a cycle or behind one are left out.
pub(super) fn order(drafts: &Drafts, problems: &mut Problems) -> Vec<usize> {
    let nodes = &drafts.good;
    let by_name: HashMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .map(|(i, d)| (d.name.value.as_str(), i))
        .collect();
    let reads: Vec<Vec<(usize, usize)>> = nodes
        .iter()
        .map(|draft| {
            let inputs = draft.contract.inputs.iter().enumerate();
            inputs
                .filter_map(|(i, _)| Some((*by_name.get(draft.target(i))?, i)))
                .collect()
        })
        .collect();
    let mut waiting: Vec<usize> = reads.iter().map(Vec::len).collect();
    let mut readers = vec![Vec::new(); nodes.len()];
    for (node, inputs) in reads.iter().enumerate() {
        for &(from, _) in inputs {
            readers[from].push(node);
        }
    }
    // A heap of positions keeps the order of the file among nodes that could go either way.
    let mut ready: std::collections::BinaryHeap<std::cmp::Reverse<usize>> = (0..nodes.len())
        .filter(|&n| waiting[n] == 0)
        .map(std::cmp::Reverse)
        .collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(std::cmp::Reverse(node)) = ready.pop() {
        order.push(node);
        for &reader in &readers[node] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(std::cmp::Reverse(reader));
            }
        }
    }
    if order.len() < nodes.len() {
        cycles(nodes, &reads, &waiting, problems);
    }
    order
}

/// Every node that is left waits for another one that is left, so walking back ends in a circle.
fn cycles(
    nodes: &[Draft],
    reads: &[Vec<(usize, usize)>],
    waiting: &[usize],
    problems: &mut Problems,
) {
    let mut seen = vec![false; nodes.len()];
    for first in (0..nodes.len()).filter(|&n| waiting[n] > 0) {
        let mut path: Vec<(usize, usize)> = Vec::new();
        let mut at = first;
        while !seen[at] {
            seen[at] = true;
            let Some(&(from, input)) = reads[at].iter().find(|(from, _)| waiting[*from] > 0) else {
                break;
            };
            path.push((at, input));
            at = from;
        }
        // Where the walk meets an earlier walk, its circle has been reported.
        if let Some(start) = path.iter().position(|&(node, _)| node == at) {
            problems.push(cycle(nodes, &path[start..]));
        }
    }
}

fn cycle(nodes: &[Draft], circle: &[(usize, usize)]) -> Problem {
    // As the data flows, from the node that stands first in the file.
    let mut flow: Vec<(usize, usize)> = circle.iter().rev().copied().collect();
    let first = (0..flow.len()).min_by_key(|&i| flow[i].0).unwrap_or(0);
    flow.rotate_left(first);
    let mut names: Vec<&str> = flow
        .iter()
        .take(MOST_SHOWN)
        .map(|&(n, _)| nodes[n].name.value.as_str())
        .collect();
    let more = flow.len() - names.len();
    let left_out = format!("({more} more)");
    names.extend((more > 0).then_some(left_out.as_str()));
    names.extend(names.first().copied());
    let mut problem = Problem::error(
        "compile::cycle",
        format!("the nodes make a circle: {}", names.join(" → ")),
    )
    .help("a node cannot be made from what is made from it; take one of these references out");
    for (node, input) in flow.into_iter().take(MOST_SHOWN) {
        let need = &nodes[node].contract.inputs[input];
        problem = problem.at(
            &need.place,
            format!("`{}` reads this", nodes[node].name.value),
        );
    }
    problem
}
