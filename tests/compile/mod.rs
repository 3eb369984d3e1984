//! Broken pipeline files and calls, and what the program says of them.
//!
//! Each file in `cases/` has one fault (or says in its name that it has many) and its rendered diagnostics in
//! `snapshots/`. After a change of wording: `INSTA_UPDATE=always cargo test --test tests compile`, then read the diff.

mod calls;

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Outcome, repository, run_in};

/// Checks files of a folder and compares what is said of each with its snapshot.
fn check(folder: &str, name: &str) -> Outcome {
    let outcome = run_in(
        &repository("tests/compile").join(folder),
        &["check", &format!("{name}.yaml")],
    );
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(format!("{folder}__{name}"), outcome.to_string());
    });
    outcome
}

macro_rules! files {
    ($folder:ident: $expect:ident; $($name:ident)*) => {
        mod $folder {
            /// The files that have a test.
            pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];

            $(
                #[test]
                fn $name() {
                    super::check(stringify!($folder), stringify!($name)).$expect();
                }
            )*
        }
    };
}

files! { cases: refused;
    alias_bomb
    choice_misspelt
    column_for_table
    column_misspelt
    column_name
    column_of_another_node
    column_read_from_scores
    column_read_unknown
    column_there_already
    column_type
    column_type_vector
    column_unknown
    concat_types
    count_negative
    count_zero
    cycle_of_itself
    cycle_of_three
    cycle_of_two
    empty
    env_missing
    epochs_zero
    expression_aggregate
    expression_column_unknown
    expression_syntax
    expression_with_unused
    extends_circle
    extends_fault_in_base
    extends_key_taken_away
    extends_missing
    extends_node_misspelt
    extends_other_version
    extends_parameter
    features_empty
    gamma_nan
    input_missing
    key_missing
    key_misspelt
    key_twice
    key_unknown
    keys_missing
    kind_missing
    kind_misspelt
    kind_not_text
    kind_of_a_family
    kind_unknown
    letters_beyond_ascii
    line_ends_of_windows
    list_at_top
    many_faults
    many_faults_of_one_node
    matrix_fault_in_a_value
    matrix_of_a_node
    matrix_output_path
    matrix_param_unknown
    matrix_secret
    matrix_too_many
    matrix_values
    measure_misspelt
    measure_of_turns
    measure_twice
    measures_empty
    nesting_bomb
    node_misspelt
    node_misspelt_before_it_is_defined
    node_name
    node_not_a_mapping
    node_twice
    node_unknown
    nodes_a_list
    nodes_missing
    not_text
    on_error_choice
    on_error_of_a_table
    only_comments
    output_a_mapping
    output_folder_of_rows
    output_format
    output_format_unknown
    output_from_unknown
    output_incomplete
    output_of_an_absent_port
    output_path_a_number
    output_path_empty
    output_twice
    output_without_raw
    param_bomb
    param_cycle
    param_list_in_text
    param_misspelt
    param_name
    param_none
    param_of_wrong_column
    param_of_wrong_type
    param_unclosed
    param_unknown_in_params
    params_a_list
    params_misspelt
    path_empty
    port_misspelt
    port_of_column_unknown
    port_unknown
    reference_empty
    rows_differ
    score_both_sources
    score_embedding_of_numbers
    score_model_without_rows
    score_no_source
    score_setting_of_a_model
    secret_as_reference
    secret_in_output
    secret_not_kept
    table_for_column
    test_keys
    test_names
    test_set_unknown
    test_values
    text_at_top
    too_many_parts
    top_key
    two_cycles
    two_documents
    type_bool
    type_choice
    type_device
    type_list
    type_null
    type_number
    type_number_too_large
    type_path
    type_reference
    type_text
    type_whole_number
    utf_16
    variant_unknown
    version_2
    version_as_text
    version_missing
    yaml_alias
    yaml_bracket
    yaml_indentation
    yaml_quote
    yaml_tab
}

files! { warnings: succeeded;
    missing_data
    nothing_to_run
    secret_in_a_missing_path
    unneeded_nodes
}

#[test]
fn every_file_has_a_test() {
    for (folder, names) in [("cases", cases::NAMES), ("warnings", warnings::NAMES)] {
        let listed: BTreeSet<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
        let there: BTreeSet<String> = fs::read_dir(repository("tests/compile").join(folder))
            .expect("the folder of the files")
            .map(|entry| {
                entry
                    .expect("a file")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        assert_eq!(there, listed, "in {folder}");
    }
}

#[test]
fn every_snapshot_has_a_file() {
    for entry in
        fs::read_dir(repository("tests/compile/snapshots")).expect("the folder of the snapshots")
    {
        let name = entry
            .expect("a file")
            .file_name()
            .to_string_lossy()
            .into_owned();
        let file = name.trim_end_matches(".snap").replacen("__", "/", 1);
        let is_call = file.starts_with("calls/");
        assert!(
            is_call
                || repository("tests/compile")
                    .join(format!("{file}.yaml"))
                    .exists(),
            "{name} belongs to no file"
        );
    }
}

#[test]
fn many_faults_are_found_in_one_go() {
    let outcome = check("cases", "many_faults");
    assert!(outcome.stderr.matches('×').count() >= 8, "{outcome}");
}
