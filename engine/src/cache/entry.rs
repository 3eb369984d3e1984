//! What is stored under a key, and the manifest: the named parts that went into the key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::datatypes::FieldRef;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::table::{Digest, Digester};

/// Raised when the meaning of stored entries changes: 1 is the first.
const FORMAT: u32 = 1;

/// The named parts of a key, in order of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    pub kind: String,
    pub version: u32,
    /// The configuration that counts, with its defaults.
    pub config: Json,
    /// Files by configuration key: their content digests.
    pub files: BTreeMap<String, BTreeMap<String, Digest>>,
    /// Columns read, by input: their content digests.
    pub inputs: BTreeMap<String, BTreeMap<String, Digest>>,
}

impl Manifest {
    pub fn new(kind: &str, version: u32, config: Json) -> Self {
        Self {
            format: FORMAT,
            kind: kind.to_owned(),
            version,
            config,
            files: BTreeMap::new(),
            inputs: BTreeMap::new(),
        }
    }

    /// What computes: kind, version, configuration and model files, without the inputs.
    pub fn identity(&self) -> Digest {
        let mut digester = Digester::new("trommel.identity.1");
        digester.push("format", &self.format.to_le_bytes());
        digester.push("kind", self.kind.as_bytes());
        digester.push("version", &self.version.to_le_bytes());
        digester.push("config", canonical(&self.config).as_bytes());
        push_digests(&mut digester, "files", &self.files);
        digester.finish()
    }

    /// The key of the node's whole result.
    pub fn key(&self) -> Digest {
        let mut digester = Digester::new("trommel.table.1");
        digester.push("identity", self.identity().as_bytes());
        push_digests(&mut digester, "inputs", &self.inputs);
        digester.finish()
    }

    /// The key of one chunk of a row-wise node, from the digests of the columns and files it reads.
    pub fn chunk_key(&self, columns: &[(&str, Digest)]) -> Digest {
        let mut digester = Digester::new("trommel.chunk.1");
        digester.push("identity", self.identity().as_bytes());
        for (name, digest) in columns {
            digester.push(name, digest.as_bytes());
        }
        digester.finish()
    }
}

fn push_digests(
    digester: &mut Digester,
    group: &str,
    digests: &BTreeMap<String, BTreeMap<String, Digest>>,
) {
    for (name, members) in digests {
        digester.push(group, name.as_bytes());
        digester.push("members", &(members.len() as u64).to_le_bytes());
        for (member, digest) in members {
            digester.push(member, digest.as_bytes());
        }
    }
}

/// JSON with sorted keys, so that the order in which a struct lists its fields does not count.
fn canonical(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let sorted: BTreeMap<&String, String> =
                map.iter().map(|(k, v)| (k, canonical(v))).collect();
            let members: Vec<String> = sorted
                .iter()
                .map(|(k, v)| format!("{}:{v}", Json::String((*k).clone())))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Json::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(canonical).collect::<Vec<_>>().join(",")
            )
        }
        other => other.to_string(),
    }
}

/// The parts in which two manifests differ, in words.
pub fn difference(old: &Manifest, new: &Manifest) -> Vec<String> {
    let mut changes = Vec::new();
    if old.kind != new.kind {
        changes.push(format!("kind {} → {}", old.kind, new.kind));
    } else if old.version != new.version {
        changes.push(format!(
            "version of {} {} → {}",
            new.kind, old.version, new.version
        ));
    }
    if let (Some(before), Some(after)) = (old.config.as_object(), new.config.as_object()) {
        let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let (a, b) = (before.get(key), after.get(key));
            if a != b {
                let show =
                    |v: Option<&Json>| v.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                changes.push(format!("{key} {} → {}", show(a), show(b)));
            }
        }
    }
    differing_members("file of ", &old.files, &new.files, &mut changes);
    differing_members("", &old.inputs, &new.inputs, &mut changes);
    changes
}

/// Parts of a column's or file's content that say nothing to a reader beyond its own name.
const PLAIN: [&str; 5] = ["column", "content", "key", "path", "unique_idx"];

fn differing_members(
    what: &str,
    before: &BTreeMap<String, BTreeMap<String, Digest>>,
    after: &BTreeMap<String, BTreeMap<String, Digest>>,
    changes: &mut Vec<String>,
) {
    let empty = BTreeMap::new();
    let added = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(added) {
        let (a, b) = (before.get(key), after.get(key));
        let verb = match (a, b) {
            (Some(_), None) => "is gone",
            (None, Some(_)) => "is new",
            _ if a == b => continue,
            _ => "changed",
        };
        let (a, b) = (a.unwrap_or(&empty), b.unwrap_or(&empty));
        let members: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let differing = members.into_iter().filter(|m| a.get(*m) != b.get(*m));
        let named: Vec<&str> = differing
            .map(String::as_str)
            .filter(|m| !PLAIN.contains(m))
            .collect();
        let named = if named.is_empty() || verb != "changed" {
            String::new()
        } else {
            format!(" ({})", named.join(", "))
        };
        changes.push(format!("{what}{} {verb}{named}", label(key)));
    }
}

/// `features[1] clip.clip` is `features clip.clip` to a reader.
fn label(key: &str) -> String {
    match key.split_once('[') {
        None => key.to_owned(),
        Some((name, rest)) => match rest.split_once("] ") {
            None => name.to_owned(),
            Some((_, reference)) => format!("{name} {reference}"),
        },
    }
}

/// The result of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableEntry {
    pub manifest: Manifest,
    pub ports: Vec<PortEntry>,
    /// Files whose being there the result depends on are listed beside the entry.
    pub existence: bool,
    /// Rows that failed and were left null. Such a result is there to be looked at; the next run tries them again.
    #[serde(default)]
    pub quarantined: Option<PortEntry>,
    pub seconds: f64,
}

impl TableEntry {
    /// All that it consists of.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let ports = self.ports.iter().chain(&self.quarantined);
        ports.flat_map(|port| &port.pieces)
    }
}

/// The own columns of a port; `key` and `unique_idx` of an input's rows are put to them on loading.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PortEntry {
    pub name: String,
    pub fields: Vec<FieldRef>,
    pub pieces: Vec<Piece>,
}

/// One chunk: an object and the digests of its columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Piece {
    pub rows: usize,
    pub object: Digest,
    pub columns: Vec<Digest>,
}

/// The result of a row-wise node for one chunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChunkEntry {
    pub fields: Vec<FieldRef>,
    pub piece: Piece,
}

/// Whether files were there when a node ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Existence(pub Vec<(PathBuf, bool)>);

impl Existence {
    pub fn still_holds(&self) -> bool {
        self.0
            .iter()
            .all(|(path, existed)| path.exists() == *existed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_of_keys_does_not_count_and_values_do() {
        let a = Manifest::new("k", 1, json!({"x": 1, "y": [1, 2]}));
        let b = Manifest::new("k", 1, json!({"y": [1, 2], "x": 1}));
        let c = Manifest::new("k", 1, json!({"y": [1, 2], "x": "1"}));
        assert_eq!(a.key(), b.key());
        assert_ne!(a.key(), c.key());
        assert_eq!(difference(&a, &c), ["x 1 → \"1\""]);
    }

    #[test]
    fn input_names_and_members_do_not_run_together() {
        let d = Digest::of_bytes(b"");
        let of = |input: &str, column: &str| {
            let mut m = Manifest::new("k", 1, json!({}));
            m.inputs
                .entry(input.into())
                .or_default()
                .insert(column.into(), d);
            m.key()
        };
        assert_ne!(of("a", "bc"), of("ab", "c"));
    }
}
