//! Answers that were recorded elsewhere: a chat completion for each row, in the published program's form.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::answer::Answer;

/// A folder of files `UNIQUE_IDX.json`.
pub(super) struct Recorded {
    folder: PathBuf,
}

impl Recorded {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    pub(super) fn file(&self, unique_idx: u64) -> PathBuf {
        self.folder.join(format!("{unique_idx}.json"))
    }

    /// What the model said of a row; none where nothing is recorded. `Err` says why the file cannot be used.
    pub(super) fn text(&self, unique_idx: u64) -> Option<Result<String, String>> {
        let path = self.file(unique_idx);
        let fault = |why: String| format!("{}: {why}", path.display());
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(fault(error.to_string()))),
        };
        let completion = serde_json::from_slice(&bytes).map_err(|e| fault(e.to_string()));
        let answer = completion.and_then(|completion| {
            let answer = Answer::of(&completion);
            answer.map_err(|why| fault(format!("no chat completion: {why}")))
        });
        Some(answer.and_then(|answer| answer.into_text().map_err(fault)))
    }

    pub(super) fn has(&self, unique_idx: u64) -> bool {
        self.file(unique_idx).exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_for_each_row() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = Recorded::new(folder.path());
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "0.json",
            r#"{"choices": [{"message": {"content": "8/10"}}]}"#,
        );
        write("1.json", r#"{"choices": [{"message""#);
        write("2.json", r#"{"error": "busy"}"#);
        assert_eq!(recorded.text(0), Some(Ok("8/10".into())));
        for (row, why) in [(1, "EOF"), (2, "no `choices`")] {
            let said = recorded.text(row).unwrap().unwrap_err();
            assert!(
                said.contains(&format!("{row}.json")) && said.contains(why),
                "{said}"
            );
        }
        assert_eq!(recorded.text(3), None);
        assert!(recorded.has(0) && !recorded.has(3));
    }
}
