//! Opens files of data: as they are, or packed by gzip or zstd, which is told by their first bytes, not by their names.
//!
//! What a packed file holds is never in memory as a whole. A record is, so it has a bound, and so have those of a chunk:
//! a few bytes may unpack to very many.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use trommel_engine::node::prelude::*;

/// Bytes that one record may have.
pub(super) const MOST_OF_A_RECORD: usize = 64 << 20;
/// Bytes that the records of a chunk may have together.
const MOST_OF_A_CHUNK: usize = 1 << 30;
const BUFFER: usize = 1 << 18;

pub(super) type Opened = Box<dyn BufRead + Send>;

/// A file's content, unpacked where it is packed.
pub(super) fn open(path: &Path) -> Result<Opened, NodeError> {
    let opened = File::open(path).and_then(unpacked);
    opened.map_err(|e| NodeError::new(format!("cannot read {}: {e}", path.display())))
}

/// What a file holds from its beginning on.
pub(super) fn unpacked(file: File) -> io::Result<Opened> {
    let mut file = BufReader::with_capacity(BUFFER, file);
    Ok(match file.fill_buf()? {
        [0x1f, 0x8b, ..] => Packed::buffered("gzip", MultiGzDecoder::new(file)),
        // A frame of data, or one to be passed over, with which some programs begin.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Packed::buffered("zstd", zstd::Decoder::with_buffer(file)?)
        }
        _ => Box::new(file),
    })
}

/// Says of an error while unpacking what it comes from.
struct Packed<R> {
    form: &'static str,
    content: R,
}

impl<R: Read + Send + 'static> Packed<R> {
    fn buffered(form: &'static str, content: R) -> Opened {
        Box::new(BufReader::with_capacity(BUFFER, Self { form, content }))
    }
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer).map_err(|e| {
            let form = self.form;
            let reason = match e.kind() {
                io::ErrorKind::Interrupted => return e,
                io::ErrorKind::UnexpectedEof => format!("the {form} data are cut off"),
                _ => format!("the {form} data are broken: {e}"),
            };
            io::Error::new(e.kind(), reason)
        })
    }
}

/// Appends up to the end of the line, with it; the number of bytes, 0 at the end of the file.
pub(super) fn read_line(from: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let read = from
        .take(MOST_OF_A_RECORD as u64 + 1)
        .read_until(b'\n', line)?;
    if read > MOST_OF_A_RECORD {
        return Err(too_long());
    }
    Ok(read)
}

/// A file from which one record's bytes are taken, until it is said that another begins.
pub(super) struct Bounded {
    from: Opened,
    left: Left,
}

/// What is left of the bytes that the record may have.
#[derive(Clone)]
pub(super) struct Left(Rc<Cell<usize>>);

impl Left {
    pub(super) fn another_begins(&self) {
        self.0.set(MOST_OF_A_RECORD);
    }
}

pub(super) fn open_bounded(path: &Path) -> Result<(Bounded, Left), NodeError> {
    let left = Left(Rc::new(Cell::new(MOST_OF_A_RECORD)));
    let bounded = Bounded {
        from: open(path)?,
        left: left.clone(),
    };
    Ok((bounded, left))
}

impl BufRead for Bounded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.0.get() == 0 {
            return Err(too_long());
        }
        self.from.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.left.0.set(self.left.0.get().saturating_sub(amount));
        self.from.consume(amount);
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

pub(super) fn too_long() -> io::Error {
    let most = MOST_OF_A_RECORD >> 20;
    io::Error::other(format!("the record is longer than {most} MiB"))
}

/// What is left of the bytes that the records of a chunk may have.
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MOST_OF_A_CHUNK)
    }
}

impl Room {
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            let most = MOST_OF_A_CHUNK >> 20;
            format!("the records of this chunk (at most 1,024) hold more than {most} MiB")
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(content).unwrap();
        packed.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        zstd::encode_all(content, 1).unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut content = Vec::new();
        unpacked(File::open(file.path())?)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn content_tells_how_a_file_is_packed() {
        let content = b"{\"a\": 1}\n".repeat(100_000);
        assert_eq!(read(&content).unwrap(), content);
        assert_eq!(read(b"").unwrap(), b"");
        for pack in [gzip, zstd] {
            assert_eq!(read(&pack(&content)).unwrap(), content);
            let twice = [pack(b"one\n"), pack(b"two\n")].concat();
            assert_eq!(read(&twice).unwrap(), b"one\ntwo\n");
            assert_eq!(read(&pack(b"")).unwrap(), b"");
        }
        let passed_over = [b"\x50\x2a\x4d\x18\x01\x00\x00\x00x".to_vec(), zstd(b"one")].concat();
        assert_eq!(read(&passed_over).unwrap(), b"one");
    }

    #[test]
    fn packed_files_that_are_cut_or_changed_are_refused() {
        let content: Vec<u8> = (0..100_000_u32)
            .flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes())
            .collect();
        for (form, packed) in [("gzip", gzip(&content)), ("zstd", zstd(&content))] {
            for length in (5..packed.len()).step_by(packed.len() / 60) {
                let error = read(&packed[..length]).unwrap_err().to_string();
                assert!(error.contains(form) && error.contains("cut off"), "{error}");
            }
        }
        let mut changed = gzip(&content);
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert!(read(&changed).unwrap_err().to_string().contains("gzip"));
        assert!(
            open(Path::new("nowhere.gz"))
                .err()
                .unwrap()
                .message
                .contains("nowhere.gz")
        );
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut endless = BufReader::new(io::repeat(b'x'));
        let mut line = Vec::new();
        let error = read_line(&mut endless, &mut line).unwrap_err();
        assert!(error.to_string().contains("longer than 64 MiB"));
        assert!(line.len() <= MOST_OF_A_RECORD + 1);
        let mut room = Room::default();
        for _ in 0..16 {
            room.take(MOST_OF_A_RECORD).unwrap();
        }
        assert!(room.take(1).unwrap_err().contains("1024 MiB"));
    }
}
