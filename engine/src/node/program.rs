//! Programs of the user's own: the command that a configuration gives, and the files that make the program what it is.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};

use super::glob::Found;
use super::reference::{DataPath, Word};
use crate::diagnostics::{Place, Source};
use crate::worker::Program;

/// Files that one entry may name: more are a data set, not a program.
const MOST_FILES: usize = 10_000;

/// A program and its arguments, as a list. No shell is asked.
#[derive(Clone, Debug)]
pub struct CommandLine {
    words: Vec<String>,
    folder: PathBuf,
    pub place: Place,
}

impl CommandLine {
    /// What to start: it works in the folder of the file that the command is written in.
    pub fn program(&self) -> Result<Arc<Program>, std::io::Error> {
        let folder = std::path::absolute(&self.folder)?;
        let arguments = self.words.get(1..).unwrap_or_default();
        let program = Program::command(self.name(), arguments, folder);
        Ok(Arc::new(program))
    }

    /// The program as it is written; empty where nothing is.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The words that name a file, with that file. A program without a `/` is looked up on `PATH`, and is none of them.
    fn files(&self) -> impl Iterator<Item = Found> {
        let files = self.words.iter().enumerate().filter_map(|(at, word)| {
            let file = self.folder.join(word);
            let named = (at > 0 || word.contains('/')) && file.is_file();
            named.then(|| (word.clone(), file))
        });
        files.collect::<Vec<_>>().into_iter()
    }

    /// Why the program cannot be started, where that can be told by looking.
    fn not_there(&self) -> Option<String> {
        let program = self.name();
        if program.contains('/') {
            let there = self.folder.join(program).exists();
            return (!there).then(|| format!("there is no program {program}"));
        }
        let path = env::var_os("PATH")?;
        let mut folders = env::split_paths(&path);
        let there = folders.any(|folder| folder.join(program).is_file());
        (!there).then(|| format!("there is no program `{program}` on PATH"))
    }
}

/// What makes a program what it is: the files that its command names, and those that are named beside it.
#[derive(Clone, Debug)]
pub struct ProgramFiles {
    command: CommandLine,
    files: Vec<DataPath>,
    /// Something else tells one version of the program from the next.
    versioned: bool,
}

impl ProgramFiles {
    pub(super) fn new(command: &CommandLine, files: &[DataPath], versioned: bool) -> Self {
        Self {
            command: command.clone(),
            files: files.to_vec(),
            versioned,
        }
    }

    pub(crate) fn command(&self) -> &CommandLine {
        &self.command
    }

    /// All files, under the names that the pipeline file has for them; of folders all that is below, but for hidden
    /// files and what Python compiles.
    pub(crate) fn found(&self) -> Result<Vec<Found>, String> {
        let mut found: BTreeMap<String, PathBuf> = self.command.files().collect();
        for path in &self.files {
            for (name, file) in found_under(path)? {
                let name = if file == path.path() {
                    path.shown().to_owned()
                } else {
                    format!("{}: {name}", path.shown())
                };
                found.insert(name, file);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The first file that is named and not there, in words, and where it is named.
    pub(crate) fn missing(&self) -> Option<(String, &Place)> {
        let mut missing = self
            .files
            .iter()
            .filter_map(|path| Some((found_under(path).err()?, &path.place)));
        missing.next()
    }

    /// What is doubtful about it before a run, and what to do. All may be well where the results are cached.
    pub(crate) fn doubt(&self) -> Option<(String, String)> {
        if let Some(reason) = self.command.not_there() {
            let help = "a name is looked up on PATH; a program with a `/` is a path from the pipeline file's folder";
            return Some((reason, help.into()));
        }
        if self.files.is_empty() && !self.versioned && self.command.files().next().is_none() {
            let message = format!(
                "changes of the program `{}` are not seen: the command names no file",
                self.command
            );
            let help = "name what it is made of (`files: [extractor.py, helpers]`), or give `version: TEXT` and change that with it";
            return Some((message, help.into()));
        }
        None
    }
}

fn found_under(path: &DataPath) -> Result<Vec<Found>, String> {
    if !path.path().is_dir() {
        let mut found = path.found()?;
        if found.len() > 1 {
            found.retain(|(_, file)| !is_left_out(file));
        }
        return Ok(found);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.path().to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error| format!("cannot list {}: {error}", path.shown());
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if is_left_out(&entry.path()) {
                continue;
            }
            if entry.path().is_file() {
                files.push(entry.path());
            } else if entry.file_type().is_ok_and(|t| t.is_dir()) {
                folders.push(entry.path());
            } else if entry.path().is_dir() {
                // It may lead back to where it stands.
                let shown = path.shown();
                let link = entry.file_name();
                return Err(format!(
                    "{shown} holds a link to a folder, `{}`; name that folder itself",
                    link.display()
                ));
            }
            if files.len() > MOST_FILES {
                return Err(format!(
                    "{} holds more than {MOST_FILES} files",
                    path.shown()
                ));
            }
        }
    }
    if files.is_empty() {
        return Err(format!("there are no files in {}", path.shown()));
    }
    let found = files.into_iter().map(|file| {
        let name = file.strip_prefix(path.path()).unwrap_or(&file);
        (name.to_string_lossy().into_owned(), file)
    });
    Ok(found.collect())
}

/// Hidden files and folders, and what Python compiles.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name == "__pycache__" || path.extension().is_some_and(|e| e == "pyc")
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<Word>::deserialize(deserializer)?;
        // An empty list is the kind's to refuse.
        let (folder, place) = match words.first() {
            Some(program) => (program.folder.clone(), program.place.clone()),
            None => (
                PathBuf::new(),
                Place::new(Source::new("command", "", ""), 0..0),
            ),
        };
        Ok(Self {
            words: words.into_iter().map(|word| word.text).collect(),
            folder,
            place,
        })
    }
}

impl Serialize for CommandLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.words.serialize(serializer)
    }
}

impl JsonSchema for CommandLine {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "command".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
    }
}
