//! A whole model: which files, how large, one after the other, then the links and the reference that make them a snapshot.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use trommel_engine::node::{HubModel, ModelSource, Monitor, NodeError, NodeEvent, model_files};

use crate::blob::{Remote, pause};
use crate::client::{About, Client, Listing};
use crate::error::HubError;
use crate::settings::Settings;
use crate::words::{node_error, size};

/// Repetitions of a question.
const MOST_FAILURES: u32 = 3;

/// How often it is said how far things are.
const SAY_EVERY: Duration = Duration::from_millis(100);

/// The hub that the environment names.
pub struct Hub {
    settings: Settings,
    /// One model at a time: two nodes often want the same one.
    one: Mutex<()>,
}

/// A model that is being fetched.
struct Fetching<'a> {
    client: Client,
    settings: &'a Settings,
    model: &'a HubModel,
    monitor: &'a dyn Monitor,
    cancel: &'a AtomicBool,
}

impl Hub {
    pub fn new(settings: Settings) -> Self {
        let one = Mutex::default();
        Self { settings, one }
    }

    pub fn from_environment() -> Self {
        Self::new(Settings::from_environment())
    }
}

impl ModelSource for Hub {
    fn fetch(
        &self,
        model: &HubModel,
        monitor: &dyn Monitor,
        cancel: &AtomicBool,
    ) -> Result<(), NodeError> {
        let settings = &self.settings;
        if settings.offline {
            return Err(NodeError::new(format!(
                "{} is not in the hub cache ({}), and HF_HUB_OFFLINE is set",
                model.shown,
                settings.cache.display()
            )));
        }
        let _one = self.one.lock();
        let found = model.id.snapshot(&settings.cache);
        if found.is_some_and(|snapshot| model_files::lacks(&snapshot, model.parts).is_none()) {
            return Ok(());
        }
        let fetching = Fetching {
            client: Client::new(settings.clone()),
            settings,
            model,
            monitor,
            cancel,
        };
        fetching
            .all()
            .map_err(|error| node_error(error, model, settings))
    }
}

impl Fetching<'_> {
    fn all(&self) -> Result<(), HubError> {
        let id = &self.model.id;
        let start = Instant::now();
        self.check_cancelled()?;
        let Listing { commit, names } = self.patiently(|| self.client.list(id))?;
        let chosen = model_files::chosen(&names, self.model.parts);
        if !chosen.iter().any(|name| model_files::is_tensors(name)) {
            return Err(HubError::NoWeights { files: names.len() });
        }
        let folder = id.folder(&self.settings.cache);
        let blobs = made(folder.join("blobs"))?;
        let locks = folder.file_name().unwrap_or_default();
        let locks = made(self.settings.cache.join(".locks").join(locks))?;
        let abouts = chosen.iter().map(|name| {
            let about = self.patiently(|| self.client.about(id, &commit, name))?;
            Ok((name.as_str(), about))
        });
        let files: Vec<(&str, About)> = abouts.collect::<Result<_, HubError>>()?;
        let total: u64 = files.iter().filter_map(|(_, about)| about.size).sum();
        room_for(&files, &blobs)?;
        self.log(format!(
            "fetches {} from the hub: {} files, {}",
            self.model.shown,
            files.len(),
            size(total)
        ));
        let (mut before, mut said) = (0, start);
        for (name, about) in &files {
            let remote = Remote {
                client: &self.client,
                id,
                commit: &commit,
                name,
                about,
                pause: self.settings.pause,
            };
            remote.fetch(&blobs, &locks, &mut |of_this| {
                if said.elapsed() >= SAY_EVERY {
                    said = Instant::now();
                    self.say(before + of_this, total);
                }
                self.check_cancelled()
            })?;
            before += about.size.unwrap_or(0);
        }
        let snapshot = made(folder.join("snapshots").join(&commit))?;
        for (name, about) in &files {
            link(&snapshot, name, &about.etag)?;
        }
        if !id.is_commit() {
            write_reference(&folder, id.revision(), &commit)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        self.log(format!(
            "fetched {} in {seconds:.1} s; it is in {}",
            self.model.shown,
            folder.display()
        ));
        Ok(())
    }

    /// Asks again where the hub fails for a passing reason.
    fn patiently<T>(&self, ask: impl Fn() -> Result<T, HubError>) -> Result<T, HubError> {
        for failures in 1..=MOST_FAILURES {
            match ask() {
                Err(error) if error.is_passing() => {
                    let first = self.settings.pause;
                    pause(first, failures, &error, || self.check_cancelled())?;
                }
                result => return result,
            }
        }
        ask()
    }

    fn check_cancelled(&self) -> Result<(), HubError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(HubError::Cancelled);
        }
        Ok(())
    }

    fn log(&self, message: String) {
        self.monitor.event(NodeEvent::Log { message });
    }

    fn say(&self, bytes: u64, total: u64) {
        const MB: u64 = 1_000_000;
        self.monitor.event(NodeEvent::Progress {
            done: bytes / MB,
            total: Some(total.div_ceil(MB)).filter(|&total| total > 0),
            note: "MB".to_owned(),
        });
    }
}

fn made(folder: PathBuf) -> Result<PathBuf, HubError> {
    fs::create_dir_all(&folder).map_err(HubError::io("make the folder", &folder))?;
    Ok(folder)
}

/// Says beforehand what could not be written.
fn room_for(files: &[(&str, About)], blobs: &Path) -> Result<(), HubError> {
    let missing = files.iter().map(|(_, about)| {
        let there = |name: String| fs::metadata(blobs.join(name)).map_or(0, |m| m.len());
        let part = format!("{}.incomplete", about.etag);
        let have = there(about.etag.clone()).max(there(part));
        about.size.unwrap_or(0).saturating_sub(have)
    });
    let needed = missing.sum();
    // Where it cannot be asked, writing will tell.
    let Ok(disk) = rustix::fs::statvfs(blobs) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed > free {
        return Err(HubError::NoRoom {
            folder: blobs.to_owned(),
            needed,
            free,
        });
    }
    Ok(())
}

/// `snapshots/COMMIT/NAME` to its blob; a link that is there may lead elsewhere.
fn link(snapshot: &Path, name: &str, etag: &str) -> Result<(), HubError> {
    let path = snapshot.join(name);
    if let Some(folder) = path.parent() {
        made(folder.to_owned())?;
    }
    let up = "../".repeat(name.split('/').count() + 1);
    let target = PathBuf::from(format!("{up}blobs/{etag}"));
    if fs::read_link(&path).is_ok_and(|to| to == target) {
        return Ok(());
    }
    let new = path.with_file_name(format!(".{}.{etag}", std::process::id()));
    let _ = fs::remove_file(&new);
    symlink(&target, &new)
        .and_then(|()| fs::rename(&new, &path))
        .map_err(HubError::io("write", &path))
}

fn write_reference(folder: &Path, revision: &str, commit: &str) -> Result<(), HubError> {
    let path = folder.join("refs").join(revision);
    if let Some(folder) = path.parent() {
        made(folder.to_owned())?;
    }
    let new = path.with_file_name(format!(".{}.new", std::process::id()));
    fs::write(&new, commit)
        .and_then(|()| fs::rename(&new, &path))
        .map_err(HubError::io("write", &path))
}
