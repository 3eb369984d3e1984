//! `card: true`: the dataset card beside an output.

use serde_json::Value;

use super::{pipeline, project};

fn head(card: &str) -> Value {
    let (_, rest) = card.split_once("---\n").expect("a head");
    let (head, _) = rest.split_once("---\n").expect("its end");
    serde_yaml::from_str(head).expect("YAML")
}

#[test]
fn a_card_tells_the_hub_and_people() {
    let project = project("path: out/chats.json, format: llava, images: copy, card: true");
    let text = project.read("p.yaml").replace(
        "outputs:\n  - { from: rows,",
        "  some: { kind: select.random, input: rows, count: \"${keep}\", seed: 7 }\noutputs:\n  - { from: some,",
    );
    let text = text.replace("nodes:", "params: { keep: 3 }\nnodes:");
    project.file("p.yaml", text);
    project.ran(&[]);
    let card = project.read("out/README.md");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("card", card);
    });
    let head = head(&card);
    assert_eq!(head["configs"][0]["data_files"][0]["path"], "chats.json");
    assert_eq!(head["size_categories"][0], "n<1K");
    assert_eq!(project.ran(&[]), "nothing; kept chats.json");
    project.file("out/README.md", card.replace("# small", "# renamed"));
    assert_eq!(project.ran(&[]), "nothing; wrote chats.json");
    assert_eq!(project.read("out/README.md"), card);
}

#[test]
fn a_readme_of_ones_own_stays() {
    let project = project("path: out.json, format: llava, card: true");
    project.file("README.md", "# Mine\n");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    log.says(&["README.md was not written by a run", "leave `card` out"]);
    assert_eq!(project.read("README.md"), "# Mine\n");
    assert!(!project.path("out.json").exists());
    // One that was written and taken over stays as well.
    std::fs::remove_file(project.path("README.md")).expect("removed");
    project.ran(&[]);
    let card = project.read("README.md");
    let own: String = card
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("<!--"))
        .collect();
    project.file("README.md", &own);
    assert_eq!(project.log(&[]).outcome.status, 1);
    assert_eq!(project.read("README.md"), own);
}

#[test]
fn a_card_follows_the_parameters() {
    let project = project("path: out.json, format: llava, card: true");
    let text = project.read("p.yaml");
    project.file(
        "p.yaml",
        text.replace("nodes:", "params: { note: one }\nnodes:"),
    );
    project.ran(&[]);
    assert_eq!(project.ran(&[]), "nothing; kept out.json");
    project.file(
        "p.yaml",
        text.replace("nodes:", "params: { note: two }\nnodes:"),
    );
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    assert!(project.read("README.md").contains("- note: `two`"));
}

#[test]
fn the_card_of_a_folder_stands_in_it() {
    let project = project("path: shards, format: webdataset, card: true");
    assert_eq!(project.ran(&[]), "rows; wrote shards");
    let card = project.read("shards/README.md");
    assert_eq!(head(&card)["configs"][0]["data_files"][0]["path"], "*.tar");
    assert_eq!(project.ran(&[]), "nothing; kept shards");
    project.file("p.yaml", pipeline("path: shards, format: webdataset"));
    assert_eq!(project.ran(&[]), "nothing; wrote shards");
    assert!(!project.path("shards/README.md").exists());
}

#[test]
fn two_cards_in_one_place_are_refused() {
    let project =
        project("path: a.json, format: llava, card: true\npath: b.json, format: llava, card: true");
    let outcome = project.run(&["check", "p.yaml"]).refused();
    assert!(outcome.stderr.contains("two outputs go to"), "{outcome}");
    assert!(outcome.stderr.contains("README.md"), "{outcome}");
}
