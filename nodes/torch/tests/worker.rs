//! The built program, spoken to as the engine does.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use serde_json::{Value, json};
use trommel_checkpoint::Checkpoint;
use trommel_engine::table::{decode_stream, encode_stream, vectors};
use trommel_engine::worker::protocol::{
    Failure, PROTOCOL, Request, Response, read_frame, write_frame,
};
use trommel_engine::worker::{Patience, Program, Worker, WorkerError};

const PROGRAM: &str = env!("CARGO_BIN_EXE_trommel-torch");
static GOING_ON: AtomicBool = AtomicBool::new(false);
static PATIENCE: Patience<'_> = Patience {
    cancel: &GOING_ON,
    gentle: false,
    limit: Some(Duration::from_mins(1)),
};

fn golden(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    root.canonicalize().unwrap().join(name)
}

fn golden_json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden(name)).unwrap()).unwrap()
}

fn start() -> Worker {
    start_on("cpu", Path::new(PROGRAM)).unwrap()
}

fn start_on(device: &str, program: &Path) -> Result<Worker, WorkerError> {
    Worker::start(&Arc::new(Program::at(program)), device, PATIENCE)
}

fn ask(worker: &mut Worker, request: &Request, body: &[u8]) -> (Response, Vec<u8>) {
    worker.send(request, body).unwrap();
    worker.receive(PATIENCE).unwrap()
}

fn open(worker: &mut Worker, kind: &str, config: Value) -> Response {
    let session = worker.next_session();
    let kind = kind.to_owned();
    let open = Request::Open {
        session,
        kind,
        config,
    };
    ask(worker, &open, &[]).0
}

fn open_clip(worker: &mut Worker) -> u64 {
    let config = json!({"model": golden("clip"), "precision": "f32", "batch_size": null});
    match open(worker, "embed.clip", config) {
        Response::Opened { session } => session,
        other => panic!("{other:?}"),
    }
}

fn rows(images: Vec<Option<String>>, texts: Vec<Option<String>>) -> Vec<u8> {
    let columns = [("image", images), ("text", texts)];
    let columns =
        columns.map(|(name, values)| (name, Arc::new(StringArray::from(values)) as ArrayRef, true));
    encode_stream(&RecordBatch::try_from_iter_with_nullable(columns).unwrap()).unwrap()
}

fn compute(worker: &mut Worker, session: u64, body: &[u8]) -> (RecordBatch, Vec<Failure>) {
    match ask(worker, &Request::Rows { session }, body) {
        (Response::Rows { failed, .. }, body) => (decode_stream(&body[..]).unwrap(), failed),
        (other, _) => panic!("{other:?}"),
    }
}

fn refusal(response: Response) -> String {
    match response {
        Response::Error { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

/// The recorded rows, the one at `damaged` with half of its image.
fn recorded_rows(damaged: usize, folder: &Path) -> Vec<u8> {
    let texts = golden_json("golden/1_preprocess/text_data.json");
    let records = golden_json("data/llava_instruct.json");
    let records = records.as_array().unwrap();
    let image = |(row, record): (usize, &Value)| {
        let path = golden("data/images").join(record["image"].as_str()?);
        let path = if row == damaged {
            let bytes = std::fs::read(path).unwrap();
            let cut = folder.join("cut.jpg");
            std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
            cut
        } else {
            path
        };
        Some(path.to_str().unwrap().to_owned())
    };
    let text = |row: usize| texts[row.to_string()]["text"].as_str().map(str::to_owned);
    rows(
        records.iter().enumerate().map(image).collect(),
        (0..records.len()).map(text).collect(),
    )
}

#[test]
fn recorded_vectors_and_a_damaged_image() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = start();
    assert_eq!(worker.device, "cpu");
    let session = open_clip(&mut worker);
    let (columns, failed) = compute(&mut worker, session, &recorded_rows(1, folder.path()));
    let [failure] = &failed[..] else {
        panic!("{failed:?}");
    };
    assert_eq!(failure.row, 1);
    assert!(
        failure.reason.contains("cut.jpg: the JPEG file is cut off"),
        "{}",
        failure.reason
    );

    let file = Checkpoint::open(&golden("golden/2_clip/clip_features.safetensors")).unwrap();
    let expected = file.require("features").unwrap().to_f32().unwrap();
    let found = vectors(columns.column_by_name("clip").unwrap()).unwrap();
    assert_eq!(found.rows() * found.width(), expected.len());
    for (row, expected) in expected.chunks(found.width()).enumerate() {
        // Nothing is recorded for records without an image.
        let there = row != 1 && !expected[0].is_nan();
        assert_eq!(found.row(row).is_some(), there, "row {row}");
        for (found, expected) in found.row(row).unwrap_or_default().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "row {row}");
        }
    }
}

#[test]
fn errors_leave_the_worker_fit_for_more() {
    let mut worker = start();
    let wrong = json!({"model": golden("clip"), "precision": "f32", "batchsize": 3});
    let message = refusal(open(&mut worker, "embed.clip", wrong));
    assert!(message.contains("batchsize"), "{message}");
    let message = refusal(open(&mut worker, "embed.clop", json!({})));
    assert!(
        message.contains("`embed.clop`; it knows embed.clip"),
        "{message}"
    );
    let nowhere = json!({"model": "/nowhere", "precision": "f32"});
    let message = refusal(open(&mut worker, "score.clip", nowhere));
    assert!(message.contains("/nowhere/config.json"), "{message}");

    let session = open_clip(&mut worker);
    let message = refusal(ask(&mut worker, &Request::Rows { session }, b"no Arrow").0);
    assert!(!message.is_empty());
    // That session is gone; another one opens.
    let message = refusal(
        ask(
            &mut worker,
            &Request::Rows { session },
            &rows(vec![], vec![]),
        )
        .0,
    );
    assert!(message.contains("is not open"), "{message}");
    let session = open_clip(&mut worker);
    let (columns, failed) = compute(&mut worker, session, &rows(vec![None], vec![None]));
    assert!(columns.column(0).is_null(0) && failed.is_empty());
}

#[test]
fn two_sessions_live_side_by_side() {
    let mut worker = start();
    let (first, second) = (open_clip(&mut worker), open_clip(&mut worker));
    worker
        .send(&Request::Close { session: first }, &[])
        .unwrap();
    let (columns, _) = compute(&mut worker, second, &rows(vec![None; 3], vec![None; 3]));
    assert_eq!(columns.num_rows(), 3);
}

#[test]
fn a_killed_worker_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    // Tells its process id, then becomes the worker.
    let (pid, script) = (folder.path().join("pid"), folder.path().join("worker.sh"));
    let text = format!(
        "#!/bin/sh\necho $$ > '{}'\nexec '{PROGRAM}'\n",
        pid.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut worker = start_on("cpu", &script).unwrap();
    let session = open_clip(&mut worker);
    // Enough rows that it is still at work when it is killed.
    let image = golden("data/images/photo_420.jpg")
        .to_str()
        .map(str::to_owned);
    let text = Some("a red cup ".repeat(20));
    let body = rows(vec![image; 20_000], vec![text; 20_000]);
    worker.send(&Request::Rows { session }, &body).unwrap();
    let pid = std::fs::read_to_string(pid).unwrap();
    let killed = Command::new("kill")
        .args(["-9", pid.trim()])
        .status()
        .unwrap();
    assert!(killed.success());
    let error = worker.receive(PATIENCE).unwrap_err();
    assert!(matches!(error, WorkerError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("signal: 9"), "{error}");
}

#[test]
fn a_gpu_that_is_not_there_is_refused() {
    let Err(error) = start_on("cuda:99", Path::new(PROGRAM)) else {
        panic!("there is a cuda:99");
    };
    assert!(matches!(error, WorkerError::Refused { .. }), "{error}");
    assert!(
        error.to_string().starts_with("cuda:99 was asked for"),
        "{error}"
    );
}

#[test]
fn libtorch_finds_its_settings() {
    let mut worker = Command::new(PROGRAM)
        .env_remove("OMP_WAIT_POLICY")
        .env("TORCH_CUDNN_SDPA_DEPRIORITIZED", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (worker.stdin.take().unwrap(), worker.stdout.take().unwrap());
    let hello = Request::Hello {
        protocol: PROTOCOL,
        device: "cpu".into(),
    };
    write_frame(&mut stdin, &hello, &[]).unwrap();
    assert!(read_frame::<Response>(&mut stdout).unwrap().is_some());
    let environment = std::fs::read(format!("/proc/{}/environ", worker.id())).unwrap();
    let has = |setting: &str| {
        environment
            .split(|&byte| byte == 0)
            .any(|s| s == setting.as_bytes())
    };
    assert!(has("OMP_WAIT_POLICY=PASSIVE"));
    // What the user has set stays.
    assert!(has("TORCH_CUDNN_SDPA_DEPRIORITIZED=0"));
    drop(stdin);
    assert!(worker.wait().unwrap().success());
}

#[test]
fn the_command_line_explains_itself() {
    let run = |argument: &str| Command::new(PROGRAM).arg(argument).output().unwrap();
    let help = run("--help");
    assert!(
        help.status.success() && String::from_utf8_lossy(&help.stdout).contains("TROMMEL_THREADS")
    );
    let version = run("--version");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(
        version.starts_with("trommel-torch ") && version.contains("worker protocol 1"),
        "{version}"
    );
    let wrong = run("--serve");
    assert_eq!(wrong.status.code(), Some(2));
    let end = Command::new(PROGRAM).stdin(Stdio::null()).output().unwrap();
    assert!(end.status.success() && end.stdout.is_empty());
}
