//! First lines and records that do not go together.

use super::*;

fn read(text: &str) -> Result<Vec<u64>, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut content = File::open(file.path()).map_err(|e| e.message)?;
    let mut lines = Vec::new();
    while let Some(line) = content.next().map_err(|e| e.message)? {
        lines.push(line);
    }
    Ok(lines)
}

#[test]
fn records_come_with_their_lines() {
    assert_eq!(read("a,b\n1,\"x\ny\"\n\n2,z\n").unwrap(), [2, 5]);
    assert!(read("a,b").unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, words) in [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("a,,c\n", "column 2 has no name"),
        ("a,b,a\n", "two columns are named `a`"),
        ("a,unique_idx\n", "has a column `unique_idx`"),
        (
            "a,b\n1,2\n1\n",
            "line 3: the record has 1 fields where the first line names 2 columns",
        ),
        (
            "a,b\n1,\"x\ny\"\n1,2,3\n",
            "line 4: the record has 3 fields",
        ),
        ("a,b\n1,\"x", "line 2: a quote is opened here"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(words), "{text:?}: {error}");
    }
}

#[test]
fn a_chunk_has_its_values_by_column() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a,b\n1,\n\"2\",x\n").unwrap();
    let mut content = File::open(file.path()).unwrap();
    let (values, texts) = content.some_records(2).unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(values, [[some("1"), some("2")], [None, some("x")]]);
    assert_eq!(texts, [b"1,".to_vec(), b"\"2\",x".to_vec()]);
    assert!(content.some_records(2).unwrap().1.is_empty());
}
