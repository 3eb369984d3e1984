//! The files that make a program what it is count by content: those that its command names, and `files`.

use super::{LENGTH, pipeline, project, worker};
use crate::support::Project;

/// A script that becomes the worker, beside things that it is said to be made of.
fn with_script(node: &str) -> Project {
    let project = project("", LENGTH);
    let script = format!("#!/bin/sh\n# first\nexec '{}' \"$@\"\n", worker().display());
    project
        .file("own.sh", script)
        .file("parts/helper.py", "one")
        .file("parts/deep/more.py", "one")
        .file("parts/__pycache__/helper.pyc", "one");
    pipeline(&project, &format!("command: [sh, own.sh], {LENGTH}{node}"));
    assert_eq!(project.done(), "rows, own 5/5");
    assert_eq!(project.done(), "nothing");
    project
}

const AGAIN: &str = "own 5/5";
const NOTHING: &str = "nothing";

#[test]
fn an_edited_script_computes_all_rows_again_and_a_touched_one_does_not() {
    let project = with_script("");
    let script = project.read("own.sh");
    project.file("own.sh", &script);
    assert_eq!(project.done(), NOTHING);
    project.file("own.sh", script.replace("first", "second"));
    let plan = project.run(&["plan", "p.yaml"]).succeeded();
    assert!(plan.stdout.contains("own.sh"), "{plan}");
    assert_eq!(project.done(), AGAIN);
    // What is computed already for the old one is still known.
    project.file("own.sh", script);
    assert_eq!(project.done(), NOTHING);
}

#[test]
fn named_files_folders_and_patterns_count() {
    for files in [
        "[parts]",
        "[parts/helper.py, parts/deep]",
        "[\"parts/**/*.py\"]",
    ] {
        let project = with_script(&format!(", files: {files}"));
        project.file("parts/__pycache__/helper.pyc", "two");
        project.file("parts/.hidden", "two");
        assert_eq!(project.done(), NOTHING, "{files}");
        project.file("parts/helper.py", "two");
        assert_eq!(project.done(), AGAIN, "{files}");
        project.file("parts/deep/more.py", "two");
        assert_eq!(project.done(), AGAIN, "{files}");
        project.file("parts/deep/new.py", "new");
        let found = project.done();
        assert_eq!(found, AGAIN, "{files}");
    }
}

#[test]
fn arguments_configuration_and_version_count() {
    let project = with_script("");
    let text = project.read("p.yaml");
    for (old, new) in [
        ("own.sh]", "own.sh, more]"),
        ("f32 }", "f32 }, config: { a: 1 }"),
        ("f32 }", "f32 }, version: second"),
        ("f32 }", "f64 }"),
    ] {
        project.file("p.yaml", text.replace(old, new));
        let ran = project.done();
        assert!(ran.starts_with("own 5/5"), "{new}: {ran}");
    }
    project.file("p.yaml", text);
    assert_eq!(project.done(), NOTHING);
}

#[test]
fn files_that_rows_name_count_by_content() {
    let project = project("echo", "opens: { text: image }, gives: { length: text }");
    crate::support::llava(
        &project,
        &[("a", "one.png"), ("b", "two.png")].map(|(answer, image)| crate::support::Record {
            image: Some(image),
            question: "q",
            answer,
        }),
    );
    // Both files hold the same, so one of them is asked for.
    assert_eq!(project.done(), "rows, own 1/2");
    let shown = project.table("own")[0]["length"].clone();
    assert_eq!(shown, "[FOLDER]/images/one.png");
    project.file("images/two.png", "another");
    assert_eq!(project.done(), "own 1/2");
}

#[test]
fn a_program_whose_changes_are_not_seen_is_warned_of() {
    let project = project("", LENGTH);
    let checked = |node: &str| {
        pipeline(&project, node);
        project.run(&["check", "p.yaml"]).succeeded().to_string()
    };
    let unseen = "changes of the program";
    project.file("own.py", "x");
    assert!(checked(&format!("command: [sh, -c, own], {LENGTH}")).contains(unseen));
    for node in [
        format!("command: [sh, own.py], {LENGTH}"),
        format!("command: [sh, -c, own], {LENGTH}, files: [own.py]"),
        format!("command: [sh, -c, own], {LENGTH}, version: first"),
    ] {
        let said = checked(&node);
        assert!(!said.contains("warning"), "{said}");
    }
    let said = checked(&format!(
        "command: [sh, own.py], {LENGTH}, files: [none.py]"
    ));
    assert!(said.contains("there is no file none.py"), "{said}");
    let said = checked(&format!("command: [no-such-program], {LENGTH}, version: x"));
    assert!(
        said.contains("no-such-program") && said.contains("PATH"),
        "{said}"
    );
}

#[test]
fn a_command_keeps_no_secret() {
    let project = project("", LENGTH);
    pipeline(
        &project,
        &format!("command: [sh, \"${{env:TROMMEL_TEST_SECRET}}\"], {LENGTH}"),
    );
    let said = project.run(&["check", "p.yaml"]).refused();
    assert!(said.stderr.contains("secret"), "{said}");
}
