//! What every Rust file keeps to.

use super::source::sources;

/// Where texts leave the program; the worker's errors are its last words, which the engine passes on.
const PRINTERS: [&str; 2] = ["src/terminal.rs", "nodes/torch/src/main.rs"];

/// Lines of a file, tests included.
const MOST_LINES: usize = 400;

#[test]
fn every_file_says_what_it_is() {
    let bare: Vec<String> = sources(".")
        .into_iter()
        .filter(|s| !s.text.starts_with("//! "))
        .map(|s| s.path)
        .collect();
    assert!(bare.is_empty(), "files without a `//!` header: {bare:#?}");
}

#[test]
fn no_file_is_long() {
    let long: Vec<String> = sources(".")
        .into_iter()
        .map(|s| (s.text.lines().count(), s.path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "files of more than {MOST_LINES} lines: {long:#?}"
    );
}

#[test]
fn only_the_terminals_print() {
    let mut faults = Vec::new();
    for source in sources(".") {
        let may_print = source.is_test()
            || PRINTERS.contains(&source.path.as_str())
            || source.path.ends_with("build.rs");
        // Examples and benchmarks are programs of their own.
        let own = |part: &str| ["examples", "benches"].contains(&part);
        if may_print || source.path.split('/').any(own) {
            continue;
        }
        let code = source.code_of_program();
        for word in ["println!", "eprintln!", "print!", "eprint!", "dbg!"] {
            let found = code
                .match_indices(word)
                .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            if found {
                faults.push(format!("{}: {word}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
