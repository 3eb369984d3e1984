//! The images of the rows of an output: what they are called, what they hold, and the folder of them beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::RunError;
use super::folder::{Folder, file_in};
use crate::cache::Cache;
use crate::node::{Format, ImageNames, ImageUse};
use crate::plan::PlanOutput;
use crate::table::{Digest, Digester, Table};

/// What becomes of the images of an output.
pub(super) struct OutputImages {
    images: ImageUse,
    names: ImageNames,
    digests: BTreeMap<String, Digest>,
    /// The folder of them, and its name.
    folder: Option<(PathBuf, String)>,
}

impl OutputImages {
    pub(super) fn of(
        output: &PlanOutput,
        format: &dyn Format,
        table: &Table,
        path: &Path,
        cache: &Cache,
    ) -> Result<Self, RunError> {
        let images = output.images;
        let names = match images {
            ImageUse::None => ImageNames::default(),
            _ => format.image_names(table)?,
        };
        let paths: Vec<&str> = names
            .files
            .values()
            .map(|p| p.to_str().unwrap_or_default())
            .collect();
        let digests = cache.files.digest_all(&paths);
        let digests: Result<_, _> = names
            .files
            .keys()
            .cloned()
            .zip(digests)
            .map(with_digest)
            .collect();
        let folder = output.image_folder(path).and_then(|folder| {
            let name = folder.file_name()?.to_string_lossy().into_owned();
            Some((folder, name))
        });
        Ok(Self {
            images,
            names,
            digests: digests?,
            folder,
        })
    }

    /// Their names and contents, as a part of what the output is.
    pub(super) fn push_to(&self, content: &mut Digester) {
        content.push("images", self.images.name().as_bytes());
        for (name, digest) in &self.digests {
            content.push(name, digest.as_bytes());
        }
    }

    pub(super) fn names(&self) -> Option<&ImageNames> {
        (self.images != ImageUse::None).then_some(&self.names)
    }

    pub(super) fn folder_name(&self) -> Option<&str> {
        self.folder.as_ref().map(|(_, name)| name.as_str())
    }

    /// Makes the folder of images, where there is to be one, and adds its files.
    pub(super) fn write(
        &self,
        cache: &Cache,
        files: &mut BTreeMap<PathBuf, Digest>,
    ) -> Result<(), RunError> {
        let Some((path, _)) = &self.folder else {
            return Ok(());
        };
        let folder = Folder::at(path, cache)?;
        let names: BTreeSet<String> = self.digests.keys().cloned().collect();
        let is_wanted = |name: &String| {
            let there = path.join(name);
            cache.files.digest(&there).ok().as_ref() == self.digests.get(name)
                && is_same_file(&there, &self.names.files[name]) == (self.images == ImageUse::Link)
        };
        if !folder.is_made_of(&names, is_wanted)? {
            folder.refuse_foreign()?;
            folder.replace(|new| {
                let mut files = self.names.files.iter();
                files.try_for_each(|(name, image)| put(self.images, image, &file_in(new, name)?))
            })?;
        }
        files.extend(
            self.digests
                .iter()
                .map(|(name, digest)| (path.join(name), *digest)),
        );
        Ok(())
    }
}

fn with_digest(
    (name, digest): (String, Result<Digest, crate::cache::CacheError>),
) -> Result<(String, Digest), RunError> {
    Ok((name, digest?))
}

/// Whether two names are links to one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |path: &Path| fs::metadata(path).map(|m| (m.dev(), m.ino()));
    matches!((of(one), of(other)), (Ok(a), Ok(b)) if a == b)
}

fn put(images: ImageUse, image: &Path, to: &Path) -> Result<(), RunError> {
    let fault =
        |e: &io::Error| RunError::new(format!("cannot {} {}: {e}", images.name(), image.display()));
    if images == ImageUse::Copy {
        return fs::copy(image, to).map(drop).map_err(|e| fault(&e));
    }
    // The file itself, where `image` is a symbolic link.
    let linked = image
        .canonicalize()
        .and_then(|file| fs::hard_link(file, to));
    linked.map_err(|e| {
        let help = match e.kind() {
            ErrorKind::CrossesDevices => {
                "it lies on another file system than the output: say `images: copy`"
            }
            ErrorKind::PermissionDenied => {
                "links to files of others may be forbidden here: say `images: copy`"
            }
            ErrorKind::TooManyLinks => {
                "the file has as many links as it may have: say `images: copy`"
            }
            _ => "say `images: copy` where files cannot be linked",
        };
        RunError {
            help: Some(help.into()),
            ..fault(&e)
        }
    })
}
