//! A chat server on loopback that misbehaves as it is told. What it answers depends on the question alone.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers with the mark of the question.
    Answer,
    /// Answers with these words.
    Say(String),
    /// Waits, then answers.
    Wait(Duration),
    Status(u16, Vec<(&'static str, String)>, Value),
    /// Closes the connection without a word.
    Reset,
    /// Sends the first half of an answer.
    Cut,
    Garbage,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) body: Value,
    pub(crate) authorization: Option<String>,
}

type Script = dyn FnMut(usize, &Value) -> Act + Send;

struct Shared {
    script: Mutex<Box<Script>>,
    seen: Mutex<Vec<Seen>>,
    /// How often each question was answered in full.
    answered: Mutex<HashMap<String, usize>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    ends: AtomicBool,
}

pub(crate) struct Server {
    pub(crate) endpoint: String,
    shared: Arc<Shared>,
}

impl Server {
    /// `script` is told the number of the request and its body.
    pub(crate) fn start(script: impl FnMut(usize, &Value) -> Act + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            seen: Mutex::default(),
            answered: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
        });
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if of_thread.ends.load(Ordering::Relaxed) {
                    return;
                }
                let shared = of_thread.clone();
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self {
            endpoint: format!("http://{address}/v1"),
            shared,
        }
    }

    pub(crate) fn becomes(&self, script: impl FnMut(usize, &Value) -> Act + Send + 'static) {
        *self.shared.script.lock().expect("a script") = Box::new(script);
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.seen.lock().expect("requests").len()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("requests").clone()
    }

    pub(crate) fn answered(&self) -> HashMap<String, usize> {
        self.shared.answered.lock().expect("answers").clone()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::Relaxed)
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for(&self, requests: usize) {
        while self.requests() < requests {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        let address = self.endpoint.trim_start_matches("http://");
        let _ = TcpStream::connect(address.trim_end_matches("/v1"));
    }
}

/// The words of a question.
pub(crate) fn words(body: &Value) -> String {
    let content = &body["messages"].as_array().expect("messages");
    let content = &content.last().expect("a message")["content"];
    content
        .as_str()
        .map_or_else(|| content[0]["text"].to_string(), str::to_owned)
}

/// The mark that the server gives to some words: 0 to 10, in tenths.
pub(crate) fn mark(words: &str) -> f64 {
    let sum = words
        .bytes()
        .fold(7_u64, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    (sum % 101) as f64 / 10.0
}

fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-x",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    })
}

/// All requests of a connection.
fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = receive(&mut reader) {
        let now = shared.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most_in_flight.fetch_max(now, Ordering::Relaxed);
        let number = {
            let mut all = shared.seen.lock().expect("requests");
            all.push(seen.clone());
            all.len() - 1
        };
        let act = shared.script.lock().expect("a script")(number, &seen.body);
        let goes_on = perform(act, &seen.body, stream, shared);
        shared.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !goes_on {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

fn receive(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let (mut length, mut authorization) = (0, None);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            match name.to_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "authorization" => authorization = Some(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).ok()?;
    Some(Seen {
        body,
        authorization,
    })
}

/// Whether the connection stays open.
fn perform(act: Act, question: &Value, stream: &TcpStream, shared: &Shared) -> bool {
    let words = words(question);
    let answer = |text: &str| {
        let sent = send(stream, 200, &[], &completion(text).to_string());
        *shared
            .answered
            .lock()
            .expect("answers")
            .entry(words.clone())
            .or_default() += 1;
        sent
    };
    match act {
        Act::Answer => answer(&mark(&words).to_string()),
        Act::Say(text) => answer(&text),
        Act::Wait(time) => {
            std::thread::sleep(time);
            answer(&mark(&words).to_string())
        }
        Act::Status(status, headers, body) => send(stream, status, &headers, &body.to_string()),
        Act::Reset => false,
        Act::Cut => {
            let text = completion("8").to_string();
            let close = [("Connection", "close".into())];
            send(stream, 200, &close, &text[..text.len() / 2]);
            false
        }
        Act::Garbage => send(stream, 200, &[], "<html>\u{0} not what you wanted"),
    }
}

fn send(mut stream: &TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> bool {
    let mut text = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text += body;
    stream.write_all(text.as_bytes()).is_ok()
}
