//! The zip archive of a torch.save file: which bytes of the mapped file each entry is.

use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;

use zip::{CompressionMethod, ZipArchive};

use crate::error::TorchError;

/// First bytes of the format before `PyTorch` 1.6: a pickle of protocol 2 that starts with a large integer.
const LEGACY: [u8; 3] = [0x80, 0x02, 0x8a];

/// Places of an archive's entries, by their names without the archive's own folder.
pub(crate) struct Archive {
    ranges: HashMap<String, Range<usize>>,
}

impl Archive {
    pub(crate) fn open(file: &[u8]) -> Result<Archive, TorchError> {
        if file.starts_with(&LEGACY) {
            return Err(TorchError::Legacy);
        }
        let not_zip = |e: zip::result::ZipError| TorchError::NotZip {
            reason: e.to_string(),
        };
        let mut zip = ZipArchive::new(Cursor::new(file)).map_err(not_zip)?;
        let mut ranges = HashMap::new();
        let mut folder = None;
        for i in 0..zip.len() {
            let entry = zip.by_index_raw(i).map_err(not_zip)?;
            let full = entry.name().map_err(not_zip)?.into_owned();
            let (top, name) = full.split_once('/').unwrap_or(("", &full));
            if name == "data.pkl" {
                folder = Some(top.to_string());
            }
            if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
                return Err(TorchError::NotStored { name: full });
            }
            let range = entry
                .data_start()
                .and_then(|start| Some((start, start.checked_add(entry.compressed_size())?)))
                .and_then(|(start, end)| {
                    Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
                });
            match range {
                Some(range) if range.end <= file.len() => ranges.insert(full.clone(), range),
                _ => return Err(TorchError::EntryOutside { name: full }),
            };
        }
        let Some(folder) = folder else {
            return Err(TorchError::NoEntry {
                name: "data.pkl".into(),
            });
        };
        let prefix = format!("{folder}/");
        let archive = Archive {
            ranges: ranges
                .into_iter()
                .filter_map(|(name, range)| Some((name.strip_prefix(&prefix)?.to_string(), range)))
                .collect(),
        };
        match archive
            .ranges
            .get("byteorder")
            .map(|range| &file[range.clone()])
        {
            None | Some(b"little") => Ok(archive),
            Some(other) => Err(TorchError::ByteOrder {
                order: String::from_utf8_lossy(other).chars().take(20).collect(),
            }),
        }
    }

    /// The bytes of the pickle that says which tensors there are.
    pub(crate) fn pickle<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], TorchError> {
        Ok(&file[self.entry("data.pkl")?])
    }

    /// The place of one storage's bytes.
    pub(crate) fn storage(&self, key: &str) -> Result<Range<usize>, TorchError> {
        self.entry(&format!("data/{key}"))
    }

    fn entry(&self, name: &str) -> Result<Range<usize>, TorchError> {
        self.ranges
            .get(name)
            .cloned()
            .ok_or_else(|| TorchError::NoEntry {
                name: name.to_string(),
            })
    }
}
