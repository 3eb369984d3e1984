//! Lines that are read, and lines that are named in errors.

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn lines(text: &str) -> Result<Vec<(usize, Json)>, NodeError> {
    Lines::open(file(text).path())?.collect()
}

#[test]
fn objects_come_with_the_numbers_of_their_lines() {
    let read = lines("{\"a\": 1}\n\n  {\"a\": 2}\r\n{\"a\": 3}").unwrap();
    let numbers: Vec<usize> = read.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 3, 4]);
    assert_eq!(read[2].1["a"], 3);
    assert!(lines("").unwrap().is_empty());
}

#[test]
fn broken_lines_are_named() {
    for (text, expected) in [
        ("{\"a\": 1}\n{\"a\": ", "line 2: not JSON"),
        ("{\"a\": 1}\n[1]\n", "line 2: not a JSON object"),
        ("{\"a\": NaN}\n", "line 1: not JSON"),
        ("{\"a\": \"\u{0}\"}", "line 1: not JSON"),
    ] {
        let error = lines(text).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        assert!(error.help.is_some());
    }
}

#[test]
fn nested_values_and_nulls_become_columns() {
    let text = concat!(
        r#"{"id": "a", "n": 1, "turns": [{"from": "human", "value": "x"}], "v": [0.5, 1]}"#,
        "\n",
        r#"{"id": null, "n": 2.5, "turns": [], "box": {"x": 1}}"#,
    );
    let read = lines(text).unwrap();
    let mut all = Type::default();
    for (_, record) in &read {
        all.add(record, &mut Vec::new()).unwrap();
    }
    let records: Vec<Json> = read.into_iter().map(|(_, record)| record).collect();
    let schema = Arc::new(Schema::new(all.into_fields()));
    let batch = columns(&records, &schema, Path::new("f.jsonl")).unwrap();
    assert_eq!(
        ColumnType::of(batch.schema().field(2).data_type()),
        ColumnType::Turns
    );
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    assert_eq!(
        String::from_utf8(writer.into_inner()).unwrap(),
        concat!(
            r#"{"id":"a","n":1.0,"turns":[{"from":"human","value":"x"}],"v":[0.5,1.0]}"#,
            "\n",
            r#"{"n":2.5,"turns":[],"box":{"x":1}}"#,
            "\n"
        )
    );
}
