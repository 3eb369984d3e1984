//! A pipeline with a node of every family, and what an undisturbed run of it writes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::golden::{PIPELINE, golden, pipeline};
use crate::support::{Log, Project, program};

/// Behind the golden nodes, where rows are few: a table of three chunks.
const MANY: &str = r#"
  many: { kind: load.llava, annotations: many.json, images: . }
  many_clip: { kind: embed.clip, input: many, model: "[MODELS]/clip", device: cpu }
  many_judge: { kind: load.scores, input: many, path: many_judge.json, column: judge }
  top: { kind: select.top, input: many, score: many_judge.judge, count: 700 }
outputs:
  - { from: selected, path: out/selected.json, format: llava }
  - { from: difficulty, path: out/difficulty.csv, format: csv }
  - { from: clip_score, path: out/clip_score.arrow, format: arrow }
  - { from: top, path: out/top.json, format: llava }
  - { from: many_clip, path: out/many_clip.arrow, format: arrow }
"#;

const RECORDS: usize = 2500;

pub(super) struct Families {
    pub(super) project: Project,
    /// How long an undisturbed run takes.
    pub(super) whole: Duration,
    written: BTreeMap<String, Vec<u8>>,
}

/// A run that may still be under way. Its events and its words go to files named after it.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) name: String,
}

impl Families {
    /// Runs the pipeline undisturbed, in a cache of its own.
    pub(super) fn new() -> Self {
        let project = golden();
        let (nodes, _) = PIPELINE.split_once("outputs:").expect("outputs");
        let text = nodes.trim_end().to_owned() + MANY;
        project.file("p.yaml", pipeline(&text));
        let records: Vec<Value> = (0..RECORDS)
            .map(|number| {
                let question = format!("Question {number}?");
                json!({ "id": number, "conversations": [{ "from": "human", "value": question }] })
            })
            .collect();
        project.file("many.json", serde_json::to_vec(&records).expect("JSON"));
        let scores: BTreeMap<String, usize> = (0..RECORDS)
            .map(|number| (number.to_string(), number * 7919 % 2503))
            .collect();
        project.file("many_judge.json", json!(scores).to_string());

        let start = Instant::now();
        project.ran(&["--cache", "undisturbed"]);
        let whole = start.elapsed();
        let mut families = Self {
            project,
            whole,
            written: BTreeMap::new(),
        };
        families.written = families.outputs();
        assert_eq!(families.written.len(), 7, "{:?}", families.written.keys());
        families
    }

    /// The files in `out/` but for those that a killed run had begun.
    fn outputs(&self) -> BTreeMap<String, Vec<u8>> {
        let Ok(folder) = fs::read_dir(self.project.path("out")) else {
            return BTreeMap::new();
        };
        folder
            .map(|entry| entry.expect("an entry"))
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry))
            .filter(|(name, _)| !name.starts_with(".trommel-"))
            .map(|(name, entry)| (name, fs::read(entry.path()).expect("an output")))
            .collect()
    }

    pub(super) fn forget_outputs(&self) {
        let _ = fs::remove_dir_all(self.project.path("out"));
    }

    pub(super) fn start(&self, name: &str, arguments: &[&str]) -> Started {
        let file = |ending: &str| {
            File::create(self.project.path(&format!("{name}.{ending}"))).expect("a file")
        };
        let call = [&["run", "p.yaml", "--json"], arguments].concat();
        let child = program(&self.project.path("."), &call)
            .stdin(Stdio::null())
            .stdout(file("events"))
            .stderr(file("words"))
            .spawn()
            .expect("the program starts");
        let name = name.to_owned();
        Started { child, name }
    }

    /// Whatever is half in the cache, a run ends well, writes what an undisturbed one writes, and leaves nothing to do.
    pub(super) fn finishes(&self, cache: &str, story: &str) {
        let log = self.project.log(&["--cache", cache]);
        assert_eq!(log.outcome.status, 0, "{story}: {}", log.outcome);
        self.wrote_the_same(story);
        let again = self.project.ran(&["--cache", cache]);
        assert!(
            again.starts_with("nothing;") && !again.contains("wrote"),
            "{story}: {again}"
        );
    }

    /// As `finishes`, but a first run may also fail if it says why.
    pub(super) fn recovers(&self, cache: &str, arguments: &[&str], story: &str) -> Log {
        let log = self.project.log(&[&["--cache", cache], arguments].concat());
        if log.outcome.status == 0 {
            self.wrote_the_same(story);
        } else {
            assert_eq!(log.outcome.status, 1, "{story}: {}", log.outcome);
            assert!(log.line().contains("FAILED"), "{story}: {}", log.outcome);
            self.forget_outputs();
        }
        self.finishes(cache, story);
        log
    }

    pub(super) fn wrote_the_same(&self, story: &str) {
        let written = self.outputs();
        let names: Vec<&String> = written.keys().collect();
        assert!(
            written.keys().eq(self.written.keys()),
            "{story}: it wrote {names:?}"
        );
        for (name, bytes) in &written {
            let same = *bytes == self.written[name];
            assert!(
                same,
                "{story}: {name} is not as an undisturbed run writes it"
            );
        }
    }
}

impl Started {
    /// Waits for the end; none if it was ended by a signal.
    pub(super) fn status(&mut self, families: &Families) -> Option<i32> {
        let status = self.child.wait().expect("it ends");
        let words = families.project.read(&format!("{}.words", self.name));
        assert!(!words.contains("panicked"), "{words}");
        assert!(status.code().is_some() || status.signal() == Some(9));
        status.code()
    }

    pub(super) fn events(&self, families: &Families) -> String {
        families.project.read(&format!("{}.events", self.name))
    }
}

/// How many events of a log are of this sort and speak of this node.
pub(super) fn count(events: &str, event: &str, node: &str) -> usize {
    let (event, node) = (
        format!(r#""event":"{event}""#),
        format!(r#""node":"{node}""#),
    );
    events
        .lines()
        .filter(|line| line.contains(&event) && line.contains(&node))
        .count()
}

/// Whether the system lets tests mount folders in a name space of their own.
pub(super) fn may_mount() -> bool {
    Command::new("unshare")
        .args(["-rm", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
