//! The graph as text for people: Graphviz and Mermaid.

use std::fmt::Write;

use super::Plan;

impl Plan {
    /// Graphviz.
    pub fn to_dot(&self) -> String {
        let mut text = format!(
            "digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n",
            escape(&self.name)
        );
        for (_, node) in self.nodes() {
            let _ = writeln!(
                text,
                "  \"{}\" [label=\"{}\\n{}\"];",
                escape(&node.name),
                escape(&node.name),
                node.kind_name()
            );
        }
        for (number, output) in self.outputs.iter().enumerate() {
            let _ = writeln!(
                text,
                "  \"output {number}\" [label=\"{}\", shape=note];",
                escape(output.path.shown())
            );
        }
        for (from, to, key) in self.edges() {
            let (from, to) = (&self.node(from).name, &self.node(to).name);
            let _ = writeln!(
                text,
                "  \"{}\" -> \"{}\" [label=\"{key}\"];",
                escape(from),
                escape(to)
            );
        }
        for (number, output) in self.outputs.iter().enumerate() {
            let from = &self.node(output.from).name;
            let _ = writeln!(
                text,
                "  \"{}\" -> \"output {number}\" [label=\"{}\"];",
                escape(from),
                output.format.name()
            );
        }
        text + "}\n"
    }

    /// Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (id, node) in self.nodes() {
            let _ = writeln!(
                text,
                "  n{}[\"{}<br/><i>{}</i>\"]",
                id.index(),
                quote(&node.name),
                node.kind_name()
            );
        }
        for (number, output) in self.outputs.iter().enumerate() {
            let _ = writeln!(text, "  o{number}[/\"{}\"/]", quote(output.path.shown()));
        }
        for (from, to, key) in self.edges() {
            let _ = writeln!(text, "  n{} -- {key} --> n{}", from.index(), to.index());
        }
        for (number, output) in self.outputs.iter().enumerate() {
            let _ = writeln!(
                text,
                "  n{} -- {} --> o{number}",
                output.from.index(),
                output.format.name()
            );
        }
        text
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn quote(text: &str) -> String {
    text.replace('"', "#quot;")
}
