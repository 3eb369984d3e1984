//! The Rust files of the repository, and their code without comments and texts.

use std::fs;
use std::path::Path;

use crate::support::repository;

/// A Rust file.
pub(super) struct Source {
    /// Relative to the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// All Rust files below a folder of the repository, sorted.
pub(super) fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(
        &repository(folder),
        folder.trim_start_matches('.'),
        &mut found,
    );
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "there are no Rust files in {folder}");
    found
}

fn collect(folder: &Path, shown: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if shown.is_empty() {
            name.clone()
        } else {
            format!("{shown}/{name}")
        };
        let is_folder = entry.file_type().expect("a type").is_dir();
        if is_folder && name != "target" && !name.starts_with('.') {
            collect(&entry.path(), &path, found);
        } else if entry.path().extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(entry.path()).expect("text");
            found.push(Source { path, text });
        }
    }
}

impl Source {
    /// The code without comments and without what stands in quotes.
    pub(super) fn code(&self) -> String {
        without_texts(&self.text)
    }

    /// The code before `mod tests`.
    pub(super) fn code_of_program(&self) -> String {
        let code = self.code();
        let end = code
            .match_indices("\n#[cfg(test)]\n")
            .map(|(at, _)| at)
            .find(|&at| {
                let item = code[at..]
                    .lines()
                    .find(|line| !line.is_empty() && !line.starts_with('#'));
                item.is_some_and(|line| line.starts_with("mod "))
            });
        code[..end.unwrap_or(code.len())].to_owned()
    }

    pub(super) fn is_test(&self) -> bool {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        let folders = ["tests/", "/tests/"];
        self.path.starts_with(folders[0])
            || self.path.contains(folders[1])
            || file == "tests.rs"
            || file == "testing.rs"
            || file.ends_with("_tests.rs")
    }
}

/// The first names after `root::` wherever that stands: `root::a::B` gives `a`, `root::{a, b::C}` gives both.
pub(super) fn names_after(code: &str, root: &str) -> Vec<String> {
    let start = format!("{root}::");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(&start) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            None => names.push(first_name(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut item = 0;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth > 0 => depth -= 1,
                        ',' | '}' if depth == 0 => {
                            names.push(first_name(group[item..i].trim_start()));
                            item = i + 1;
                            if c == '}' {
                                break;
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn without_texts(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if c == '"' {
            quoted(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if c == 'r' && !after_word && rest[1..].trim_start_matches('#').starts_with('"') {
            let hashes = rest[1..].chars().take_while(|&c| c == '#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            let body = hashes + 2;
            rest[body..]
                .find(&end)
                .map_or(rest.len(), |at| body + at + end.len())
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

/// The length of the text that `rest` begins with, quotes included.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn comments_and_texts_are_left_out() {
    let text = "use crate::a; // crate::b\nlet x = \"crate::c \\\" crate::d\"; f('\"', r#\"crate::e\"#); crate::f::G";
    assert_eq!(names_after(&without_texts(text), "crate"), ["a", "f"]);
    assert_eq!(
        names_after("use crate::{a::{B, C}, d, e::F};", "crate"),
        ["a", "d", "e"]
    );
    assert_eq!(
        names_after("other_crate::a; some::crate::b", "crate"),
        [""; 0]
    );
}
