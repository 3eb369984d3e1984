//! The manifest: the named parts that went into a key, kept so that a change can be named.

use std::collections::BTreeMap;

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
