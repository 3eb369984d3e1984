//! Files of data with faults, for every kind that reads some: it is read, or an error says which file and why. A memory
//! limit stands over the program, so that a count that nobody checked ends it.

use std::fs;

use serde_json::{Value, json};

use super::files::{Reader, golden, gzip, npy_of, readers, record, safetensors};
use super::mutate::{change_a_byte, mutated};
use super::repeat;
use crate::support::{Project, Random, repository};

/// The files as they are, and `p.yaml` that reads them all.
fn project(readers: &[Reader]) -> Project {
    let project = Project::new();
    let mut text = "version: 1\nnodes:\n  rows: { kind: load.llava, annotations: rows.json }\n  \
         many: { kind: load.llava, annotations: many.json }\n  \
         ready: { kind: load.scores, input: rows, path: ready.json, column: v }\n"
        .to_owned();
    let mut outputs = "outputs:\n".to_owned();
    for Reader { node, settings, .. } in readers {
        text += &format!("  {node}: {{ {settings} }}\n");
        outputs += &format!("  - {{ from: {node}, path: {node}.out, format: jsonl }}\n");
    }
    let rows: Vec<Value> = ["1", "2"].map(record).to_vec();
    let records = golden("llava_instruct.json");
    let records: Vec<Value> = serde_json::from_slice(&records).expect("JSON");
    let many: Vec<Value> = (0..records.len()).map(|n| record(&n.to_string())).collect();
    project
        .file("p.yaml", text + &outputs)
        .file("rows.json", json!(rows).to_string())
        .file("many.json", json!(many).to_string())
        .file("ready.json", r#"{"0": 0.5, "1": 2}"#)
        .file("photos/a.png", b"\x89PNG");
    for Reader {
        node,
        file,
        content,
        ..
    } in readers
    {
        let folder = if *node == "images" { "photos/" } else { "" };
        project.file(&format!("{folder}{file}"), content);
    }
    project
}

/// Runs all; gives the nodes that failed with what they said.
fn failures(project: &Project) -> Vec<(String, String)> {
    let outcome = project.script("ulimit -v 6000000; exec \"$PROGRAM\" run p.yaml --json");
    assert!([0, 1].contains(&outcome.status), "{outcome}");
    let events = outcome.stdout.lines();
    let events = events.map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let failed = events.filter(|event| event["event"] == "node_failed");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    failed
        .map(|event| (word(&event["node"]), word(&event["message"])))
        .collect()
}

/// Files that one run reads.
const AT_ONCE: usize = 6;

#[test]
fn broken_files_of_data_are_named() {
    let whole = project(&readers());
    assert_eq!(failures(&whole), [], "what is whole is read");
    let mut random = Random::new();
    let (mut read, mut refused) = (0, 0);
    repeat("files of data", 40, |story| {
        let mut readers = readers();
        while readers.len() > AT_ONCE {
            readers.remove(random.below(readers.len()));
        }
        for Reader { node, content, .. } in &mut readers {
            *content = damaged(content, &mut random);
            *story += &format!("{node}: {:?}\n", String::from_utf8_lossy(content));
        }
        let project = project(&readers);
        let failures = failures(&project);
        for reader in &readers {
            let failure = failures.iter().find(|(node, _)| node == reader.node);
            let written = project.path(&format!("{}.out", reader.node)).is_file();
            let Some((_, message)) = failure else {
                read += 1;
                continue;
            };
            assert!(message.contains(reader.file), "{}: {message}", reader.node);
            assert!(!written, "{} failed and wrote", reader.node);
            refused += 1;
        }
    });
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
}

/// Cut off, or with bytes that are others, or with what means something in texts.
fn damaged(content: &[u8], random: &mut Random) -> Vec<u8> {
    let mut content = content.to_vec();
    match random.below(3) {
        0 => content.truncate(random.below(content.len())),
        1 => {
            for _ in 0..=random.below(4) {
                change_a_byte(&mut content, random);
            }
        }
        _ => content = mutated(&[content], random),
    }
    content
}

#[test]
fn hostile_files_of_data_are_refused() {
    let huge = json!([1_u64 << 61, 2]);
    let mut long_header = (1_u64 << 61).to_le_bytes().to_vec();
    long_header.extend(b"{}");
    let executes = repository("nodes/checkpoint/tests/files/executes.pt");
    let mut bomb = b"{\"messages\": [{\"role\": \"user\", \"content\": \"".to_vec();
    bomb.resize(80 << 20, b'x');
    let bomb = gzip(&bomb);
    let deep = "[".repeat(1 << 20);
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("npy", npy_of("(2305843009213693952, 2)", &[1.0]), "v.npy"),
        ("npy", npy_of("(2, 4611686018427387904)", &[1.0]), "v.npy"),
        ("tensors", safetensors("v", &huge, &[1.0]), "v.safetensors"),
        ("tensors", long_header, "v.safetensors"),
        (
            "net",
            safetensors("score_net.weight", &huge, &[1.0]),
            "net.safetensors",
        ),
        ("pickle", fs::read(executes).expect("a file"), "io.open"),
        ("messages", bomb.clone(), "m.json"),
        ("llava", bomb, "record 0: the record is longer than 64 MiB"),
        ("jsonl", deep.clone().into_bytes(), "j.jsonl, line 1"),
        ("llava", deep.clone().into_bytes(), "a.json"),
        ("scores", deep.into_bytes(), "v.json"),
    ];
    for (node, content, words) in cases {
        let mut alone = readers();
        alone.retain(|reader| reader.node == node);
        alone[0].content = content;
        let project = project(&alone);
        let failures = failures(&project);
        let [(failed, message)] = failures.as_slice() else {
            panic!("{node}: {failures:?}");
        };
        assert!(
            failed == node && message.contains(words),
            "{node}: {message}"
        );
        assert!(!project.path("pickle-was-executed").exists());
    }
}
