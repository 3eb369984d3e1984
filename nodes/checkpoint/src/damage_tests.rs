//! Damaged files: every file of tests/files cut at every length and with changed bytes. Nothing may panic, a cut file is
//! an error, and a changed file that is still accepted has all of its tensors within it.

use std::path::PathBuf;

use proptest::prelude::*;

use crate::entry::Entry;
use crate::{safetensors_file, torch};

fn files() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() > 8);
    files
}

/// The tensors, or the error's text. The file's kind is told by its name, as in `Checkpoint::open`.
fn read(name: &str, bytes: &[u8]) -> Result<Vec<Entry>, String> {
    if name.ends_with(".safetensors") {
        safetensors_file::entries(bytes)
    } else {
        torch::entries(bytes).map_err(|e| e.to_string())
    }
}

#[test]
fn a_cut_file_is_an_error_at_every_length() {
    for (name, bytes) in files() {
        for length in 0..bytes.len() {
            assert!(read(&name, &bytes[..length]).is_err(), "{name} at {length}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn changed_bytes_do_no_harm(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let files = files();
        let (name, mut bytes) = files[which.index(files.len())].clone();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(entries) = read(&name, &bytes) {
            for entry in entries {
                let count: usize = entry.shape.iter().product();
                prop_assert_eq!(entry.bytes(&bytes).len(), count * entry.dtype.size());
            }
        }
    }
}
