//! A worker for the tests of `score.command`: gives the length of each text, or does what its first argument says.
//!
//! It notes each request in `calls` in its working directory, as `ROWS PROCESS`, where its configuration says `note: true`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it has last words, and says things where it should not"
)]

use std::io::{BufReader, Write, stdin, stdout};
use std::process::{Command, exit};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, ListArray, RecordBatch, StringArray,
};
use arrow::datatypes::Float32Type;
use trommel_engine::table::{decode_stream, encode_stream};
use trommel_engine::worker::protocol::{
    Failure, PROTOCOL, Request, Response, read_frame, write_frame,
};

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let mut requests = BufReader::new(stdin());
    let mut note = false;
    start(&mode);
    while let Some((request, body)) = read_frame::<Request>(&mut requests).expect("a frame") {
        match request {
            Request::Hello { device, .. } => say(&Response::Hello {
                protocol: if mode == "protocol" { 7 } else { PROTOCOL },
                name: "test_worker".into(),
                version: "1".into(),
                device,
            }),
            Request::Open { config, .. } if mode == "open" => {
                eprintln!("the model is not there");
                say(&Response::Error {
                    message: format!("cannot open with {config}"),
                    help: Some("give it a model".into()),
                });
            }
            Request::Open {
                session, config, ..
            } => {
                note = config["note"] == true;
                say(&Response::Opened { session });
            }
            Request::Rows { session } => {
                let rows = decode_stream(&body[..]).expect("a table");
                if note {
                    let mut calls = std::fs::File::options()
                        .create(true)
                        .append(true)
                        .open("calls")
                        .expect("a file");
                    // In one write, so that processes side by side do not write into each other's lines.
                    let call = format!("{} {}\n", rows.num_rows(), std::process::id());
                    calls.write_all(call.as_bytes()).expect("noted");
                }
                answer(&mode, session, &rows);
            }
            Request::Table { .. } | Request::Close { .. } => {}
        }
    }
}

fn say(response: &Response) {
    write_frame(&mut stdout(), response, &[]).expect("sent");
}

/// What goes wrong before anything is asked.
fn start(mode: &str) {
    match mode {
        "noise" => println!("Loading the model, please wait"),
        "exit" => exit(0),
        "missing" => {
            eprintln!("ModuleNotFoundError: No module named 'torch'");
            exit(1);
        }
        "asleep" => std::thread::sleep(Duration::from_mins(10)),
        _ => {}
    }
}

fn answer(mode: &str, session: u64, rows: &RecordBatch) {
    let texts = rows.column_by_name("text").expect("the column `text`");
    let texts = texts.as_string::<i32>();
    go_wrong(mode, texts);
    let lengths = || texts.iter().map(|text| text.map(|t| t.chars().count()));
    let length: ArrayRef = Arc::new(lengths().map(|l| Some(l? as f32)).collect::<Float32Array>());
    let wide: ArrayRef = Arc::new(lengths().map(|l| Some(l? as f64)).collect::<Float64Array>());
    let vectors = |width: usize| -> ArrayRef {
        let rows = lengths().map(|l| Some(vec![Some(l? as f32); width]));
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    };
    let mut columns = vec![("length", length.clone())];
    match mode {
        "column" => columns = vec![("lenght", length)],
        "extra" => columns.push(("words", length)),
        "type" => columns = vec![("length", wide)],
        "rows" => columns = vec![("length", length.slice(1, length.len() - 1))],
        "vectors" => columns = vec![("length", vectors(3))],
        "echo" => columns = vec![("length", Arc::new(texts.clone()))],
        "crooked" => columns = vec![("length", vectors(2 + rows.num_rows() % 2))],
        _ => {}
    }
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a table");
    let mut failed: Vec<Failure> = texts
        .iter()
        .enumerate()
        .filter(|(_, text)| text.is_some_and(|t| t.contains("broken")))
        .map(|(row, _)| Failure {
            row,
            reason: "the text is broken".into(),
        })
        .collect();
    if mode == "failed" {
        let reason = "nobody".into();
        failed.push(Failure { row: 77, reason });
    }
    let body = encode_stream(&batch).expect("bytes");
    let head = Response::Rows { session, failed };
    write_frame(&mut stdout(), &head, &body).expect("sent");
}

/// What goes wrong instead of an answer, or before it.
fn go_wrong(mode: &str, texts: &StringArray) {
    let crashing = texts.iter().flatten().any(|text| text.contains("crash"));
    match mode {
        "crash" if crashing => {
            eprintln!("Traceback (most recent call last):\nMemoryError: out of luck");
            exit(3);
        }
        "kill" => {
            let own = std::process::id().to_string();
            let _ = Command::new("kill").args(["-9", &own]).status();
        }
        "hang" => {
            let mut child = Command::new("sleep").arg("600").spawn().expect("sleep");
            std::fs::write("child", child.id().to_string()).expect("noted");
            eprintln!("downloading weights");
            let _ = child.wait();
        }
        "slow" => {
            for done in 0..10 {
                std::thread::sleep(Duration::from_millis(250));
                say(&Response::Progress {
                    done,
                    total: Some(10),
                    note: String::new(),
                });
            }
        }
        "stray" => println!(),
        "refuse" => {
            say(&Response::Log {
                message: "about to refuse".into(),
            });
            say(&Response::Error {
                message: "too many rows".into(),
                help: Some("send fewer".into()),
            });
        }
        "deaf" => {
            // Nothing is read any more, however much is sent.
            std::thread::sleep(Duration::from_mins(10));
        }
        _ => {}
    }
}
