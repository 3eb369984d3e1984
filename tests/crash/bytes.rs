//! Bytes of the cache that change by themselves: a flipped bit, a byte that is gone.

use std::fs;
use std::path::PathBuf;

use super::families::Families;
use crate::support::{Project, Random, number_from};

/// What makes a run read more than its last node's table: nodes that run again read what lies before them.
const FORCED: [&[&str]; 6] = [
    &[],
    &["--force", "selected"],
    &["--force", "difficulty"],
    &["--force", "many_clip"],
    &["--force", "top"],
    &["--force", "stage1"],
];

#[test]
fn damaged_bytes_are_found_and_made_again() {
    let families = Families::new();
    families.forget_outputs();
    families.finishes("damaged", "before any damage");
    let mut random = Random::new();
    for round in 0..number_from("TROMMEL_DAMAGE_ROUNDS", 24) {
        let story = format!("round {round}: {}", damage(&families.project, &mut random));
        families.forget_outputs();
        let forced: &[&str] = random.pick::<&[&str]>(&FORCED);
        families.recovers("damaged", forced, &story);
    }
}

/// Damages a file of the cache; says which and how.
fn damage(project: &Project, random: &mut Random) -> String {
    let groups = paths_in(project.path("damaged"));
    let mut path = random.pick(&groups).clone();
    while path.is_dir() {
        let inside = paths_in(path.clone());
        if inside.is_empty() {
            return "nothing, an empty folder".to_owned();
        }
        path = random.pick(&inside).clone();
    }
    let mut bytes = fs::read(&path).expect("a file");
    if bytes.is_empty() {
        return format!("nothing, {} is empty", path.display());
    }
    let at = random.below(bytes.len());
    let size = bytes.len();
    let what = if random.below(3) == 0 {
        bytes.remove(at);
        "removed byte"
    } else {
        bytes[at] ^= 1 << random.below(8);
        "flipped a bit of byte"
    };
    fs::write(&path, bytes).expect("written");
    format!("{what} {at} of {size} in {}", path.display())
}

fn paths_in(folder: PathBuf) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}
