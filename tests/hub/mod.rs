//! Models of the hub: fetched by the run that needs them, from a hub on this machine. What goes wrong on the way is tried
//! in nodes/hub/tests; here is what a user sees.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::support::golden::{golden, pipeline};
use crate::support::hub::{Answer, COMMIT, HubFile, HubServer, MODEL, Request};
use crate::support::{Outcome, Project, program, repository};

const PIPELINE: &str = r#"version: 1
nodes:
  rows: { kind: load.llava, annotations: data.json, images: images }
  clip: { kind: embed.clip, input: rows, model: "[MODEL]", device: cpu }
  top: { kind: select.top, input: rows, score: rows.unique_idx, count: 3 }
outputs:
  - { from: clip, path: clip.jsonl, format: jsonl }
"#;

/// The golden CLIP on a hub, and duplicates of its weights that nobody needs.
fn files() -> Vec<HubFile> {
    let folder = fs::read_dir(repository("tests/golden/clip")).expect("the folder");
    let file = |name: String, content: Vec<u8>| HubFile {
        etag: format!("blob-{}", name.replace('.', "-")),
        large: content.len() > 100_000,
        name,
        content,
    };
    let mut files: Vec<HubFile> = folder
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            file(name, fs::read(entry.path()).expect("a file"))
        })
        .collect();
    for name in ["pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"] {
        files.push(file(name.to_owned(), vec![0; 200_000]));
    }
    files
}

struct Bench {
    project: Project,
    server: HubServer,
}

impl Bench {
    fn new(faults: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let project = golden();
        project.file("p.yaml", PIPELINE.replace("[MODEL]", MODEL));
        let server = HubServer::start(files(), faults);
        Self { project, server }
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(&[], arguments)
    }

    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
        let home = self.project.path("hf").display().to_string();
        let mut all = vec![
            ("HF_ENDPOINT", self.server.endpoint.as_str()),
            ("HF_HOME", &home),
            ("HF_HUB_CACHE", ""),
            ("HF_HUB_OFFLINE", ""),
            ("HF_TOKEN", ""),
        ];
        all.extend(variables);
        self.project.run_with(&all, arguments)
    }

    fn plan(&self) -> Value {
        let said = self.run(&["plan", "p.yaml", "--json"]).succeeded().stdout;
        let plan: Value = serde_json::from_str(&said).expect("JSON");
        let nodes = plan["nodes"].as_array().expect("nodes");
        let clip = nodes.iter().find(|node| node["node"] == "clip");
        clip.expect("the node").clone()
    }

    fn cached(&self, path: &str) -> std::path::PathBuf {
        let folder = format!("hf/hub/models--acme--tiny-clip/{path}");
        self.project.path(&folder)
    }
}

#[test]
fn a_run_fetches_and_nothing_else_does() {
    let bench = Bench::new(|_| Answer::Usual);
    let told = bench.run(&["check", "p.yaml"]).succeeded().to_string();
    assert!(
        told.contains("acme/tiny-clip is not in the hub cache; a run fetches it"),
        "{told}"
    );
    let clip = bench.plan();
    assert_eq!(clip["state"], "unknown");
    assert_eq!(
        clip["why"],
        "new; model is fetched from the hub first (acme/tiny-clip); upstream may change: rows"
    );
    bench.run(&["run", "p.yaml", "--to", "top"]).succeeded();
    let clip = bench.plan();
    assert_eq!(
        clip["why"],
        "new; model is fetched from the hub first (acme/tiny-clip)"
    );
    let told = bench.run(&["explain", "p.yaml", "clip"]).succeeded().stdout;
    assert!(told.contains("known when clip has run"), "{told}");
    let shown = bench.run(&["show", "p.yaml", "clip"]);
    assert_eq!(shown.status, 1, "{shown}");
    assert!(
        bench.server.requests().is_empty(),
        "{:?}",
        bench.server.requests()
    );

    let told = bench.run(&["run", "p.yaml"]).succeeded().stderr;
    assert!(
        told.contains("fetches acme/tiny-clip from the hub: 6 files, 151 KB"),
        "{told}"
    );
    assert!(told.contains("fetched acme/tiny-clip"), "{told}");
    assert_eq!(
        fs::read_to_string(bench.cached("refs/main")).expect("a reference"),
        COMMIT
    );
    let snapshot = bench.cached("snapshots").join(COMMIT);
    assert!(!snapshot.join("pytorch_model.bin").exists());
    assert!(snapshot.join("model.safetensors").is_symlink());

    let asked = bench.server.requests().len();
    assert_eq!(bench.plan()["state"], "hit");
    let again = bench.run(&["run", "p.yaml"]).succeeded().stderr;
    assert!(again.contains("nothing to run"), "{again}");
    // Nothing of the hub is needed any more, nor the hub.
    bench
        .run_with(
            &[("HF_HUB_OFFLINE", "1")],
            &["run", "p.yaml", "--force", "clip"],
        )
        .succeeded();
    assert_eq!(bench.server.requests().len(), asked);
}

#[test]
fn a_model_counts_by_its_files_wherever_they_lie() {
    let bench = Bench::new(|_| Answer::Usual);
    bench.run(&["run", "p.yaml"]).succeeded();
    // What another program adds to the snapshot is not what is used.
    fs::write(
        bench
            .cached("snapshots")
            .join(COMMIT)
            .join("pytorch_model.bin"),
        "x",
    )
    .expect("written");
    assert_eq!(bench.plan()["state"], "hit");
    let local = PIPELINE.replace("[MODEL]", "[MODELS]/clip");
    bench.project.file("p.yaml", pipeline(&local));
    assert_eq!(bench.plan()["state"], "hit");
}

#[test]
fn a_revision_is_a_model_of_its_own() {
    let bench = Bench::new(|request| {
        if request.path.ends_with("/revision/v2") {
            Answer::Status(404, "RevisionNotFound")
        } else {
            Answer::Usual
        }
    });
    bench
        .project
        .file("p.yaml", PIPELINE.replace("[MODEL]", "acme/tiny-clip@v2"));
    let told = bench.run(&["run", "p.yaml"]);
    assert_eq!(told.status, 1, "{told}");
    assert!(told.stderr.contains("no revision `v2`"), "{told}");
    bench
        .project
        .file("p.yaml", PIPELINE.replace("[MODEL]", MODEL));
    bench.run(&["run", "p.yaml"]).succeeded();
    // The commit itself is a revision, and it is there.
    let commit = format!("acme/tiny-clip@{COMMIT}");
    bench
        .project
        .file("p.yaml", PIPELINE.replace("[MODEL]", &commit));
    assert_eq!(bench.plan()["state"], "hit");
}

#[test]
fn a_killed_run_is_gone_on_with() {
    let bench = Bench::new(|request| match request.before {
        0 if request.path.ends_with("/cdn/model.safetensors") => Answer::Slow(2_000),
        _ => Answer::Usual,
    });
    let mut command = program(&bench.project.path("."), &["run", "p.yaml"]);
    command
        .env("HF_ENDPOINT", &bench.server.endpoint)
        .env("HF_HOME", bench.project.path("hf"))
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_HUB_OFFLINE")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut run = command.spawn().expect("the program starts");
    let part = bench.cached("blobs/blob-model-safetensors.incomplete");
    let have = || fs::metadata(&part).map_or(0, |m| m.len()) as usize;
    while have() < 10_000 {
        assert!(
            run.try_wait().expect("a state").is_none(),
            "it ended too soon"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill().expect("killed");
    run.wait().expect("gone");
    let kept = have();
    assert!(kept < 138_940 && !bench.cached("refs").exists());
    assert_eq!(bench.plan()["state"], "unknown");
    bench.run(&["run", "p.yaml"]).succeeded();
    let gets = bench.server.gets("model.safetensors");
    assert_eq!(
        gets.last().and_then(|request| request.from),
        Some(kept),
        "{gets:?}"
    );
    assert!(!part.exists());
}

#[test]
fn no_hub_no_model_no_room() {
    let bench = Bench::new(|_| Answer::Usual);
    let offline = bench
        .run_with(&[("HF_HUB_OFFLINE", "1")], &["run", "p.yaml"])
        .refused();
    for part in [
        "nor a model acme/tiny-clip in the hub cache",
        "HF_HUB_OFFLINE is set",
    ] {
        assert!(
            offline.stderr.replace("\n  │ ", " ").contains(part),
            "{part}: {offline}"
        );
    }
    let nobody = bench.run_with(&[("HF_ENDPOINT", "http://127.0.0.1:1")], &["run", "p.yaml"]);
    assert_eq!(nobody.status, 1, "{nobody}");
    for part in [
        "`model`: the hub (http://127.0.0.1:1) cannot be reached",
        "copy its folder",
    ] {
        assert!(nobody.stderr.contains(part), "{part}: {nobody}");
    }
    bench
        .project
        .file("p.yaml", PIPELINE.replace("[MODEL]", "models/clip"));
    let unknown = bench.run(&["run", "p.yaml"]);
    assert_eq!(unknown.status, 1, "{unknown}");
    for part in [
        "there is no folder ./models/clip",
        "knows no model models/clip",
    ] {
        assert!(unknown.stderr.contains(part), "{part}: {unknown}");
    }
    bench
        .project
        .file("p.yaml", PIPELINE.replace("[MODEL]", MODEL));
    let endpoint = &bench.server.endpoint;
    let full = bench.project.script(&format!(
        "trap '' XFSZ; ulimit -f 100; \
         HF_HUB_OFFLINE= HF_HUB_CACHE=hf/hub HF_ENDPOINT={endpoint} exec \"$PROGRAM\" run p.yaml"
    ));
    assert_eq!(full.status, 1, "{full}");
    for part in ["cannot write", "HF_HUB_CACHE"] {
        assert!(full.stderr.contains(part), "{part}: {full}");
    }
}

#[test]
fn a_gated_model_says_so_and_a_token_stays_secret() {
    let bench = Bench::new(|request| match request.authorization.as_deref() {
        Some("Bearer hunter2-right") => Answer::Usual,
        _ if request.path.starts_with("/cdn/") => Answer::Usual,
        _ => Answer::Status(403, "GatedRepo"),
    });
    let gated = bench.run(&["run", "p.yaml"]);
    assert_eq!(gated.status, 1, "{gated}");
    let page = format!(
        "agree on {}/acme/tiny-clip, then set HF_TOKEN",
        bench.server.endpoint
    );
    for part in ["acme/tiny-clip is gated", "no token is given", &page] {
        assert!(gated.stderr.contains(part), "{part}: {gated}");
    }
    // `Outcome` is checked for `hunter2`, so here for both tokens.
    let wrong = bench.run_with(
        &[("HF_TOKEN", "hunter2-wrong")],
        &["run", "p.yaml", "--json"],
    );
    assert_eq!(wrong.status, 1, "{wrong}");
    assert!(wrong.stdout.contains("the token of HF_TOKEN"), "{wrong}");
    bench.project.file("hf/token", "hunter2-right\n");
    bench.run(&["run", "p.yaml", "--json"]).succeeded();
    let found = bench
        .project
        .script("grep -rl hunter2 .trommel hf/hub; true");
    assert_eq!(found.stdout, "", "the token is kept");
}
