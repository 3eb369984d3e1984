//! What `explain` says of a key: its parts, beside those of the last run.

use super::reasons::{LIGHT, light, set_rows, set_scores};
use crate::support::Project;

/// Digests differ between machines where they hold paths.
fn explained(project: &Project, arguments: &[&str]) -> String {
    let call = [&["explain", "p.yaml"], arguments].concat();
    let text = project.run(&call).succeeded().stdout;
    let is_digest =
        |word: &str| [12, 64].contains(&word.len()) && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = text.split_inclusive([' ', '\n', '"']).map(|word| {
        let end = word.len() - usize::from(word.ends_with([' ', '\n', '"']));
        if is_digest(&word[..end]) {
            format!("{}{}", "#".repeat(12), &word[end..])
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($name, $text);
        });
    };
}

#[test]
fn explain_takes_a_key_apart() {
    let project = light();
    snapshot!("explain_hit", explained(&project, &["best"]));
    snapshot!(
        "explain_another_count",
        explained(&project, &["best", "--set", "count=5"])
    );
    set_scores(&project, "scores.json", &[5, 3, 8, 1, 9, 7]);
    snapshot!("explain_another_file", explained(&project, &["judge"]));
    snapshot!("explain_unknown_input", explained(&project, &["best"]));
    snapshot!("explain_json", explained(&project, &["judge", "--json"]));
}

#[test]
fn explain_of_a_node_that_never_ran() {
    let project = Project::new();
    project.file("p.yaml", LIGHT);
    set_rows(&project, &[0, 1]);
    set_scores(&project, "scores.json", &[5, 3]);
    snapshot!("explain_new", explained(&project, &["best"]));
    let call = ["explain", "p.yaml", "bset"];
    let told = project.run(&call).refused();
    assert!(told.stderr.contains("did you mean `best`?"), "{told}");
}
