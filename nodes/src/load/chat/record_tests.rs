//! Records that are read, and records that are refused in words.

use serde_json::json;

use super::*;

fn read(record: &Value) -> Result<Written<'static>, String> {
    parse(record.to_string().leak(), None)
}

fn values<'w>(written: &'w Written<'_>) -> Vec<(&'w str, &'w str)> {
    let turns = written.record.conversations.iter();
    turns.map(|t| (&*t.from, &*t.value)).collect()
}

fn sharegpt(mut fields: Value, turns: &[(&str, &str)]) -> Value {
    let turns = turns
        .iter()
        .map(|(from, value)| json!({ "from": from, "value": value }));
    fields["conversations"] = turns.collect();
    fields
}

fn messages(content: &Value) -> Value {
    json!({ "messages": [{ "role": "user", "content": content }, { "role": "assistant", "content": "a" }] })
}

#[test]
fn sharegpt_is_llava_but_for_its_system_turn() {
    let turns = [
        ("system", "s"),
        ("human", "<image>\nq"),
        ("gpt", "a"),
        ("user", "q2"),
    ];
    let written = read(&sharegpt(json!({ "id": 7, "images": ["a.jpg"] }), &turns)).unwrap();
    assert_eq!(written.form, Form::ShareGpt);
    assert_eq!(
        values(&written),
        [("human", "<image>\nq"), ("gpt", "a"), ("human", "q2")]
    );
    assert_eq!(written.system.as_deref(), Some("s"));
    assert_eq!(written.record.id.as_deref(), Some("7"));
    assert_eq!(written.record.image.as_deref(), Some("a.jpg"));
    assert!(!written.several);
    let without = read(&sharegpt(
        json!({ "image": null, "system": "top" }),
        &turns[1..],
    ))
    .unwrap();
    assert_eq!(
        (without.record.image, without.system.as_deref()),
        (None, Some("top"))
    );
}

#[test]
fn parts_of_messages_become_lines() {
    for image in [
        json!({ "type": "image_url", "image_url": { "url": "file:///x/a.jpg" } }),
        json!({ "type": "image_url", "image_url": "/x/a.jpg" }),
        json!({ "type": "image", "image": "/x/a.jpg" }),
        json!({ "type": "image", "path": "/x/a.jpg" }),
    ] {
        let written = read(&messages(&json!([image, { "type": "text", "text": "q" }]))).unwrap();
        assert_eq!(written.form, Form::Messages);
        assert_eq!(values(&written), [("human", "<image>\nq"), ("gpt", "a")]);
        assert_eq!(written.record.image.as_deref(), Some("/x/a.jpg"));
    }
    let mut unnamed = messages(&json!([{ "type": "text", "text": "q" }, { "type": "image" }]));
    unnamed["images"] = json!(["b.jpg"]);
    let written = read(&unnamed).unwrap();
    assert_eq!(values(&written)[0], ("human", "q\n<image>"));
    assert_eq!(written.record.image.as_deref(), Some("b.jpg"));
}

#[test]
fn of_several_images_the_first_is_kept_with_its_token() {
    let turns = [
        ("human", "<image>\n<image>\nWhich?"),
        ("gpt", "<image>"),
        ("human", "And <image>?"),
    ];
    let written = read(&sharegpt(json!({ "images": ["a", "b", "c"] }), &turns)).unwrap();
    assert!(written.several);
    assert_eq!(written.record.image.as_deref(), Some("a"));
    assert_eq!(
        values(&written),
        [
            ("human", "<image>\nWhich?"),
            ("gpt", "<image>"),
            ("human", "And ?")
        ]
    );
}

#[test]
fn what_is_wrong_is_said() {
    let turns = [("human", "q"), ("gpt", "a")];
    let system = |text: &str| json!({ "role": "system", "content": text });
    let user = json!({ "role": "user", "content": "q" });
    for (record, expected) in [
        (json!([1]), "a list, not an object"),
        (
            json!({ "text": "q" }),
            "neither `conversations` nor `messages`",
        ),
        (
            sharegpt(json!({ "messages": [] }), &turns),
            "`format: sharegpt`",
        ),
        (
            json!({ "conversations": "q" }),
            "`conversations` is a string, not a list",
        ),
        (json!({ "messages": [] }), "has no turn of a user"),
        (
            json!({ "messages": [system("s")] }),
            "has no turn of a user",
        ),
        (json!({ "messages": [3] }), "turn 1: it is a number"),
        (
            json!({ "messages": [{ "content": "q" }] }),
            "turn 1: it has no `role`",
        ),
        (
            json!({ "messages": [{ "role": "user" }] }),
            "turn 1: it has no `content`",
        ),
        (
            json!({ "messages": [{ "role": "tool", "content": "q" }] }),
            "`role` is \"tool\"",
        ),
        (
            json!({ "messages": [system("s"), system("t"), user] }),
            "turn 2: the record has a second",
        ),
        (
            json!({ "messages": [user, system("s")] }),
            "turn 2: a system turn stands behind",
        ),
        (
            json!({ "messages": [user, user] }),
            "turn 2: it is from \"human\" where \"gpt\"",
        ),
        (
            json!({ "messages": [{ "role": "user", "content": null }] }),
            "`content` is null, not text",
        ),
        (sharegpt(json!({ "id": [] }), &turns), "`id` is a list"),
        (sharegpt(json!({ "image": "" }), &turns), "an empty path"),
        (
            sharegpt(json!({ "image": "a", "images": ["b"] }), &turns),
            "by `image` and by `images`",
        ),
        (
            sharegpt(json!({ "image": { "bytes": "" } }), &turns),
            "`image` is an object, not text",
        ),
        (messages(&json!(["q"])), "a part is a string"),
        (messages(&json!([{ "text": "q" }])), "a part has no `type`"),
        (messages(&json!([{ "type": "audio" }])), "of type \"audio\""),
        (
            messages(&json!([{ "type": "image" }])),
            "1 parts stand for images",
        ),
        (
            messages(&json!([{ "type": "image", "image": 3 }])),
            "`image` of a part is a number",
        ),
        (
            messages(&json!([{ "type": "image_url", "image_url": {} }])),
            "has no `url`",
        ),
        (
            messages(&json!([{ "type": "image", "image": "http://x/a" }])),
            "is not fetched",
        ),
        (
            messages(&json!([{ "type": "image", "image": "data:image/png;base64,AA" }])),
            "in the record itself",
        ),
    ] {
        let error = read(&record).unwrap_err();
        assert!(error.contains(expected), "{record}: {error}");
    }
    assert!(parse("{\"a\": ", None).unwrap_err().contains("not JSON"));
    // What the first record had is expected of the others.
    let other = messages(&json!("q")).to_string();
    let other = parse(&other, Some(Form::ShareGpt));
    assert_eq!(other.unwrap_err(), "it has no `conversations`");
}
