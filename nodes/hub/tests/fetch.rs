//! Fetching from a hub on this machine: what ends up in the cache and what is asked. What goes wrong for good is in
//! fetch/trouble.rs.

#[path = "../../../tests/support/hub.rs"]
mod hub;
#[path = "fetch/trouble.rs"]
mod trouble;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hub::{Answer, COMMIT, HubFile, HubServer, MODEL, Request};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use trommel_engine::node::{HubId, HubModel, ModelSource, Monitor, NodeError, NodeEvent};
use trommel_hub::{Hub, Settings, Token};

const PARTS: &[&str] = &["config.json", "tokenizer.json|vocab.json"];

#[derive(Default)]
struct Heard(Mutex<Vec<NodeEvent>>);

impl Monitor for Heard {
    fn event(&self, event: NodeEvent) {
        self.0.lock().unwrap().push(event);
    }
}

struct Bench {
    server: HubServer,
    cache: tempfile::TempDir,
    token: Option<Token>,
    heard: Heard,
    cancel: AtomicBool,
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn small(name: &str, text: &str) -> HubFile {
    let blob = format!("blob {}\0{text}", text.len());
    HubFile {
        name: name.to_owned(),
        content: text.into(),
        etag: hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, blob.as_bytes()).as_ref()),
        large: false,
    }
}

fn large(name: &str, content: Vec<u8>) -> HubFile {
    HubFile {
        name: name.to_owned(),
        etag: hex(digest(&SHA256, &content).as_ref()),
        content,
        large: true,
    }
}

fn weights() -> Vec<u8> {
    (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn files() -> Vec<HubFile> {
    vec![
        small("README.md", "# a model"),
        small("config.json", "{\"a\": 1}"),
        small("sub/vocab.txt", "a\nb\n"),
        small("vocab.json", "{}"),
        large("flax_model.msgpack", vec![1; 1000]),
        large("model.safetensors", weights()),
        large("pytorch_model.bin", vec![2; 1000]),
    ]
}

impl Bench {
    fn new(faults: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            server: HubServer::start(files(), faults),
            cache: tempfile::tempdir().unwrap(),
            token: None,
            heard: Heard::default(),
            cancel: AtomicBool::new(false),
        }
    }

    fn hub(&self) -> Hub {
        Hub::new(Settings {
            endpoint: self.server.endpoint.clone(),
            token: self.token.clone(),
            cache: self.cache.path().to_owned(),
            offline: false,
            silence: Duration::from_secs(5),
            pause: Duration::from_millis(1),
        })
    }

    fn fetch(&self, id: &str) -> Result<(), NodeError> {
        let model = HubModel {
            id: HubId::parse(id).unwrap(),
            shown: id.to_owned(),
            parts: PARTS,
            looked_at: format!("/work/{id}"),
        };
        self.hub().fetch(&model, &self.heard, &self.cancel)
    }

    /// The words of a failure, which never hold the token.
    fn fails(&self, id: &str) -> String {
        let error = self.fetch(id).unwrap_err();
        let text = format!("{}\n{}", error.message, error.help.unwrap_or_default());
        assert!(!text.contains("hf_secret"), "{text}");
        text
    }

    fn folder(&self) -> PathBuf {
        self.cache.path().join("models--acme--tiny-clip")
    }

    fn snapshot(&self) -> PathBuf {
        self.folder().join("snapshots").join(COMMIT)
    }

    fn part(&self) -> PathBuf {
        let etag = files().into_iter().find(|f| f.name == "model.safetensors");
        self.folder()
            .join(format!("blobs/{}.incomplete", etag.unwrap().etag))
    }

    /// The model is whole, in the layout of `huggingface_hub`.
    fn is_there(&self) {
        assert_eq!(
            fs::read_to_string(self.folder().join("refs/main")).unwrap(),
            COMMIT
        );
        for name in [
            "config.json",
            "sub/vocab.txt",
            "vocab.json",
            "model.safetensors",
        ] {
            let file = files().into_iter().find(|file| file.name == name).unwrap();
            let path = self.snapshot().join(name);
            assert!(fs::read(&path).unwrap() == file.content, "{name}");
            let up = if name.contains('/') {
                "../../.."
            } else {
                "../.."
            };
            let target = format!("{up}/blobs/{}", file.etag);
            assert_eq!(fs::read_link(&path).unwrap(), PathBuf::from(target));
        }
        let left = fs::read_dir(self.folder().join("blobs")).unwrap().flatten();
        assert_eq!(left.count(), 4, "blobs of the four files and nothing else");
    }
}

#[test]
fn a_model_is_fetched_once_and_only_what_is_needed_of_it() {
    let bench = Bench::new(|_| Answer::Usual);
    bench.fetch(MODEL).unwrap();
    bench.is_there();
    for other in ["flax_model.msgpack", "pytorch_model.bin", "README.md"] {
        assert!(!bench.snapshot().join(other).exists(), "{other}");
        assert!(bench.server.gets(other).is_empty(), "{other}");
    }
    let before = bench.server.requests().len();
    bench.fetch(MODEL).unwrap();
    assert_eq!(
        bench.server.requests().len(),
        before,
        "nothing is asked again"
    );
    let heard = bench.heard.0.lock().unwrap();
    let logs: Vec<&str> = heard
        .iter()
        .filter_map(|event| match event {
            NodeEvent::Log { message } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        logs[0],
        "fetches acme/tiny-clip from the hub: 4 files, 3 MB"
    );
    assert!(
        logs[1].starts_with("fetched acme/tiny-clip in "),
        "{logs:?}"
    );
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let mut bench = Bench::new(|_| Answer::Usual);
    bench.token = Token::new("hf_secret");
    bench.fetch(MODEL).unwrap();
    for request in bench.server.requests() {
        let expected = (!request.path.starts_with("/cdn/")).then_some("Bearer hf_secret");
        assert_eq!(request.authorization.as_deref(), expected, "{request:?}");
    }
    let heard = format!("{:?}", bench.heard.0.lock().unwrap());
    assert!(!heard.contains("hf_secret"));
}

#[test]
fn a_connection_that_breaks_off_is_gone_on_with() {
    let bench = Bench::new(|request| match request.before {
        before if before < 3 && request.path.ends_with("/cdn/model.safetensors") => {
            Answer::Cut(700_000)
        }
        _ => Answer::Usual,
    });
    bench.fetch(MODEL).unwrap();
    bench.is_there();
    let starts = bench
        .server
        .gets("model.safetensors")
        .into_iter()
        .map(|r| r.from);
    let expected = [None, Some(700_000), Some(1_400_000), Some(2_100_000)];
    assert_eq!(starts.collect::<Vec<_>>(), expected);
}

#[test]
fn a_hub_that_gives_no_pieces_is_asked_for_the_whole() {
    let bench = Bench::new(|request| match request.before {
        0 if request.path.ends_with("/cdn/model.safetensors") => Answer::Cut(700_000),
        _ => Answer::Whole,
    });
    bench.fetch(MODEL).unwrap();
    bench.is_there();
}

#[test]
fn what_another_process_left_is_gone_on_with() {
    let bench = Bench::new(|_| Answer::Usual);
    fs::create_dir_all(bench.folder().join("blobs")).unwrap();
    fs::write(bench.part(), &weights()[..2_999_000]).unwrap();
    bench.fetch(MODEL).unwrap();
    bench.is_there();
    assert_eq!(
        bench.server.gets("model.safetensors")[0].from,
        Some(2_999_000)
    );
}

#[test]
fn what_was_left_and_is_wrong_is_fetched_anew() {
    let bench = Bench::new(|_| Answer::Usual);
    fs::create_dir_all(bench.folder().join("blobs")).unwrap();
    fs::write(bench.part(), vec![7; 2_000_000]).unwrap();
    bench.fetch(MODEL).unwrap();
    bench.is_there();
    let longer = Bench::new(|_| Answer::Usual);
    fs::create_dir_all(longer.folder().join("blobs")).unwrap();
    fs::write(longer.part(), vec![7; 4_000_000]).unwrap();
    longer.fetch(MODEL).unwrap();
    longer.is_there();
}

#[test]
fn a_stop_keeps_what_is_there() {
    let bench = Bench::new(|request| match request.before {
        0 if request.path.ends_with("/cdn/model.safetensors") => Answer::Slow(50_000),
        _ => Answer::Usual,
    });
    let error = std::thread::scope(|scope| {
        let fetching = scope.spawn(|| bench.fetch(MODEL).unwrap_err());
        while fs::metadata(bench.part()).map_or(0, |m| m.len()) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        bench.cancel.store(true, Ordering::Relaxed);
        fetching.join().unwrap()
    });
    assert!(error.cancelled);
    let kept = fs::metadata(bench.part()).unwrap().len() as usize;
    assert!(kept > 0 && kept < 3_000_000);
    bench.cancel.store(false, Ordering::Relaxed);
    bench.fetch(MODEL).unwrap();
    bench.is_there();
    assert_eq!(bench.server.gets("model.safetensors")[1].from, Some(kept));
}

#[test]
fn two_at_once_fetch_once() {
    let bench = Bench::new(|request| {
        if request.path.ends_with("/cdn/model.safetensors") {
            Answer::Slow(200_000)
        } else {
            Answer::Usual
        }
    });
    // Each with a `Hub` of its own, as two processes have.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| bench.fetch(MODEL).unwrap());
        }
    });
    bench.is_there();
    assert_eq!(bench.server.gets("model.safetensors").len(), 1);
}
