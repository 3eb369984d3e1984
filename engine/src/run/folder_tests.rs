//! Folders of files: written whole, replaced where they are ours.

use super::*;
use crate::run::port_files::PortFiles;
use crate::table::Chunk;

struct Place {
    folder: tempfile::TempDir,
    cache: Cache,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        Self { folder, cache }
    }

    fn table(&self, files: &[(&str, &str)]) -> Table {
        let mut port = PortFiles::default();
        for (name, content) in files {
            let file = self.folder.path().join("file");
            fs::write(&file, content).unwrap();
            port.take(name, &file, &self.cache).unwrap();
        }
        let rows = port.rows().unwrap();
        let piece = self.cache.put(&rows).unwrap().piece;
        let columns = self.cache.columns(&piece);
        let chunk = Chunk {
            rows: piece.rows,
            columns,
        };
        Table::new(rows.schema().fields().to_vec(), vec![chunk])
    }

    fn write(&self, table: &Table) -> Result<bool, RunError> {
        write_folder(table, &self.folder.path().join("out/model"), &self.cache)
    }

    fn content(&self) -> Vec<(String, String)> {
        let path = self.folder.path().join("out/model");
        let read = |name: String| {
            let content = fs::read_to_string(path.join(&name)).unwrap();
            (name, content)
        };
        files_of(&path).unwrap().into_iter().map(read).collect()
    }

    fn beside(&self) -> usize {
        fs::read_dir(self.folder.path().join("out"))
            .unwrap()
            .count()
    }
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, content): &(&str, &str)| ((*name).into(), (*content).into());
    files.iter().map(owned).collect()
}

#[test]
fn a_folder_is_written_left_alone_and_replaced() {
    let place = Place::new();
    let (one, two) = (
        [("a", "1"), ("part/b", "2")],
        [("a", "changed"), ("c", "2")],
    );
    let table = place.table(&one);
    assert!(place.write(&table).unwrap());
    assert_eq!(place.content(), owned(&one));
    assert!(!place.write(&table).unwrap());
    assert!(place.write(&place.table(&two)).unwrap());
    assert_eq!(place.content(), owned(&two));
    assert_eq!(place.beside(), 1, "nothing temporary is left");
}

#[test]
fn what_was_changed_in_it_is_written_again() {
    let place = Place::new();
    let files = [("a", "1")];
    let table = place.table(&files);
    place.write(&table).unwrap();
    fs::write(place.folder.path().join("out/model/a"), "2").unwrap();
    assert!(place.write(&table).unwrap());
    assert_eq!(place.content(), owned(&files));
}

#[test]
fn a_folder_with_somebody_elses_files_is_refused() {
    let place = Place::new();
    let table = place.table(&[("a", "1")]);
    place.write(&table).unwrap();
    fs::write(place.folder.path().join("out/model/notes.txt"), "mine").unwrap();
    let refused = place.write(&table).unwrap_err().message;
    assert!(
        refused.contains("notes.txt in it was not written"),
        "{refused}"
    );
    assert_eq!(place.content(), owned(&[("a", "1"), ("notes.txt", "mine")]));
    assert_eq!(place.beside(), 1);
}

#[test]
fn an_empty_folder_is_taken_and_a_file_is_not() {
    let place = Place::new();
    let path = place.folder.path().join("out/model");
    fs::create_dir_all(&path).unwrap();
    let table = place.table(&[("a", "1")]);
    assert!(place.write(&table).unwrap());
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "a file").unwrap();
    let refused = place.write(&table).unwrap_err();
    assert!(refused.help.is_some_and(|help| help.contains("is a file")));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
}

#[test]
fn a_damaged_file_leaves_what_was_there() {
    let place = Place::new();
    let (first, second) = (place.table(&[("a", "1")]), place.table(&[("a", "2")]));
    place.write(&first).unwrap();
    let blob = named_files(&second).unwrap()["a"];
    let path = place.cache.blob_path(blob.digest);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "3").unwrap();
    assert!(place.write(&second).is_err());
    assert!(place.cache.has_corrupt());
    assert_eq!(place.content(), owned(&[("a", "1")]));
    assert_eq!(place.beside(), 1);
}
