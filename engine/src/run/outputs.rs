//! Writes the output files, each through a temporary file, and only where something changed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{NodeTables, RunError, write_folder};
use crate::cache::{Cache, CacheError, Manifest, publish};
use crate::node::{FileUse, Format, OutputContext, OutputFormat};
use crate::plan::{NodeId, Plan, PlanNode, PlanOutput};
use crate::table::{Digest, Digester, KEY, Table};

/// What an output file was written from.
#[derive(Serialize, Deserialize, PartialEq)]
struct Written {
    content: Digest,
    files: BTreeMap<PathBuf, Digest>,
}

/// Writes an output and what stands beside it. False: all of it is there already.
pub(super) fn write(
    plan: &Plan,
    output: &PlanOutput,
    path: &Path,
    tables: &NodeTables,
    manifests: &HashMap<NodeId, &Manifest>,
    cache: &Cache,
) -> Result<bool, RunError> {
    match output.format {
        OutputFormat::File(format) => {
            write_table(plan, output, path, format, tables, manifests, cache)
        }
        OutputFormat::Folder => write_folder(&tables.ports[output.port], path, cache),
    }
}

fn write_table(
    plan: &Plan,
    output: &PlanOutput,
    path: &Path,
    format: &dyn Format,
    tables: &NodeTables,
    manifests: &HashMap<NodeId, &Manifest>,
    cache: &Cache,
) -> Result<bool, RunError> {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let path = whole(path);
    let table = &tables.ports[output.port];
    let provenance = provenance(plan, output, manifests);
    let mut content = Digester::new("trommel.output.1");
    content.push("format", format.name().as_bytes());
    content.push("provenance", provenance.to_string().as_bytes());
    for field in table.fields() {
        if let Some(digest) = table.column_digest(field.name()) {
            content.push(field.name(), digest.as_bytes());
        }
    }
    let content = content.finish();
    let note = path.display().to_string();
    if let Some(written) = cache.note::<Written>("outputs", &note)
        && written.content == content
        && written
            .files
            .iter()
            .all(|(file, digest)| cache.files.digest(file).ok() == Some(*digest))
    {
        return Ok(false);
    }
    if path.is_dir() {
        return Err(RunError::new(format!(
            "cannot write {}: it is a folder",
            path.display()
        )));
    }
    let file_digest = write_file(&path, |temporary| Ok(format.write(table, temporary)?))?;
    let node = plan.node(output.from);
    let names = node.contract.ports.iter().map(|port| port.name);
    let ports: Vec<(&str, &Table)> = names
        .zip(&tables.ports)
        .enumerate()
        .filter(|(place, _)| *place != output.port && !node.contract.ports[*place].files)
        .map(|(_, port)| port)
        .collect();
    let pipeline = whole(Path::new(plan.source.name()));
    let context = OutputContext {
        path: &path,
        table,
        kind: node.kind_name(),
        file_digest,
        ports: &ports,
        provenance: &provenance,
        pipeline: &pipeline,
        params: &plan.params,
    };
    let mut files = BTreeMap::from([(path.clone(), file_digest)]);
    for (ending, bytes) in format.companions(&context)? {
        let mut name = path.clone().into_os_string();
        name.push(ending);
        let companion = PathBuf::from(name);
        let digest = write_file(&companion, |temporary| {
            std::fs::write(temporary, &bytes)
                .map_err(|e| RunError::new(format!("{}: {e}", temporary.display())))
        })?;
        files.insert(companion, digest);
    }
    cache.put_note("outputs", &note, &Written { content, files })?;
    Ok(true)
}

struct OutputError(RunError);

impl From<CacheError> for OutputError {
    fn from(error: CacheError) -> Self {
        Self(error.into())
    }
}

/// Writes beside `path` and renames into place.
fn write_file(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), RunError>,
) -> Result<Digest, RunError> {
    let mut digest = None;
    publish::<OutputError>(path, |file| {
        // The format opens the file by name; the name is that of the open descriptor.
        use std::os::fd::AsRawFd;
        let name = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        write(&name).map_err(OutputError)?;
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_mmap(&name)
            .map_err(|e| OutputError(RunError::new(format!("{}: {e}", path.display()))))?;
        digest = Some(Digest::from_bytes(*hasher.finalize().as_bytes()));
        Ok(())
    })
    .map_err(|e| e.0)?;
    digest.ok_or_else(|| RunError::new(format!("{} was not written", path.display())))
}

/// The node of the output and all nodes above it, as they went into their keys, without what depends
/// on where things stand on this machine: equal data, weights and settings give an equal account.
fn provenance(plan: &Plan, output: &PlanOutput, manifests: &HashMap<NodeId, &Manifest>) -> Json {
    let above = plan.ancestors([output.from]);
    let nodes: serde_json::Map<String, Json> = plan
        .nodes()
        .filter(|(id, _)| above.contains(id))
        .filter_map(|(id, node)| Some((node.name.clone(), account(node, manifests.get(&id)?))))
        .collect();
    json!({ "pipeline": plan.name, "node": plan.node(output.from).name, "nodes": nodes })
}

fn account(node: &PlanNode, manifest: &Manifest) -> Json {
    let is_folder = |key: &str| {
        let mut needs = node.contract.files.iter();
        needs.any(|need| {
            need.key == key && matches!(need.usage, FileUse::Folder(_) | FileUse::FolderOf(_))
        })
    };
    let files: serde_json::Map<String, Json> = manifest
        .files
        .iter()
        .filter(|(key, _)| !is_folder(key))
        .map(|(key, members)| (key.clone(), json!(members)))
        .collect();
    // Of rows that are passed on, the keys say what they are; `image` holds places.
    let passed: Vec<&str> = node
        .inputs
        .iter()
        .filter(|i| i.need.passes)
        .map(|i| i.need.key)
        .collect();
    let inputs: serde_json::Map<String, Json> = manifest
        .inputs
        .iter()
        .map(|(key, members)| {
            let told = members
                .iter()
                .filter(|(name, _)| !passed.contains(&key.as_str()) || *name == KEY)
                .map(|(name, digest)| (name.clone(), json!(digest)))
                .collect::<serde_json::Map<_, _>>();
            (key.clone(), told.into())
        })
        .collect();
    json!({
        "kind": manifest.kind,
        "version": manifest.version,
        "config": manifest.config,
        "files": files,
        "inputs": inputs,
    })
}
