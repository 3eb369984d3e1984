//! The worker's side of the protocol: requests in, answers out, one session per node. See docs/worker-protocol.md.

use std::any::Any;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::array::RecordBatch;
use tch::Device;
use trommel_engine::table::{decode_stream, encode_stream};
use trommel_engine::worker::protocol::{PROTOCOL, Request, Response, read_frame, write_frame};

use crate::device;
use crate::work::{self, Events, Session, TableJob, WorkError};

const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the program says of itself.
pub fn greeting() -> String {
    format!("{NAME} {VERSION} (worker protocol {PROTOCOL})")
}

/// Answers requests until there are no more. Errors are those of the two pipes; whatever fails in a session is an answer.
pub fn serve(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut server = Server {
        to,
        device: None,
        sessions: HashMap::new(),
    };
    loop {
        match read_frame(from) {
            Ok(None) => return Ok(()),
            Ok(Some((request, body))) => server.answer(request, &body)?,
            Err(error) => {
                // Where the next frame begins is not known any more.
                server.refuse(format!("the request was not understood: {error}"), None)?;
                return Err(error);
            }
        }
    }
}

struct Server<'a, W> {
    to: &'a mut W,
    /// None before the greeting.
    device: Option<Device>,
    sessions: HashMap<u64, Session>,
}

impl<W: Write> Server<'_, W> {
    fn answer(&mut self, request: Request, body: &[u8]) -> io::Result<()> {
        match request {
            Request::Hello { protocol, device } => self.hello(protocol, &device),
            Request::Open {
                session,
                kind,
                config,
            } => {
                let Some(device) = self.device else {
                    return self.refuse("the first request must be `hello`".into(), None);
                };
                match guarded(|| work::open(&kind, config, device)) {
                    Ok(opened) => {
                        self.sessions.insert(session, opened);
                        self.send(&Response::Opened { session }, &[])
                    }
                    Err(failure) => self.fail(failure),
                }
            }
            Request::Rows { session } => match self.sessions.remove(&session) {
                Some(mut open) => match guarded(|| rows(&mut open, body)) {
                    Ok((failed, body)) => {
                        self.sessions.insert(session, open);
                        self.send(&Response::Rows { session, failed }, &body)
                    }
                    Err(failure) => self.fail(failure),
                },
                None => self.no_session(session),
            },
            Request::Table {
                session,
                inputs,
                folder,
                dry_run,
            } => match self.sessions.remove(&session) {
                Some(mut open) => {
                    let mut outbox = Outbox {
                        to: &mut *self.to,
                        session,
                    };
                    let job = TableJob {
                        inputs: &inputs,
                        folder: folder.as_deref(),
                        dry_run,
                    };
                    match guarded(|| open.table(&job, &mut outbox)) {
                        Ok(()) => {
                            self.sessions.insert(session, open);
                            self.send(&Response::Done { session }, &[])
                        }
                        Err(Failure::Work(WorkError::EngineGone { source })) => Err(source),
                        Err(failure) => self.fail(failure),
                    }
                }
                None => self.no_session(session),
            },
            Request::Close { session } => {
                self.sessions.remove(&session);
                Ok(())
            }
        }
    }

    fn hello(&mut self, protocol: u32, wanted: &str) -> io::Result<()> {
        let mut name = String::new();
        // With another protocol the engine's request may mean something else: only the number is answered.
        if protocol == PROTOCOL {
            let chosen = guarded(|| {
                let threads = device::threads()?;
                tch::set_num_threads(i32::try_from(threads.get()).unwrap_or(i32::MAX));
                Ok(device::choose(wanted)?)
            });
            match chosen {
                Ok(device) => {
                    self.device = Some(device);
                    name = device::name(device);
                }
                Err(failure) => return self.fail(failure),
            }
        }
        let hello = Response::Hello {
            protocol: PROTOCOL,
            name: NAME.into(),
            version: VERSION.into(),
            device: name,
        };
        self.send(&hello, &[])
    }

    fn no_session(&mut self, session: u64) -> io::Result<()> {
        self.refuse(format!("session {session} is not open"), None)
    }

    fn fail(&mut self, failure: Failure) -> io::Result<()> {
        let (message, help) = match failure {
            Failure::Work(error) => (error.words(), error.help()),
            Failure::Panic(words) => panic_words(&words),
        };
        self.refuse(message, help)
    }

    fn refuse(&mut self, message: String, help: Option<String>) -> io::Result<()> {
        self.send(&Response::Error { message, help }, &[])
    }

    fn send(&mut self, response: &Response, body: &[u8]) -> io::Result<()> {
        write_frame(self.to, response, body)
    }
}

fn rows(
    open: &mut Session,
    body: &[u8],
) -> Result<(Vec<trommel_engine::worker::protocol::Failure>, Vec<u8>), WorkError> {
    let answer = open.rows(&decode_stream(body)?)?;
    Ok((answer.failed, encode_stream(&answer.columns)?))
}

/// What a session says while it works on tables.
struct Outbox<'a, W> {
    to: &'a mut W,
    session: u64,
}

impl<W: Write> Outbox<'_, W> {
    fn send(&mut self, response: &Response, body: &[u8]) -> Result<(), WorkError> {
        write_frame(self.to, response, body).map_err(|source| WorkError::EngineGone { source })
    }
}

impl<W: Write> Events for Outbox<'_, W> {
    fn push(&mut self, port: &str, rows: &RecordBatch) -> Result<(), WorkError> {
        let (session, port) = (self.session, port.to_owned());
        self.send(&Response::Push { session, port }, &encode_stream(rows)?)
    }

    fn file(&mut self, port: &str, name: &str, path: &Path) -> Result<(), WorkError> {
        let file = Response::File {
            session: self.session,
            port: port.to_owned(),
            name: name.to_owned(),
            path: path.to_owned(),
        };
        self.send(&file, &[])
    }

    fn progress(&mut self, done: u64, total: u64, note: String) -> Result<(), WorkError> {
        let total = Some(total);
        self.send(&Response::Progress { done, total, note }, &[])
    }

    fn log(&mut self, message: String) -> Result<(), WorkError> {
        self.send(&Response::Log { message }, &[])
    }

    fn warning(&mut self, message: String) -> Result<(), WorkError> {
        self.send(&Response::Warning { message }, &[])
    }
}

enum Failure {
    Work(WorkError),
    /// The words of a panic: libtorch's own errors come so.
    Panic(String),
}

fn guarded<T>(work: impl FnOnce() -> Result<T, WorkError>) -> Result<T, Failure> {
    // What a panic leaves half done is the session, and that is thrown away.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(Failure::Work),
        Err(payload) => Err(Failure::Panic(text_of(payload.as_ref()))),
    }
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no words were left")
        .to_owned()
}

/// libtorch appends its C++ call stack, in one line here; stderr has all of it.
fn panic_words(panic: &str) -> (String, Option<String>) {
    let line = panic.split("\\n").next().unwrap_or(panic);
    let line: String = line.lines().take(3).collect::<Vec<_>>().join(" ");
    let help = panic.contains("out of memory").then(|| {
        "the device's memory is full: a smaller batch_size needs less, and in training recompute and precision: bf16".into()
    });
    (format!("the computation failed inside: {line}"), help)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn talk(requests: &[Request]) -> Vec<Response> {
        let mut input = Vec::new();
        for request in requests {
            write_frame(&mut input, request, &[]).unwrap();
        }
        answers(&input).0
    }

    fn answers(input: &[u8]) -> (Vec<Response>, io::Result<()>) {
        let mut output = Vec::new();
        let result = serve(&mut &input[..], &mut output);
        let mut output = &output[..];
        let mut answers = Vec::new();
        while let Some((answer, _)) = read_frame(&mut output).unwrap() {
            answers.push(answer);
        }
        (answers, result)
    }

    fn hello(device: &str) -> Request {
        Request::Hello {
            protocol: PROTOCOL,
            device: device.into(),
        }
    }

    fn error(answer: &Response) -> &str {
        match answer {
            Response::Error { message, .. } => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_greeting_names_protocol_and_device() {
        let answers = talk(&[hello("cpu")]);
        assert!(
            matches!(&answers[..], [Response::Hello { protocol: PROTOCOL, device, .. }] if device == "cpu"),
            "{answers:?}"
        );
    }

    #[test]
    fn another_protocol_is_answered_with_ours_and_nothing_opens() {
        let other = Request::Hello {
            protocol: PROTOCOL + 1,
            device: "cpu".into(),
        };
        let open = Request::Open {
            session: 1,
            kind: "embed.clip".into(),
            config: json!({}),
        };
        let answers = talk(&[other, open]);
        assert!(matches!(
            &answers[0],
            Response::Hello {
                protocol: PROTOCOL,
                ..
            }
        ));
        assert!(error(&answers[1]).contains("first request must be `hello`"));
    }

    #[test]
    fn wrong_requests_are_errors_and_the_worker_goes_on() {
        let open = |kind: &str| Request::Open {
            session: 1,
            kind: kind.into(),
            config: json!({"modle": "x"}),
        };
        let answers = talk(&[
            hello("tpu"),
            hello("cpu"),
            open("embed.clap"),
            open("embed.clip"),
            Request::Rows { session: 7 },
            Request::Close { session: 7 },
            hello("cpu"),
        ]);
        assert_eq!(answers.len(), 6);
        assert!(error(&answers[0]).contains("`tpu` is no device"));
        assert!(error(&answers[2]).contains("embed.clap"));
        assert!(error(&answers[3]).contains("modle"));
        assert!(error(&answers[4]).contains("session 7 is not open"));
        assert!(matches!(&answers[5], Response::Hello { .. }));
    }

    #[test]
    fn what_is_no_frame_ends_the_talk_with_an_error() {
        let (answers, result) = answers(b"GET / HTTP/1.1\r\n\r\n");
        assert!(error(&answers[0]).contains("not understood"));
        assert!(result.is_err());
    }

    #[test]
    fn a_panic_becomes_words() {
        let failure = guarded(|| -> Result<(), WorkError> {
            let _ = tch::Tensor::from_slice(&[1.0, 2.0]).view([3]);
            Ok(())
        });
        let Err(Failure::Panic(words)) = failure else {
            panic!("no panic");
        };
        let (message, help) = panic_words(&words);
        assert!(message.contains("invalid for input of size 2"), "{message}");
        assert!(message.len() < 300, "{message}");
        assert_eq!(help, None);
        assert!(panic_words("CUDA out of memory. Tried").1.is_some());
    }
}
