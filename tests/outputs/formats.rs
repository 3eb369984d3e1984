//! The formats of conversations, and tar shards.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Value, json};

use super::{image, project, records};

#[test]
fn sharegpt_is_what_the_records_say() {
    let project = project("path: a.json, format: sharegpt\npath: b.jsonl, format: sharegpt");
    project.ran(&[]);
    // The project's data are of that form themselves.
    assert_eq!(records(&project, "a.json"), records(&project, "data.json"));
    assert_eq!(records(&project, "b.jsonl"), records(&project, "data.json"));
}

#[test]
fn messages_have_roles_and_a_list_of_images() {
    let project =
        project("path: a.jsonl, format: messages, images: copy\npath: b.json, format: messages");
    project.ran(&[]);
    assert_eq!(
        records(&project, "a.jsonl")[..2],
        [
            json!({
                "id": "record-0",
                "messages": [
                    { "role": "user", "content": "<image>\nWhat?" },
                    { "role": "assistant", "content": "A thing, \"so\".\nYes." },
                ],
                "images": ["a_images/a/one.png"],
            }),
            json!({
                "id": "record-1",
                "messages": [
                    { "role": "user", "content": "Und \u{e4}?" },
                    { "role": "assistant", "content": "\u{1f600}" },
                ],
                "images": [],
            }),
        ]
    );
    assert_eq!(records(&project, "b.json")[2]["images"], json!(["two.png"]));
}

#[test]
fn a_system_column_is_kept() {
    let project = project("path: a.json, format: sharegpt\npath: b.json, format: messages");
    let line = json!({
        "id": 7, "system": "Be brief.",
        "conversations": [{ "from": "human", "value": "q" }, { "from": "gpt", "value": "a" }],
    });
    let bare = json!({ "conversations": [{ "from": "human", "value": "q" }] });
    project.file("data.jsonl", format!("{line}\n{bare}\n"));
    let text = project.read("p.yaml").replace(
        "kind: load.llava, annotations: data.json, images: images",
        "kind: load.jsonl, path: data.jsonl",
    );
    project.file("p.yaml", text);
    project.ran(&[]);
    let turns = &line["conversations"];
    assert_eq!(
        records(&project, "a.json"),
        [
            json!({ "id": "7", "system": "Be brief.", "conversations": turns }),
            bare
        ]
    );
    assert_eq!(
        records(&project, "b.json")[0],
        json!({ "id": "7", "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "q" },
            { "role": "assistant", "content": "a" },
        ]})
    );
}

#[test]
fn turns_without_a_role_are_named() {
    let project = project("path: a.json, format: messages");
    let turn = json!({ "conversations": [{ "from": "tool", "value": "q" }] });
    let none = json!({ "id": "x" });
    let text = project.read("p.yaml").replace(
        "kind: load.llava, annotations: data.json, images: images",
        "kind: load.jsonl, path: data.jsonl",
    );
    project
        .file("p.yaml", text)
        .file("data.jsonl", format!("{turn}\n"));
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    log.says(&["row 0", "a turn is from \"tool\""]);
    project.file(
        "data.jsonl",
        format!(
            "{}\n{none}\n",
            json!({ "conversations": [{ "from": "human", "value": "q" }] })
        ),
    );
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    log.says(&["row 1", "no `conversations`"]);
    assert!(!project.path("a.json").exists());
}

#[test]
fn shards_hold_the_images_as_they_are() {
    let project =
        project("path: out/shards/, format: webdataset, columns: [id, image, text, conversations]");
    assert_eq!(project.ran(&[]), "rows; wrote shards");
    assert_eq!(project.ran(&[]), "nothing; kept shards");
    let shard = std::fs::read(project.path("out/shards/shards-000000.tar")).expect("a shard");
    let mut members = BTreeMap::new();
    for entry in tar::Archive::new(shard.as_slice())
        .entries()
        .expect("a tar")
    {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its bytes");
        members.insert(name, bytes);
    }
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "000000000.json",
            "000000000.png",
            "000000000.txt",
            "000000001.json",
            "000000001.txt",
            "000000002.json",
            "000000002.png",
            "000000002.txt",
            "000000003.json",
            "000000003.png",
            "000000003.txt",
        ]
    );
    let texts = project.table("rows");
    let data = records(&project, "data.json");
    for row in 0..4 {
        let member = |ending: &str| members.get(&format!("{row:09}.{ending}"));
        let text = member("txt").expect("a text");
        assert_eq!(
            String::from_utf8_lossy(text),
            texts[row]["text"].as_str().expect("a text")
        );
        let rest: Value = serde_json::from_slice(member("json").expect("the rest")).expect("JSON");
        assert_eq!(
            rest,
            json!({ "id": data[row]["id"], "conversations": data[row]["conversations"] })
        );
        let expected = data[row]["image"]
            .as_str()
            .map(|name| image(&project, name).1);
        assert_eq!(member("png"), expected.as_ref());
    }
    // Equal samples make equal shards.
    std::fs::remove_dir_all(project.path("out")).expect("removed");
    project.ran(&[]);
    assert_eq!(
        std::fs::read(project.path("out/shards/shards-000000.tar")).expect("a shard"),
        shard
    );
}

#[test]
fn an_image_without_an_ending_is_no_sample() {
    let project = project("path: shards, format: webdataset");
    std::fs::rename(project.path("images/two.png"), project.path("images/two")).expect("renamed");
    project.file(
        "data.json",
        project.read("data.json").replace("two.png", "two"),
    );
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    log.says(&["row 2", "images/two has no ending", ".jpg, .png"]);
    assert!(!project.path("shards").exists());
}
