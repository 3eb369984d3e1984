//! Tar shards: what they hold, and what is refused of them.

use std::fs;

use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::support::{Project, repository};

const PIPELINE: &str = "version: 1
nodes:
  rows: { kind: load.webdataset, path: \"*.tar*\", columns: [url], ignore: [npy] }
  picture: { kind: score.image, input: rows, measures: [width] }
outputs:
  - { from: picture, path: out.json, format: jsonl }
  - { from: rows, path: rows.jsonl, format: jsonl }
";

fn image(name: &str) -> Vec<u8> {
    fs::read(repository("tests/golden/data/images").join(name)).expect("an image")
}

fn shard(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, name, *content)
            .expect("a member");
    }
    archive.into_inner().expect("a shard")
}

/// A member whose header says what no builder would write.
fn odd(name: &str, edit: impl Fn(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_gnu();
    let place = &mut header.as_old_mut().name;
    place[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(0);
    header.set_entry_type(EntryType::Regular);
    edit(&mut header);
    header.set_cksum();
    [header.as_bytes().as_slice(), &[0; 1024]].concat()
}

fn project(files: &[(&str, Vec<u8>)]) -> Project {
    let project = Project::new();
    project.file("p.yaml", PIPELINE);
    for (name, content) in files {
        project.file(name, content);
    }
    project
}

fn column(table: &Value, name: &str) -> Vec<Value> {
    let rows = table.as_array().expect("rows");
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn samples_of_all_shards_are_rows() {
    let (jpeg, png) = (image("cmyk.jpg"), image("exact.png"));
    let long = format!("deep/{}/001", "x".repeat(180));
    let first = shard(&[
        ("__meta__.json", b"{}"),
        ("000.jpg", &jpeg),
        ("000.txt", "Zwölf\nKatzen ".as_bytes()),
        ("000.json", b"{\"url\": \"http://a\", \"n\": 1}"),
        (&format!("{long}.cls"), b"7\n"),
        (&format!("{long}.png"), &png),
        (&format!("{long}.npy"), b"passed over"),
    ]);
    let second = shard(&[("000.jpg", &jpeg), ("001.txt", b"no image")]);
    let packed = zstd::encode_all(second.as_slice(), 1).expect("packed");
    let project = project(&[("a-0.tar", first), ("a-1.tar.zst", packed)]);
    project.passes(&[]);
    let rows = project.table("rows");
    assert_eq!(
        column(&rows, "sample"),
        [json!("000"), json!(long), json!("000"), json!("001")]
    );
    assert_eq!(column(&rows, "unique_idx"), [0, 1, 2, 3]);
    let null = Value::Null;
    assert_eq!(
        column(&rows, "text"),
        [
            json!("Zwölf\nKatzen "),
            null.clone(),
            null.clone(),
            json!("no image")
        ]
    );
    assert_eq!(column(&rows, "url")[..2], [json!("http://a"), null.clone()]);
    assert_eq!(
        column(&rows, "json")[0],
        "{\"url\": \"http://a\", \"n\": 1}"
    );
    assert_eq!(
        column(&rows, "cls"),
        [null.clone(), json!(7), null.clone(), null.clone()]
    );
    let images = column(&rows, "image");
    assert!(images[0].is_string() && images[0] == images[2] && images[3].is_null());
    let widths = column(&project.table("picture"), "image_width");
    assert!(widths[0].is_number() && widths[0] == widths[2] && widths[1].is_number());
    assert!(project.ran(&[]).starts_with("nothing;"));
}

#[test]
fn a_shard_without_samples_has_no_rows() {
    let project = project(&[("a.tar", shard(&[]))]);
    project.passes(&[]);
    assert_eq!(project.read("rows.jsonl"), "");
}

#[test]
fn many_samples_keep_their_order() {
    let names: Vec<String> = (0..2500).map(|n| format!("{n:05}.txt")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), n.as_bytes())).collect();
    let project = project(&[("a.tar", shard(&members))]);
    project.passes(&[]);
    let texts = column(&project.table("rows"), "text");
    assert_eq!(texts, names);
}

#[test]
fn what_is_no_sample_is_refused_and_named() {
    let text: &[u8] = b"text";
    let cases: [(Vec<u8>, &[&str]); 10] = [
        (
            shard(&[("a.txt", text), ("a.txt", text)]),
            &["member \"a.txt\": the sample has a second text"],
        ),
        (
            shard(&[("a.jpg", b"1"), ("a.PNG", b"2")]),
            &["member \"a.PNG\"", "second image"],
        ),
        (
            shard(&[("a.txt", text), ("b.txt", text), ("a.cls", b"1")]),
            &["\"a.cls\"", "do not stand together"],
        ),
        (
            shard(&[("a.mp3", text)]),
            &["\"a.mp3\": its ending is not known", "ignore: [mp3]"],
        ),
        (shard(&[("a", text)]), &["\"a\": its name has no ending"]),
        (
            shard(&[("a.json", b"[]")]),
            &["\"a.json\": it is not a JSON object"],
        ),
        (shard(&[("a.cls", b"x")]), &["\"a.cls\": it holds \"x\""]),
        (
            shard(&[("a.txt", b"\xff")]),
            &["\"a.txt\": it is not UTF-8"],
        ),
        (
            shard(&[("a.jpg", b"")]),
            &["\"a.jpg\": the image has no bytes"],
        ),
        (
            [shard(&[("a.txt", text)]), shard(&[("b.txt", text)])].concat(),
            &["more behind the end"],
        ),
    ];
    for (content, words) in cases {
        project(&[("data.tar", content)]).fails(&[&["data.tar"], words].concat());
    }
}

#[test]
fn hostile_shards_are_refused_and_named() {
    let link = |kind| {
        move |header: &mut Header| {
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").expect("a name");
        }
    };
    let cases: [(Vec<u8>, &[&str]); 8] = [
        (
            odd("../a.txt", |_| {}),
            &["\"../a.txt\": its name leads out of the shard"],
        ),
        (
            odd("/tmp/a.txt", |_| {}),
            &["\"/tmp/a.txt\": its name leads out"],
        ),
        (odd("b/../../a.txt", |_| {}), &["leads out of the shard"]),
        (
            odd("a.jpg", link(EntryType::Symlink)),
            &["\"a.jpg\": it is a link"],
        ),
        (
            odd("a.jpg", link(EntryType::Link)),
            &["\"a.jpg\": it is a link"],
        ),
        (
            odd("a.jpg", |h| h.set_entry_type(EntryType::Block)),
            &["\"a.jpg\": it is no plain file"],
        ),
        (
            odd("a.jpg", |h| h.set_size(1 << 60)),
            &["\"a.jpg\": it is said to have 1152921504606846976 bytes"],
        ),
        (
            odd("a.jpg", |h| h.set_size(60 << 20)),
            &["\"a.jpg\": the shard ends after", "cut off"],
        ),
    ];
    for (content, words) in cases {
        let project = project(&[("data.tar", content)]);
        project.fails(&[&["data.tar"], words].concat());
        let made = fs::read_dir(project.path(".")).expect("a folder").count();
        assert_eq!(made, 3, "nothing but the pipeline, the shard and the cache");
    }
    // A name of many gigabytes, of which a few kilobytes are the file.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let name = odd("././@LongLink", |h| {
        h.set_entry_type(EntryType::GNULongName);
        h.set_size(1 << 36);
    });
    std::io::Write::write_all(&mut bomb, &name[..512]).expect("packed");
    for _ in 0..80 {
        std::io::Write::write_all(&mut bomb, &vec![b'x'; 1 << 20]).expect("packed");
    }
    let project = project(&[("data.tar.gz", bomb.finish().expect("packed"))]);
    project.fails(&["data.tar.gz", "longer than 64 MiB"]);
}

#[test]
fn shards_that_are_cut_off_are_refused_wherever_that_is() {
    let jpeg = image("cmyk.jpg");
    let whole = shard(&[
        ("a.jpg", &jpeg[..700]),
        ("a.txt", b"text"),
        ("b.txt", b"text"),
    ]);
    let project = project(&[("data.tar", Vec::new())]);
    for length in (0..whole.len() - 1024).step_by(256) {
        project.file("data.tar", &whole[..length]);
        project.fails(&["data.tar"]);
    }
    project.file("data.tar", "this is no tar file at all ".repeat(50));
    project.fails(&["data.tar", "is it a whole tar file?"]);
}
