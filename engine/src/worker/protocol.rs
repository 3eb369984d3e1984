//! The messages between engine and worker: length-framed, a JSON head and an Arrow IPC body.
//!
//! A frame is `u32` head length, `u64` body length (both little-endian), the head, the body.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Raised when a message changes its meaning; both sides must say the same number.
pub const PROTOCOL: u32 = 1;

const MAX_HEAD: u32 = 256 << 20;
const MAX_BODY: u64 = 64 << 30;

/// What the engine says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    Hello {
        protocol: u32,
        device: String,
    },
    /// Readies a node; its configuration is the kind's business.
    Open {
        session: u64,
        kind: String,
        config: Json,
    },
    /// Rows to compute; the body holds them.
    Rows {
        session: u64,
    },
    /// Whole tables to compute on; they lie in Arrow files.
    Table {
        session: u64,
        inputs: Vec<TableInput>,
        /// Where a node that resumes keeps what it has on its way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<PathBuf>,
        /// The work is only to be made ready: it says in `log` what it needs, and then that it is done.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dry_run: bool,
    },
    Close {
        session: u64,
    },
}

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Response {
    Hello {
        protocol: u32,
        name: String,
        version: String,
        device: String,
    },
    Opened {
        session: u64,
    },
    /// The answer to `Rows`; the body holds as many rows as were sent.
    Rows {
        session: u64,
        #[serde(default)]
        failed: Vec<Failure>,
    },
    /// Some rows of a port; the body holds them.
    Push {
        session: u64,
        port: String,
    },
    /// A finished file of a port of files, under its name there. It stands in the folder that `Table` named, and the engine takes
    /// it from there.
    File {
        session: u64,
        port: String,
        name: String,
        path: PathBuf,
    },
    /// `Table` is done.
    Done {
        session: u64,
    },
    Progress {
        done: u64,
        total: Option<u64>,
        #[serde(default)]
        note: String,
    },
    Log {
        message: String,
    },
    Warning {
        message: String,
    },
    /// The session failed; the worker goes on.
    Error {
        message: String,
        #[serde(default)]
        help: Option<String>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub row: usize,
    pub reason: String,
}

/// One input of a whole-table node.
#[derive(Debug, Serialize, Deserialize)]
pub struct TableInput {
    /// The key of the configuration.
    pub key: String,
    /// As written there.
    pub reference: String,
    /// Where the reference is to one column: its name.
    pub column: Option<String>,
    pub fields: Vec<String>,
    pub chunks: Vec<ChunkPlaces>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ChunkPlaces {
    pub rows: usize,
    /// In the order of `fields`.
    pub columns: Vec<ColumnPlace>,
}

/// A column of an Arrow IPC file of one record batch.
#[derive(Debug, Serialize, Deserialize)]
pub struct ColumnPlace {
    pub path: PathBuf,
    pub index: usize,
}

pub fn write_frame(to: &mut impl Write, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let length = u32::try_from(head.len())
        .ok()
        .filter(|&l| l <= MAX_HEAD)
        .ok_or_else(|| invalid(format!("a message head of {} bytes", head.len())))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&(body.len() as u64).to_le_bytes())?;
    to.write_all(&head)?;
    to.write_all(body)?;
    to.flush()
}

/// The next frame, or none where the other side has closed in good order.
pub fn read_frame<T: for<'de> Deserialize<'de>>(
    from: &mut impl Read,
) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut lengths = [0; 12];
    let mut filled = 0;
    while filled < lengths.len() {
        match from.read(&mut lengths[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) if is_text(&lengths[..filled]) => return Err(not_a_frame(&lengths[..filled])),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let head_length = u32::from_le_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]);
    let mut body_length = [0; 8];
    body_length.copy_from_slice(&lengths[4..]);
    let body_length = u64::from_le_bytes(body_length);
    if head_length > MAX_HEAD || body_length > MAX_BODY {
        return Err(not_a_frame(&lengths));
    }
    // Looked at before the rest is waited for: after a stray line end the lengths may look right.
    let mut head = read_exactly(from, 1.min(u64::from(head_length)))?;
    if head != b"{" {
        return Err(not_a_frame(&[&lengths, &head[..]].concat()));
    }
    head.append(&mut read_exactly(from, u64::from(head_length) - 1)?);
    let body = read_exactly(from, body_length)?;
    let head = serde_json::from_slice(&head)
        .map_err(|e| invalid(format!("a message that is not understood: {e}")))?;
    Ok(Some((head, body)))
}

/// Grows as bytes arrive, so that a false length costs no memory.
fn read_exactly(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(1 << 20) as usize);
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn not_a_frame(bytes: &[u8]) -> io::Error {
    let shown = if is_text(bytes) {
        format!("`{}`", String::from_utf8_lossy(bytes).trim_end())
    } else {
        format!("the bytes {bytes:02x?}")
    };
    invalid(format!(
        "{shown} is no frame: is something else printing to stdout?"
    ))
}

/// Whether somebody may have printed it; the lengths of a frame hold zeros.
fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|&b| b >= b' ' && b != 0x7f || b.is_ascii_whitespace())
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_cut_ones_are_errors() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Request::Rows { session: 7 }, b"body").unwrap();
        let (head, body) = read_frame::<Request>(&mut &bytes[..]).unwrap().unwrap();
        assert!(matches!(head, Request::Rows { session: 7 }));
        assert_eq!(body, b"body");
        assert!(read_frame::<Request>(&mut &bytes[..0]).unwrap().is_none());
        for length in 1..bytes.len() {
            assert!(
                read_frame::<Request>(&mut &bytes[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn text_on_stdout_is_not_a_frame() {
        for (text, shown) in [
            (&b"Loading model weights ..."[..], "`Loading mode`"),
            (b"hello\n", "`hello`"),
        ] {
            let error = read_frame::<Response>(&mut &text[..]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let error = error.to_string();
            assert!(error.contains("stdout") && error.contains(shown), "{error}");
        }
    }

    #[test]
    fn a_stray_line_end_is_found_before_a_frame_is_waited_for() {
        let mut bytes = b"\n".to_vec();
        write_frame(&mut bytes, &Request::Rows { session: 7 }, b"body").unwrap();
        let error = read_frame::<Request>(&mut &bytes[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    }
}
