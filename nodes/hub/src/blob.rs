//! One file of a model: fetched piece by piece, gone on with where it was cut off, checked, and only then given its name.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use trommel_engine::node::HubId;

use crate::client::{About, Client, of_io};
use crate::error::HubError;

/// Repetitions without a byte of progress in between.
const MOST_FAILURES: u32 = 5;

const PIECE: usize = 256 << 10;

/// How often a lock is asked for that another process has.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// A file of a revision.
pub(crate) struct Remote<'a> {
    pub client: &'a Client,
    pub id: &'a HubId,
    pub commit: &'a str,
    pub name: &'a str,
    pub about: &'a About,
    /// Before the first repetition.
    pub pause: Duration,
}

/// What is done while bytes come in: says how many of the file are there, and whether to go on.
pub(crate) type Progress<'a> = dyn FnMut(u64) -> Result<(), HubError> + 'a;

impl Remote<'_> {
    /// The contents as `blobs/ETAG`. `locks` is the folder in which processes of all kinds keep out of each other's way.
    pub(crate) fn fetch(
        &self,
        blobs: &Path,
        locks: &Path,
        progress: &mut Progress<'_>,
    ) -> Result<(), HubError> {
        let blob = blobs.join(&self.about.etag);
        if self.is_whole(&blob) {
            return progress(self.about.size.unwrap_or(0));
        }
        let _lock = self.lock(locks, progress)?;
        if self.is_whole(&blob) {
            return progress(self.about.size.unwrap_or(0));
        }
        let part = blobs.join(format!("{}.incomplete", self.about.etag));
        self.fill(&part, progress)?;
        if !self.is_right(&part)? {
            // What was there before may have been the trouble.
            remove(&part)?;
            self.fill(&part, progress)?;
            if !self.is_right(&part)? {
                remove(&part)?;
                return Err(HubError::Digest {
                    file: self.name.to_owned(),
                });
            }
        }
        fs::rename(&part, &blob).map_err(HubError::io("write", &blob))
    }

    fn is_whole(&self, blob: &Path) -> bool {
        let right = |found: u64| self.about.size.is_none_or(|size| size == found);
        fs::metadata(blob).is_ok_and(|m| m.is_file() && right(m.len()))
    }

    /// As `huggingface_hub` locks: released when the process ends, however it ends.
    fn lock(&self, locks: &Path, progress: &mut Progress<'_>) -> Result<File, HubError> {
        let path = locks.join(format!("{}.lock", self.about.etag));
        let cannot = |source| HubError::Io {
            action: "lock",
            path: path.clone(),
            source,
        };
        let file = File::create(&path).map_err(cannot)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => progress(0)?,
                Err(TryLockError::Error(source)) => return Err(cannot(source)),
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }

    /// Appends to `part` until it is complete.
    fn fill(&self, part: &Path, progress: &mut Progress<'_>) -> Result<(), HubError> {
        let cannot_write = |source| HubError::Io {
            action: "write",
            path: part.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(part)
            .map_err(cannot_write)?;
        let mut have = file.seek(SeekFrom::End(0)).map_err(cannot_write)?;
        if self.about.size.is_some_and(|size| have > size) {
            file.set_len(0).map_err(cannot_write)?;
            have = 0;
        }
        let mut failures = 0;
        while self.about.size != Some(have) {
            let before = have;
            let error = match self.receive(&mut file, &mut have, part, progress) {
                Ok(()) => match self.about.size {
                    Some(of) if have < of => HubError::Cut {
                        file: self.name.to_owned(),
                        got: have,
                        of,
                    },
                    Some(of) if have > of => {
                        return Err(HubError::Digest {
                            file: self.name.to_owned(),
                        });
                    }
                    _ => break,
                },
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            failures = if have > before { 1 } else { failures + 1 };
            if failures > MOST_FAILURES {
                return Err(self.given_up(error, have));
            }
            pause(self.pause, failures, &error, || progress(have))?;
        }
        file.sync_all().map_err(cannot_write)
    }

    /// A hub that has given a part of the file was reached.
    fn given_up(&self, error: HubError, got: u64) -> HubError {
        match (error, self.about.size) {
            (HubError::Unreachable { .. }, Some(of)) if got > 0 => HubError::Cut {
                file: self.name.to_owned(),
                got,
                of,
            },
            (error, _) => error,
        }
    }

    /// One request: from where the file ends until the connection does.
    fn receive(
        &self,
        file: &mut File,
        have: &mut u64,
        part: &Path,
        progress: &mut Progress<'_>,
    ) -> Result<(), HubError> {
        let (start, mut body) = self.client.open(self.id, self.commit, self.name, *have)?;
        if start != *have {
            // It does not give pieces of files.
            file.set_len(0).map_err(HubError::io("write", part))?;
            *have = 0;
            if start != 0 {
                return Err(HubError::Answer {
                    reason: format!("it gives another piece of {} than asked for", self.name),
                });
            }
        }
        let mut piece = vec![0; PIECE];
        loop {
            let read = body.read(&mut piece).map_err(|error| of_io(&error))?;
            if read == 0 {
                return Ok(());
            }
            file.write_all(&piece[..read])
                .map_err(HubError::io("write", part))?;
            *have += read as u64;
            progress(*have)?;
        }
    }

    /// Whether the contents have the digest that is the blob's name. A hub that names blobs otherwise cannot be held to it.
    fn is_right(&self, part: &Path) -> Result<bool, HubError> {
        let etag = &self.about.etag;
        let is_hex = etag.bytes().all(|b| b.is_ascii_hexdigit());
        let mut digest = match etag.len() {
            64 if is_hex => Context::new(&SHA256),
            40 if is_hex => {
                let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                let length = fs::metadata(part)
                    .map_err(HubError::io("read", part))?
                    .len();
                digest.update(format!("blob {length}\0").as_bytes());
                digest
            }
            _ => return Ok(true),
        };
        let mut file = File::open(part).map_err(HubError::io("read", part))?;
        let mut piece = vec![0; PIECE];
        loop {
            let read = file.read(&mut piece).map_err(HubError::io("read", part))?;
            if read == 0 {
                break;
            }
            digest.update(&piece[..read]);
        }
        let mut found = String::new();
        for byte in digest.finish().as_ref() {
            // Writing to memory cannot fail.
            let _ = write!(found, "{byte:02x}");
        }
        Ok(found.eq_ignore_ascii_case(etag))
    }
}

/// Waits before a repetition, twice as long each time, or as long as the hub says (at most a minute).
pub(crate) fn pause(
    first: Duration,
    failures: u32,
    error: &HubError,
    mut still: impl FnMut() -> Result<(), HubError>,
) -> Result<(), HubError> {
    let own = first * 2u32.pow(failures.saturating_sub(1).min(6));
    let wait = error
        .wants_pause()
        .unwrap_or(own)
        .min(Duration::from_mins(1));
    let end = std::time::Instant::now() + wait;
    loop {
        still()?;
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

fn remove(path: &Path) -> Result<(), HubError> {
    fs::remove_file(path).map_err(HubError::io("remove", path))
}
