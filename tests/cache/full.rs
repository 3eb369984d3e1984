//! A cache that cannot be written to: full, or read only.

use std::fs;
use std::process::Command;

use super::damage::files_below;
use crate::support::golden::golden;
use crate::support::{Project, program};

/// Runs `p.yaml` by a shell that has limited it first.
fn limited(project: &Project, limit: &str) -> (Option<i32>, String) {
    let run = program(&project.path("."), &["run", "p.yaml"]);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{limit} exec \"$0\" \"$@\""));
    shell.arg(run.get_program()).args(run.get_args());
    shell.current_dir(project.path("."));
    for (name, value) in run.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

/// No process may be helped over the rights of a file, as root is.
const NO_RIGHTS: &str = "setpriv --inh-caps=-all --bounding-set=-all";

#[test]
fn a_file_that_does_not_fit_is_told_and_leaves_nothing() {
    let project = golden();
    // Files of four blocks, of 512 bytes or a kilobyte each, are too small for the objects.
    let (status, told) = limited(&project, "trap '' XFSZ; ulimit -f 4;");
    assert_eq!(status, Some(1), "{told}");
    assert!(
        told.contains("cannot write") && told.contains("trommel cache gc"),
        "{told}"
    );
    let left = files_below(&project.path(".trommel"));
    let temporary = |path: &&std::path::PathBuf| path.display().to_string().contains("/tmp/");
    let in_tmp = left
        .iter()
        .filter(|path| path.starts_with(project.path(".trommel/tmp")));
    assert_eq!(
        in_tmp.count(),
        0,
        "{:?}",
        left.iter().filter(temporary).collect::<Vec<_>>()
    );
    project.ran(&[]);
    project.run(&["cache", "verify"]).succeeded();
}

#[test]
fn a_cache_that_may_only_be_read_serves_what_it_holds() {
    let project = golden();
    project.ran(&[]);
    let output = project.read("out.json");
    fs::remove_file(project.path("out.json")).expect("removed");
    let cache = project.path(".trommel");
    let chmod = |mode: &str| {
        let changed = Command::new("chmod")
            .args(["-R", mode])
            .arg(&cache)
            .status();
        assert!(changed.expect("chmod").success());
    };
    chmod("a-w");
    let (status, told) = limited(&project, &format!("exec {NO_RIGHTS} \"$0\" \"$@\";"));
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(project.read("out.json"), output);
    let text = project.read("p.yaml").replace("count: 8", "count: 7");
    project.file("p.yaml", text);
    let (status, told) = limited(&project, &format!("exec {NO_RIGHTS} \"$0\" \"$@\";"));
    chmod("u+w");
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("a cache that may only be read"), "{told}");
}
