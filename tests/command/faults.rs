//! Programs that do not keep to what they promise: the message names them, the promise, and what came.

use std::time::{Duration, Instant};

use super::{LENGTH, pipeline, project, project_of};
use crate::support::Project;

#[test]
fn a_crash_in_the_middle_shows_the_last_words() {
    // Requests of one row: the third crashes it.
    let node = format!("{LENGTH}, batch_size: 1");
    let project = project_of(&["a", "bb", "crash", "dd"], "crash", &node);
    project.own_fails(&[
        "test_worker crash`",
        "ended (exit status: 3)",
        "MemoryError: out of luck",
    ]);
    assert!(!project.path("own.jsonl").exists());
}

#[test]
fn a_killed_program_is_a_failed_node() {
    project("kill", LENGTH).own_fails(&["test_worker kill`", "signal: 9"]);
}

#[test]
fn a_program_that_hangs_is_ended_with_its_children() {
    let project = project("hang", &format!("{LENGTH}, timeout: 1"));
    let start = Instant::now();
    project.own_fails(&[
        "test_worker hang` did not answer within 1 s",
        "downloading weights",
        "timeout: SECONDS",
    ]);
    assert!(start.elapsed() < Duration::from_secs(30));
    let child = project.read("child");
    let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    assert!(
        state.is_empty() || state.contains(") Z "),
        "its child {child} lives: {state}"
    );
}

#[test]
fn a_program_that_does_not_read_is_ended_too() {
    // More than a pipe holds, so that sending alone would wait for ever.
    let long = "x".repeat(1 << 20);
    let project = project("deaf", &format!("{LENGTH}, timeout: 1, batch_size: 1"));
    let records = project.read("data.json").replace("ccc", &long);
    project.file("data.json", records);
    project.own_fails(&["did not answer within 1 s"]);
}

#[test]
fn one_that_is_slow_to_greet_is_ended_as_well() {
    project("asleep", &format!("{LENGTH}, timeout: 1")).own_fails(&["did not answer within 1 s"]);
}

#[test]
fn a_slow_program_that_reports_its_progress_is_left_alone() {
    let project = project("slow", &format!("{LENGTH}, timeout: 1"));
    assert_eq!(project.done(), "rows, own 5/5");
}

#[test]
fn wrong_columns_and_types_are_named_with_what_was_promised() {
    for (mode, words) in [
        ("column", &["`length` (f32)", "`lenght` (f32)"][..]),
        ("extra", &["`words` (f32)", "does not name"]),
        ("type", &["`length` as f64", "promises f32"]),
        ("rows", &["gave 4 rows for 5"]),
        ("failed", &["row 77 has failed", "rows 0 to 4"]),
        ("vectors", &["list of f32", "promises f32"]),
        ("echo", &["`length` as text", "promises f32"]),
    ] {
        let log = project(mode, LENGTH).own_fails(words);
        let named = format!("test_worker {mode}`");
        assert!(log.said().contains(&named), "{}", log.said());
    }
}

#[test]
fn vectors_of_another_width_are_refused() {
    let gives = |ty: &str| format!("reads: [text], gives: {{ length: {ty} }}");
    project("vectors", &gives("vector(4)")).own_fails(&["a vector of 3 values", "not of 4"]);
    // Requests of four rows and of one: widths 2 and 3.
    let open = format!("{}, batch_size: 4", gives("vector"));
    project("crooked", &open).own_fails(&["a vector of 3 values", "not of 2"]);
}

#[test]
fn a_program_that_is_no_worker_is_told_how_to_be_one() {
    for (mode, words) in [
        (
            "noise",
            &["`Loading the`", "printing to stdout", "standard error"][..],
        ),
        ("stray", &["printing to stdout"]),
        ("exit", &["ended (exit status: 0)", "worker-protocol.md"]),
        ("missing", &["exit status: 1", "No module named 'torch'"]),
        ("protocol", &["protocol 7", "speaks 1"]),
    ] {
        project(mode, LENGTH).own_fails(words);
    }
}

#[test]
fn what_the_program_reports_itself_is_passed_on() {
    project("refuse", LENGTH).own_fails(&[
        "test_worker refuse` reports: too many rows",
        "send fewer",
        "about to refuse",
    ]);
    project("open", &format!("{LENGTH}, config: {{ a: 1 }}")).own_fails(&[
        "cannot open with {\"a\":1}",
        "the model is not there",
        "give it a model",
    ]);
}

#[test]
fn programs_that_cannot_be_started_are_told_apart() {
    let project = project("", LENGTH);
    let fails = |project: &Project, command: &str, words: &[&str]| {
        pipeline(project, &format!("command: [{command}], {LENGTH}"));
        project.own_fails(words);
    };
    fails(&project, "no-such-program", &["no-such-program", "on PATH"]);
    fails(&project, "./none.py", &["none.py", "there is no"]);
    project.file("plain.py", "print('hello')\n");
    fails(&project, "./plain.py", &["executable", "chmod +x"]);
    fails(&project, "plain.py", &["`./plain.py`"]);
    executable(&project, "plain.py");
    fails(&project, "./plain.py", &["#!", "interpreter"]);
    project.file("lost.py", "#!/no/interpreter\n");
    executable(&project, "lost.py");
    fails(&project, "./lost.py", &["lost.py is there", "interpreter"]);
}

fn executable(project: &Project, name: &str) {
    let allow = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(project.path(name), allow).expect("set");
}
