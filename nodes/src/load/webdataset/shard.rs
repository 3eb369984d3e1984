//! The members of a tar shard, none of which is unpacked under its own name.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use tar::{Archive, Entries, Entry, EntryType};
use trommel_engine::node::prelude::*;

use super::super::open::{self, Bounded, Left, MOST_OF_A_RECORD};
use super::sample::{Part, Sample};

/// Of which a shard consists, and of which two of zeros end it.
const BLOCK: u64 = 512;

pub(super) struct Shard {
    path: PathBuf,
    archive: Archive<Watched>,
    left: Left,
    zeros: Rc<Cell<u64>>,
}

/// What goes through it is counted: zeros up to where the reader stands.
struct Watched {
    from: Bounded,
    zeros: Rc<Cell<u64>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let zeros = buffer[..read].iter().rev().take_while(|b| **b == 0).count();
        let before = if zeros == read { self.zeros.get() } else { 0 };
        self.zeros.set(before + zeros as u64);
        Ok(read)
    }
}

impl Shard {
    pub(super) fn open(path: &Path) -> Result<Self, NodeError> {
        let (from, left) = open::open_bounded(path)?;
        let zeros = Rc::new(Cell::new(0));
        let watched = Watched {
            from,
            zeros: zeros.clone(),
        };
        Ok(Self {
            path: path.to_owned(),
            archive: Archive::new(watched),
            left,
            zeros,
        })
    }

    pub(super) fn members(&mut self) -> Result<Members<'_>, NodeError> {
        let path = &self.path;
        let entries = self.archive.entries();
        let entries = entries.map_err(|e| at(path, &e.to_string()))?;
        Ok(Members {
            path,
            entries,
            left: &self.left,
            last: "its beginning".to_owned(),
            begun: None,
            done: HashSet::new(),
        })
    }

    /// To be called behind the last member: a shard that was cut between two members would seem whole.
    pub(super) fn check_end(self) -> Result<(), NodeError> {
        let fault = |reason: &str| at(&self.path, reason);
        if self.zeros.get() < BLOCK {
            return Err(fault(
                "the end of the archive (a block of zeros) is missing; is the shard cut off?",
            ));
        }
        let mut rest = self.archive.into_inner();
        let mut buffer = [0; 8192];
        loop {
            self.left.another_begins();
            match rest.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) if buffer[..read].iter().all(|byte| *byte == 0) => {}
                Ok(_) => {
                    return Err(fault("there is more behind the end of the archive").help(
                        "a shard is one archive; several in one file are to be taken apart",
                    ));
                }
                Err(e) => return Err(fault(&e.to_string())),
            }
        }
    }
}

pub(super) struct Members<'a> {
    path: &'a Path,
    entries: Entries<'a, Watched>,
    left: &'a Left,
    /// The name of the last member, to say where something is wrong.
    last: String,
    /// The sample whose members are being read.
    begun: Option<Sample>,
    done: HashSet<String>,
}

impl Members<'_> {
    /// The next sample; none at the end of the archive.
    pub(super) fn next_sample(&mut self, ignore: &[String]) -> Result<Option<Sample>, NodeError> {
        loop {
            self.left.another_begins();
            let entry = match self.entries.next() {
                None => return Ok(self.begun.take()),
                Some(Ok(entry)) => entry,
                Some(Err(e)) => {
                    let reason = format!("what follows {} cannot be read: {e}", self.last);
                    return Err(at(self.path, &reason).help("is it a whole tar file?"));
                }
            };
            let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            self.last = format!("member {:?}", shown.chars().take(100).collect::<String>());
            let fault = |reason: &str| at(self.path, &format!("{}: {reason}", self.last));
            let Some(name) = member_name(&entry).map_err(|reason| fault(&reason))? else {
                pass_over(entry, self.left).map_err(|e| fault(&e.to_string()))?;
                continue;
            };
            let (sample, ending) = split(&name)
                .ok_or_else(|| fault("its name has no ending; a member is called SAMPLE.ENDING"))?;
            if ignore.iter().any(|ignored| ignored == ending) {
                pass_over(entry, self.left).map_err(|e| fault(&e.to_string()))?;
                continue;
            }
            let part = Part::of(ending).ok_or_else(|| {
                let help = format!("`ignore: [{ending}]` leaves such members out");
                fault("its ending is not known").help(help)
            })?;
            let content = content(entry, self.left).map_err(|reason| fault(&reason))?;
            let ended = match &mut self.begun {
                Some(begun) if begun.name == sample => {
                    begun.add(part, content).map_err(|reason| fault(&reason))?;
                    None
                }
                begun => {
                    if !self.done.insert(sample.to_owned()) {
                        return Err(fault(
                            "the members of this sample do not stand together in the shard",
                        ));
                    }
                    let mut new = Sample::new(sample);
                    new.add(part, content).map_err(|reason| fault(&reason))?;
                    begun.replace(new)
                }
            };
            if ended.is_some() {
                return Ok(ended);
            }
        }
    }
}

/// The name of a member that holds data; none for one to be passed over.
fn member_name(entry: &Entry<'_, Watched>) -> Result<Option<String>, String> {
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {}
        EntryType::Directory | EntryType::XGlobalHeader => return Ok(None),
        EntryType::Symlink | EntryType::Link => {
            return Err("it is a link; a shard holds files".to_owned());
        }
        other => {
            return Err(format!(
                "it is no plain file (type {:?})",
                char::from(other.as_byte())
            ));
        }
    }
    let name = std::str::from_utf8(&entry.path_bytes())
        .map_err(|_| "its name is not UTF-8".to_owned())?
        .to_owned();
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.contains('\0') || !Path::new(&name).components().all(inside) {
        return Err("its name leads out of the shard".to_owned());
    }
    let file = name.rsplit('/').next().unwrap_or_default();
    let about = file
        .strip_prefix("__")
        .is_some_and(|rest| rest.contains("__"));
    Ok((!about).then_some(name))
}

/// Name of the sample and ending: before and behind the first dot of the file's own name.
fn split(name: &str) -> Option<(&str, &str)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = file + name[file..].find('.')?;
    let (sample, ending) = (&name[..dot], &name[dot + 1..]);
    (dot > file && !ending.is_empty()).then_some((sample, ending))
}

fn content(mut entry: Entry<'_, Watched>, left: &Left) -> Result<Vec<u8>, String> {
    let size = entry.size();
    if size > MOST_OF_A_RECORD as u64 {
        let most = MOST_OF_A_RECORD >> 20;
        return Err(format!(
            "it is said to have {size} bytes, more than {most} MiB"
        ));
    }
    left.another_begins();
    let mut content = Vec::new();
    let read = entry.read_to_end(&mut content).map_err(|e| e.to_string())?;
    if (read as u64) < size {
        return Err(format!(
            "the shard ends after {read} of its {size} bytes; is it cut off?"
        ));
    }
    Ok(content)
}

/// Reads to the end of a member, which may be of any size.
fn pass_over(mut entry: Entry<'_, Watched>, left: &Left) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        left.another_begins();
        if entry.read(&mut buffer)? == 0 {
            return Ok(());
        }
    }
}

fn at(shard: &Path, reason: &str) -> NodeError {
    NodeError::new(format!("{}: {reason}", shard.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_the_first_dot_of_the_file() {
        assert_eq!(split("a.b/c.seg.png"), Some(("a.b/c", "seg.png")));
        assert_eq!(split("000.jpg"), Some(("000", "jpg")));
        for name in ["a", "a.", ".jpg", "a.b/c", "a/.jpg", ""] {
            assert_eq!(split(name), None, "{name}");
        }
    }
}
