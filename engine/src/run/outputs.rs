//! Writes the outputs, each under a temporary name, and only where something changed.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::{Folder, files_of};
use super::output_images::OutputImages;
use super::provenance::provenance;
use super::{NodeTables, RunError, write_folder};
use crate::cache::{Cache, CacheError, Manifest, publish};
use crate::node::{
    CARD, CARD_MARK, Companion, CompanionPlace, Content, Format, OutputContext, OutputFormat,
};
use crate::plan::{NodeId, Plan, PlanNode, PlanOutput};
use crate::table::{Digest, Digester, Table};

/// What a run has made, for its outputs.
pub(super) struct Made<'a> {
    pub plan: &'a Plan,
    pub cache: &'a Cache,
    pub manifests: HashMap<NodeId, &'a Manifest>,
    /// Rows that each node gave.
    pub rows: HashMap<NodeId, usize>,
    /// Outputs are made to be looked at, and their images and cards are left out.
    pub bare: bool,
}

/// What an output was written from.
#[derive(Serialize, Deserialize, PartialEq)]
struct Written {
    content: Digest,
    files: BTreeMap<PathBuf, Digest>,
}

impl Made<'_> {
    /// Writes an output and what stands beside it. False: all of it is there already.
    pub(super) fn write(
        &self,
        output: &PlanOutput,
        path: &Path,
        tables: &NodeTables,
    ) -> Result<bool, RunError> {
        match output.format {
            OutputFormat::File(format) => self.write_table(output, format, path, tables),
            OutputFormat::Folder => write_folder(&tables.ports[output.port], path, self.cache),
        }
    }

    fn write_table(
        &self,
        output: &PlanOutput,
        format: &dyn Format,
        path: &Path,
        tables: &NodeTables,
    ) -> Result<bool, RunError> {
        let (plan, cache) = (self.plan, self.cache);
        let path = whole(path);
        let table = &tables.ports[output.port];
        let provenance = provenance(plan, output, &self.manifests);
        let written = match &output.columns {
            Some(names) => &table.select(&names.iter().map(String::as_str).collect::<Vec<_>>())?,
            None => table,
        };
        let images = OutputImages::of(output, format, table, &path, cache)?;
        let card = output.card_file(&path).filter(|_| !self.bare);
        let mut content = Digester::new("trommel.output.2");
        content.push("format", format.name().as_bytes());
        content.push("provenance", provenance.to_string().as_bytes());
        if card.is_some() {
            content.push("card", plan.params.to_string().as_bytes());
        }
        images.push_to(&mut content);
        push_rows(written, table, &mut content);
        let content = content.finish();
        let note = format!("content of {}", path.display());
        if is_written(&note, content, cache) {
            return Ok(false);
        }
        refuse_foreign_card(card.as_deref())?;
        let target = Target::at(&path, format, cache)?;
        let mut files = BTreeMap::new();
        let node = plan.node(output.from);
        let ports = other_tables(node, output.port, tables);
        let pipeline = whole(Path::new(plan.source.name()));
        let counts = self.counts(output);
        let companions = |file_digest| {
            format.companions(&OutputContext {
                path: &path,
                table,
                format: format.name(),
                kind: node.kind_name(),
                file_digest,
                card: card.is_some(),
                image_folder: images.folder_name(),
                ports: &ports,
                provenance: &provenance,
                counts: &counts,
                pipeline: &pipeline,
                params: &plan.params,
            })
        };
        let rows = Content {
            table: written,
            output: &path,
            images: images.names(),
            image_folder: images.folder_name(),
        };
        let mut beside = Vec::new();
        match target {
            Target::File => {
                let digest = write_file(&path, |temporary| {
                    format.write(&rows, temporary)?;
                    // Once the rows are written, so that a fault of theirs leaves the images as they were, and before
                    // they have their name, so that they name no image that is not there.
                    if !self.bare {
                        images.write(cache, &mut files)?;
                    }
                    Ok(())
                })?;
                files.insert(path.clone(), digest);
                beside = companions(digest)?;
            }
            Target::Folder(folder) => {
                let names = folder.replace(|new| {
                    format.write(&rows, new)?;
                    for companion in companions(output_digest(new, cache)?)? {
                        if let CompanionPlace::Card = companion.place {
                            put(&new.join(CARD), &companion)?;
                        } else {
                            beside.push(companion);
                        }
                    }
                    Ok(())
                })?;
                for name in names {
                    let file = path.join(name);
                    let digest = cache.files.digest(&file)?;
                    files.insert(file, digest);
                }
            }
        }
        for companion in beside {
            let place = match (&companion.place, &card) {
                (CompanionPlace::Card, Some(card)) => card.clone(),
                (CompanionPlace::Card, None) => continue,
                (CompanionPlace::Named(ending), _) => with_ending(&path, ending),
            };
            let digest = write_file(&place, |temporary| put(temporary, &companion))?;
            files.insert(place, digest);
        }
        cache.put_note("outputs", &note, &Written { content, files })?;
        Ok(true)
    }

    /// The rows of the node of an output and of all above it, by name.
    fn counts(&self, output: &PlanOutput) -> BTreeMap<String, usize> {
        let above = self.plan.ancestors([output.from]);
        let nodes = self.plan.nodes().filter(|(id, _)| above.contains(id));
        nodes
            .filter_map(|(id, node)| Some((node.name.clone(), *self.rows.get(&id)?)))
            .collect()
    }
}

/// The columns that are written, and all that the node gave: what stands beside an output tells of others too.
fn push_rows(written: &Table, table: &Table, content: &mut Digester) {
    for field in written.fields() {
        content.push("written", field.name().as_bytes());
    }
    for field in table.fields() {
        if let Some(digest) = table.column_digest(field.name()) {
            content.push(field.name(), digest.as_bytes());
        }
    }
}

/// Whether an output of this content was written, and all of it is as it was.
fn is_written(note: &str, content: Digest, cache: &Cache) -> bool {
    let Some(written) = cache.note::<Written>("outputs", note) else {
        return false;
    };
    let mut files = written.files.iter();
    written.content == content
        && files.all(|(file, digest)| cache.files.digest(file).ok() == Some(*digest))
}

/// The ports of a node that are tables, but for one.
fn other_tables<'a>(
    node: &PlanNode,
    but: usize,
    tables: &'a NodeTables,
) -> Vec<(&'static str, &'a Table)> {
    let names = node.contract.ports.iter().map(|port| port.name);
    names
        .zip(&tables.ports)
        .enumerate()
        .filter(|(place, _)| *place != but && !node.contract.ports[*place].files)
        .map(|(_, port)| port)
        .collect()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Where the rows go.
enum Target<'a> {
    File,
    Folder(Folder<'a>),
}

impl<'a> Target<'a> {
    /// Refuses what would be lost.
    fn at(path: &Path, format: &dyn Format, cache: &'a Cache) -> Result<Self, RunError> {
        if format.is_folder() {
            let folder = Folder::at(path, cache)?;
            folder.refuse_foreign()?;
            return Ok(Self::Folder(folder));
        }
        if path.is_dir() {
            return Err(RunError::new(format!(
                "cannot write {}: it is a folder",
                path.display()
            )));
        }
        Ok(Self::File)
    }
}

/// The digest of an output: of a folder, that of its files without the card.
pub fn output_digest(path: &Path, cache: &Cache) -> Result<Digest, RunError> {
    if !path.is_dir() {
        return Ok(cache.files.digest(path)?);
    }
    let mut digester = Digester::new("trommel.folder.1");
    let names = files_of(path)
        .map_err(|e| RunError::new(format!("cannot read {}: {e}", path.display())))?;
    for name in names.iter().filter(|name| *name != CARD) {
        let digest = cache.files.digest(&path.join(name))?;
        digester.push(name, digest.as_bytes());
    }
    Ok(digester.finish())
}

/// Without `.` and a `/` at the end, from the root.
fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.components().collect()
}

fn refuse_foreign_card(card: Option<&Path>) -> Result<(), RunError> {
    let Some(card) = card else {
        return Ok(());
    };
    let there = match fs::read(card) {
        Ok(there) => there,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            return Err(RunError::new(format!(
                "cannot read {}: {e}",
                card.display()
            )));
        }
    };
    if String::from_utf8_lossy(&there).contains(CARD_MARK) {
        return Ok(());
    }
    Err(RunError {
        help: Some("move it away, write the output to another folder, or leave `card` out".into()),
        ..RunError::new(format!(
            "{} was not written by a run, and is not written over",
            card.display()
        ))
    })
}

fn put(path: &Path, companion: &Companion) -> Result<(), RunError> {
    fs::write(path, &companion.bytes)
        .map_err(|e| RunError::new(format!("cannot write {}: {e}", path.display())))
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
