//! Configurations that make no sense: refused before anything runs, with what to write instead.

use super::{LENGTH, pipeline, project};

#[test]
fn what_makes_no_sense_is_said_with_what_would() {
    let project = project("", LENGTH);
    for (node, words) in [
        (
            "command: [], reads: [text], gives: { a: f32 }",
            &["begins with a program", "python3"][..],
        ),
        (
            "command: [\"\"], reads: [text], gives: { a: f32 }",
            &["begins with a program"],
        ),
        (
            "command: python3 own.py, reads: [text], gives: { a: f32 }",
            &["`command` must be a list"],
        ),
        (
            "command: [sh, 3], reads: [text], gives: { a: f32 }",
            &["must be text, found the number 3"],
        ),
        (
            "command: [sh], gives: { a: f32 }",
            &["sees no column", "opens: [image]"],
        ),
        (
            "command: [sh], reads: [txt], gives: { a: f32 }",
            &["no column `txt`", "`text`"],
        ),
        (
            "command: [sh], reads: text, gives: { a: f32 }",
            &["a list of columns"],
        ),
        (
            "command: [sh], reads: [text], opens: [text], gives: { a: f32 }",
            &["`text` stands under `reads` too"],
        ),
        (
            "command: [sh], reads: { a: text }, opens: [text], gives: { a: f32 }",
            &["column `text` stands under `reads`"],
        ),
        (
            "command: [sh], reads: [text], opens: [unique_idx], gives: { a: f32 }",
            &["unique_idx", "needs text"],
        ),
        (
            "command: [sh], reads: [text], gives: { a: f23 }",
            &["did you mean `f32`?"],
        ),
        (
            "command: [sh], reads: [text], gives: { a: list }",
            &["the choices are text, f32", "vector(N)"],
        ),
        (
            "command: [sh], reads: [text], gives: {}",
            &["gives no column", "score: f32"],
        ),
        (
            "command: [sh], reads: [text], gives: { key: text }",
            &["`key` cannot be the name"],
        ),
        (
            "command: [sh], reads: [text], gives: { a.b: text }",
            &["without a dot"],
        ),
        (
            "command: [sh], reads: [text], gives: { a: vector, b: f32 }",
            &["embed.command gives one column of vectors"],
        ),
        (
            "command: [sh], reads: [text], gives: { a: f32 }, timeout: 0",
            &["`timeout` must be a whole number of 1 or more"],
        ),
        (
            "command: [sh], reads: [text], gives: { a: f32 }, processes: -1",
            &["`processes` must be a whole number of 1 or more"],
        ),
    ] {
        pipeline(&project, node);
        let outcome = project.run(&["check", "p.yaml"]).refused();
        // Long messages are folded.
        let said = outcome
            .stderr
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        for word in words {
            assert!(said.contains(word), "{node}: {word:?} is not in: {outcome}");
        }
    }
}

#[test]
fn a_missing_file_stops_a_run_and_a_missing_program_only_where_it_is_needed() {
    let project = project("", LENGTH);
    project.ran(&[]);
    let text = project.read("p.yaml");
    let files = text.replace(LENGTH, &format!("{LENGTH}, files: [none.py]"));
    project.file("p.yaml", files);
    let said = project.run(&["run", "p.yaml"]).refused();
    assert!(said.stderr.contains("there is no file none.py"), "{said}");
    // All is cached under the name of a program that is gone now.
    let script = format!("#!/bin/sh\nexec '{}'\n", super::worker().display());
    project.file("bin/own-program", script);
    let allow = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(project.path("bin/own-program"), allow).expect("set");
    pipeline(
        &project,
        &format!("command: [own-program], version: a, {LENGTH}"),
    );
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", project.path("bin").display());
    project
        .run_with(&[("PATH", &path)], &["run", "p.yaml"])
        .succeeded();
    let cached = project.run(&["run", "p.yaml"]).succeeded();
    assert!(
        cached.stderr.contains("no program `own-program` on PATH"),
        "{cached}"
    );
    assert!(cached.stderr.contains("all 2 nodes are cached"), "{cached}");
}
