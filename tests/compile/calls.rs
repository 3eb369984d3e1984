//! Calls that are wrong, whatever the file holds.

use crate::support::{Outcome, Project};

const PIPELINE: &str = "\
version: 1
name: small
params: { keep: 2, file: data.json }
nodes:
  rows: { kind: load.llava, annotations: \"${file}\" }
  some: { kind: select.random, input: rows, count: \"${keep}\" }
outputs:
  - { from: some, path: some.json, format: llava }
";

fn call(name: &str, arguments: &[&str]) -> Outcome {
    let project = Project::new();
    project
        .file("small.yaml", PIPELINE)
        .file("data.json", "[]")
        .file("folder/inside.yaml", PIPELINE);
    let outcome = project.run(arguments).refused();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(format!("calls__{name}"), outcome.to_string());
    });
    assert!(
        !project.path("some.json").exists(),
        "a wrong call must not run anything"
    );
    outcome
}

macro_rules! calls {
    ($($name:ident: $($argument:literal)+;)*) => {
        $(
            #[test]
            fn $name() {
                call(stringify!($name), &[$($argument),+]);
            }
        )*
    };
}

calls! {
    file_is_a_folder: "check" "folder";
    file_is_an_empty_folder: "check" ".trommel-is-not-here/..";
    file_is_missing: "check" "smal.yaml";
    file_not_given: "check";
    command_unknown: "chekc" "small.yaml";
    set_without_equals: "check" "small.yaml" "--set" "keep";
    set_without_a_name: "check" "small.yaml" "--set" "=3";
    set_of_an_unknown_parameter: "check" "small.yaml" "--set" "kepe=3";
    set_twice_wrong: "check" "small.yaml" "--set" "keep" "--set" "file";
    set_to_broken_yaml: "check" "small.yaml" "--set" "keep=[1";
    set_to_the_wrong_type: "check" "small.yaml" "--set" "keep=most";
    set_to_an_unknown_parameter: "check" "small.yaml" "--set" "file=${fiel}";
    show_of_an_unknown_node: "show" "small.yaml" "som";
    show_of_an_unknown_port: "show" "small.yaml" "some.log";
    show_of_a_stranger: "show" "small.yaml" "difficulty";
    run_to_an_unknown_node: "run" "small.yaml" "--to" "sone";
    run_forcing_an_unknown_node: "run" "small.yaml" "--force" "row";
    run_with_no_jobs: "run" "small.yaml" "--jobs" "0";
    run_on_an_unknown_device: "run" "small.yaml" "--device" "gpu";
    run_without_its_data: "run" "small.yaml" "--set" "file=nowhere.json";
    plan_without_its_data: "plan" "small.yaml" "--set" "file=nowhere.json";
    graph_in_an_unknown_format: "graph" "small.yaml" "--format" "png";
}
