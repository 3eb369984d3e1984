//! A hub on this machine, for `HF_ENDPOINT`: lists a model, says of each file what it is, gives large ones from an address
//! of another name as the real one does, and fails on demand.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The commit of every model.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The model that there is.
pub(crate) const MODEL: &str = "acme/tiny-clip";

/// One file of the model. `large` ones are redirected.
#[derive(Clone)]
pub(crate) struct HubFile {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    pub(crate) etag: String,
    pub(crate) large: bool,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The byte from which on the file is wanted.
    pub(crate) from: Option<usize>,
    pub(crate) authorization: Option<String>,
    /// How many requests of this method and path came before.
    pub(crate) before: usize,
}

/// What becomes of a request.
#[allow(dead_code, reason = "two test programs share this file")]
pub(crate) enum Answer {
    Usual,
    /// This status, with this `X-Error-Code`.
    Status(u16, &'static str),
    /// As usual, but the connection ends after so many bytes of the body.
    Cut(usize),
    /// The file from its start, whatever was asked for.
    Whole,
    /// Another file of the same length.
    Spoilt,
    /// As usual, a piece of so many bytes every 20 ms.
    Slow(usize),
}

type Faults = dyn Fn(&Request) -> Answer + Send + Sync;

/// Ends with the process.
pub(crate) struct HubServer {
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl HubServer {
    pub(crate) fn start(
        files: Vec<HubFile>,
        faults: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (files, faults) = (Arc::new(files), Arc::new(faults) as Arc<Faults>);
        let seen = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, faults, seen) = (files.clone(), faults.clone(), seen.clone());
                // A client that goes away is what some tests are about.
                std::thread::spawn(move || serve(&stream, port, &files, &*faults, &seen).ok());
            }
        });
        let endpoint = format!("http://127.0.0.1:{port}");
        Self { endpoint, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("the list").clone()
    }

    /// Requests for the contents of a file.
    pub(crate) fn gets(&self, name: &str) -> Vec<Request> {
        let all = self.requests().into_iter();
        all.filter(|r| r.method == "GET" && r.path.ends_with(name) && r.path.contains("/cdn/"))
            .collect()
    }
}

fn serve(
    stream: &TcpStream,
    port: u16,
    files: &[HubFile],
    faults: &Faults,
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let request = read(stream, seen)?;
    let answer = faults(&request);
    if let Answer::Status(status, code) = answer {
        return head(stream, status, &[("X-Error-Code", code.to_owned())], 0);
    }
    if request.path == format!("/api/models/{MODEL}/revision/main") {
        let list = files
            .iter()
            .map(|f| format!(r#"{{"rfilename": "{}"}}"#, f.name));
        let list = list.collect::<Vec<_>>().join(", ");
        let text = format!(r#"{{"id": "{MODEL}", "sha": "{COMMIT}", "siblings": [{list}]}}"#);
        head(stream, 200, &[], text.len())?;
        return { stream }.write_all(text.as_bytes());
    }
    let of_hub = format!("/{MODEL}/resolve/{COMMIT}/");
    let name = request.path.strip_prefix(&of_hub);
    let name = name.or_else(|| request.path.strip_prefix("/cdn/"));
    let Some(file) = files.iter().find(|file| Some(file.name.as_str()) == name) else {
        let unknown = [("X-Error-Code", "RepoNotFound".to_owned())];
        return head(stream, 401, &unknown, 0);
    };
    if request.path.starts_with(&of_hub) && (file.large || request.method == "GET") {
        let headers = [
            ("X-Repo-Commit", COMMIT.to_owned()),
            ("X-Linked-Etag", format!("\"{}\"", file.etag)),
            ("X-Linked-Size", file.content.len().to_string()),
            (
                "Location",
                format!("http://localhost:{port}/cdn/{}", file.name),
            ),
        ];
        return head(stream, 302, &headers, 0);
    }
    if request.method == "HEAD" {
        let headers = [("ETag", format!("W/\"{}\"", file.etag))];
        return head(stream, 200, &headers, file.content.len());
    }
    give(stream, file, &request, &answer)
}

fn give(
    stream: &TcpStream,
    file: &HubFile,
    request: &Request,
    answer: &Answer,
) -> std::io::Result<()> {
    let all = file.content.len();
    let from = match answer {
        Answer::Whole => None,
        _ => request.from,
    };
    match from {
        Some(from) if from >= all => return head(stream, 416, &[], 0),
        Some(from) => {
            let range = ("Content-Range", format!("bytes {from}-{}/{all}", all - 1));
            head(stream, 206, &[range], all - from)?;
        }
        None => head(stream, 200, &[], all)?,
    }
    let mut body = file.content[from.unwrap_or(0)..].to_vec();
    match answer {
        Answer::Spoilt => body.iter_mut().for_each(|byte| *byte ^= 1),
        Answer::Cut(bytes) => body.truncate(*bytes),
        Answer::Slow(bytes) => {
            for piece in body.chunks(*bytes) {
                { stream }.write_all(piece)?;
                std::thread::sleep(Duration::from_millis(20));
            }
            return Ok(());
        }
        _ => {}
    }
    { stream }.write_all(&body)?;
    stream.shutdown(Shutdown::Write)
}

fn read(stream: &TcpStream, seen: &Mutex<Vec<Request>>) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ').map(ToOwned::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (mut from, mut authorization) = (None, None);
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let bytes = value.trim_start_matches("bytes=").trim_end_matches('-');
                from = bytes.parse().ok();
            }
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut all = seen.lock().expect("the list");
    let same = |r: &&Request| r.method == method && r.path == path;
    let before = all.iter().filter(same).count();
    let request = Request {
        method,
        path,
        from,
        authorization,
        before,
    };
    all.push(request.clone());
    Ok(request)
}

fn head(
    stream: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    length: usize,
) -> std::io::Result<()> {
    let mut text =
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        // Writing to memory cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    { stream }.write_all(format!("{text}\r\n").as_bytes())
}
