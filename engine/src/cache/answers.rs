//! Answers of servers that were paid for, by the digest of their question. They outlive every table made of them.
//!
//! ```text
//! answers/NAME.log         lines: SEAL QUESTION ANSWER
//! ```
//!
//! Each process appends to a file of its own, which is free for the next one when it ends; all read all of them. A line
//! counts if it is whole and fits its seal: what a killed process has left of a line is passed over. What
//! [`AnswerStore::put`] was given is on the disk when it returns; many at once cost one flush.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::CacheError;
use super::publish::flush_names;
use crate::table::{Digest, Digester};

const ENDING: &str = "log";

/// Seal and question, each 64 hex digits and a space.
const BEFORE_ANSWER: usize = 130;

/// A file that has grown beyond this is not appended to by the next process.
const LONG_ENOUGH: u64 = 256 << 20;

/// The answers of a cache. Nothing is read before the first question.
pub struct AnswerStore {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    logs: Vec<Log>,
    places: HashMap<Digest, Place>,
    loaded: bool,
    writer: Option<Writer>,
}

/// A file and how far it was read.
struct Log {
    path: PathBuf,
    file: File,
    read_to: u64,
}

/// Where an answer stands.
#[derive(Clone, Copy)]
struct Place {
    log: usize,
    offset: u64,
    length: usize,
}

/// The file that this process appends to, locked as long as this is there.
struct Writer {
    path: PathBuf,
    file: File,
}

impl AnswerStore {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            folder: folder(root),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question, as far as [`AnswerStore::refresh`] or this process knows of it.
    pub fn get(&self, question: Digest) -> Result<Option<String>, CacheError> {
        let mut state = self.state();
        if !state.loaded {
            state.refresh(&self.folder)?;
        }
        let Some(place) = state.places.get(&question) else {
            return Ok(None);
        };
        let log = &state.logs[place.log];
        let mut bytes = vec![0; place.length];
        log.file
            .read_exact_at(&mut bytes, place.offset)
            .map_err(CacheError::io("read", &log.path))?;
        // It was text when it was indexed.
        Ok(String::from_utf8(bytes).ok())
    }

    /// Reads what other processes have stored meanwhile.
    pub fn refresh(&self) -> Result<(), CacheError> {
        self.state().refresh(&self.folder)
    }

    /// Stores answers, each a single line of text. They outlast a power cut once this returns.
    pub fn put(&self, answers: &[(Digest, String)]) -> Result<(), CacheError> {
        if answers.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for (question, answer) in answers {
            let answer = answer.replace(['\n', '\r'], " ");
            lines.extend(line(*question, &answer).into_bytes());
        }
        let mut state = self.state();
        if state.writer.is_none() {
            state.writer = Some(Writer::open(&self.folder)?);
        }
        if let Some(writer) = &mut state.writer {
            writer.append(&lines)?;
        }
        state.refresh(&self.folder)
    }
}

impl State {
    fn refresh(&mut self, folder: &Path) -> Result<(), CacheError> {
        self.loaded = true;
        for path in logs(folder)? {
            let log = match self.logs.iter().position(|log| log.path == path) {
                Some(known) => known,
                None => match File::open(&path) {
                    Ok(file) => {
                        self.logs.push(Log {
                            path,
                            file,
                            read_to: 0,
                        });
                        self.logs.len() - 1
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(CacheError::io("read", &path)(error)),
                },
            };
            self.read_on(log)?;
        }
        Ok(())
    }

    /// Reads the whole lines that were not read yet.
    fn read_on(&mut self, number: usize) -> Result<(), CacheError> {
        let log = &mut self.logs[number];
        let fault = |error| CacheError::io("read", &log.path)(error);
        if log.file.metadata().map_err(fault)?.len() <= log.read_to {
            return Ok(());
        }
        log.file.seek(SeekFrom::Start(log.read_to)).map_err(fault)?;
        let mut reader = BufReader::with_capacity(1 << 16, &log.file);
        let mut bytes = Vec::new();
        let mut at = log.read_to;
        while reader.read_until(b'\n', &mut bytes).map_err(fault)? > 0 {
            // The rest of this one may still be written.
            if bytes.last() != Some(&b'\n') {
                break;
            }
            if let Some((question, answer)) = parse(&bytes) {
                let place = Place {
                    log: number,
                    offset: at + BEFORE_ANSWER as u64,
                    length: answer.len(),
                };
                self.places.entry(question).or_insert(place);
            }
            at += bytes.len() as u64;
            bytes.clear();
        }
        log.read_to = at;
        Ok(())
    }
}

impl Writer {
    /// A file that nobody appends to, or a new one.
    fn open(folder: &Path) -> Result<Self, CacheError> {
        fs::create_dir_all(folder).map_err(CacheError::io("create the folder", folder))?;
        for path in logs(folder)? {
            if let Some(file) = free(&path) {
                return Ok(Self { path, file });
            }
        }
        let file = tempfile::Builder::new()
            .prefix("")
            .suffix(&format!(".{ENDING}"))
            .rand_bytes(12)
            .permissions(ordinary())
            .tempfile_in(folder)
            .map_err(CacheError::io("write in", folder))?;
        let (file, path) = file
            .keep()
            .map_err(|e| CacheError::io("write in", folder)(e.error))?;
        // Where there are no locks, nobody takes the file over either.
        let _ = file.try_lock();
        [Some(folder), folder.parent()]
            .into_iter()
            .flatten()
            .try_for_each(flush_names)?;
        Ok(Self { path, file })
    }

    /// Appends whole lines and flushes them. On a fault nothing of them is left.
    fn append(&mut self, lines: &[u8]) -> Result<(), CacheError> {
        let fault = |action, error| CacheError::io(action, &self.path)(error);
        let end = self
            .file
            .seek(SeekFrom::End(0))
            .map_err(|e| fault("write", e))?;
        let mut bytes = Vec::with_capacity(lines.len() + 1);
        if end > 0 && !ends_a_line(&self.file, end).map_err(|e| fault("read", e))? {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(lines);
        let written = self.file.write_all(&bytes);
        if let Err(error) = written {
            let _ = self.file.set_len(end);
            return Err(fault("write", error));
        }
        self.file.sync_data().map_err(|e| fault("flush", e))
    }
}

/// An old file for this process alone, if it is not too long.
fn free(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    file.try_lock().ok()?;
    (file.metadata().ok()?.len() < LONG_ENOUGH).then_some(file)
}

fn ends_a_line(file: &File, end: u64) -> std::io::Result<bool> {
    let mut last = [0];
    file.read_exact_at(&mut last, end - 1)?;
    Ok(last == *b"\n")
}

fn ordinary() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o644)
}

pub(super) fn folder(root: &Path) -> PathBuf {
    root.join("answers")
}

/// The files of a folder, if there is one, in the order of their names.
fn logs(folder: &Path) -> Result<Vec<PathBuf>, CacheError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CacheError::io("read", folder)(error)),
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == ENDING))
        .collect();
    found.sort();
    Ok(found)
}

fn line(question: Digest, answer: &str) -> String {
    format!("{} {question} {answer}\n", seal(question, answer))
}

fn seal(question: Digest, answer: &str) -> Digest {
    Digester::new("trommel.answer.1")
        .field("question", question.as_bytes())
        .field("answer", answer.as_bytes())
        .finish()
}

/// A line's question and answer, if it fits its seal.
fn parse(line: &[u8]) -> Option<(Digest, &str)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (seal_of_it, rest) = line.split_once(' ')?;
    let (question, answer) = rest.split_once(' ')?;
    let question: Digest = question.parse().ok()?;
    (seal(question, answer).to_string() == seal_of_it).then_some((question, answer))
}

/// How many lines of a file are whole, and how many are damaged. A last line without an end is neither.
pub(super) fn count(path: &Path) -> std::io::Result<(usize, usize)> {
    let mut counts = (0, 0);
    let mut reader = BufReader::new(File::open(path)?);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 && bytes.last() == Some(&b'\n') {
        match parse(&bytes) {
            Some(_) => counts.0 += 1,
            None => counts.1 += 1,
        }
        bytes.clear();
    }
    Ok(counts)
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
