//! Input that is wrong or strange: each has a behaviour of its own, and a message that names the place.

mod annotations;
mod chat;
mod checkpoints;
mod concat;
mod embeddings;
mod files;
mod folder;
mod image_bytes;
mod images;
mod score_net;
mod scores;
mod selection;
mod tables;
mod webdataset;
mod workers;

use std::fs;

use crate::support::{Log, Project};

/// A pipeline without a model: `data.json` is read, some are picked.
const PLAIN: &str = "version: 1
nodes:
  rows: { kind: load.llava, annotations: data.json, images: images }
  some: { kind: select.random, input: rows, count: 2 }
outputs:
  - { from: some, path: out.json, format: llava }
";

impl Project {
    /// Runs `p.yaml`, which must fail with status 1, name all of `words` and write no output.
    fn fails(&self, words: &[&str]) -> Log {
        self.fails_with(&[], words)
    }

    fn fails_with(&self, variables: &[(&str, &str)], words: &[&str]) -> Log {
        let log = Log::of(self.run_with(variables, &["run", "p.yaml", "--json"]));
        assert_eq!(log.outcome.status, 1, "{}", log.outcome);
        log.says(words);
        self.nothing_written();
        log
    }

    /// Refused before anything runs.
    fn is_refused(&self, words: &[&str]) {
        let log = self.log(&[]);
        assert_eq!(log.outcome.status, 2, "{}", log.outcome);
        log.says(words);
        self.nothing_written();
    }

    /// Runs `p.yaml`, which must succeed and say all of `words`.
    fn passes(&self, words: &[&str]) -> Log {
        let log = self.log(&[]);
        assert_eq!(log.outcome.status, 0, "{}", log.outcome);
        log.says(words);
        log
    }

    /// Neither an output nor a part of one.
    fn nothing_written(&self) {
        for entry in fs::read_dir(self.path(".")).expect("the project") {
            let name = entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned();
            let part = name.starts_with("out.json") || name.starts_with(".trommel-");
            assert!(!part, "{name} was left");
        }
    }
}

impl Log {
    pub(crate) fn says(&self, words: &[&str]) {
        // Long messages on stderr are folded.
        let said = self.said().split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {}", self.said());
        }
    }
}
