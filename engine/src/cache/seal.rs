//! Small files with a seal: the digest of their name and content stands in the first line, so that a
//! damaged one counts as not there and one cannot be taken for another.

use std::fs;
use std::path::Path;

use crate::table::{Digest, Digester};

/// Hex digits of a digest, and the end of the line.
const SEAL: usize = 65;

/// The bytes of the file `path` with `content`.
pub(super) fn sealed(path: &Path, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SEAL + content.len());
    bytes.extend(digest(path, content).to_string().bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(content);
    bytes
}

/// The content of the file, if it is there and whole.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let content = content(path, &bytes)?.len();
    bytes.drain(..bytes.len() - content);
    Some(bytes)
}

/// What stands behind the seal, if the seal is that of the file `path`.
pub(super) fn content<'a>(path: &Path, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (seal, content) = bytes.split_at_checked(SEAL)?;
    let seal = seal.strip_suffix(b"\n")?;
    (digest(path, content).to_string().as_bytes() == seal).then_some(content)
}

fn digest(path: &Path, content: &[u8]) -> Digest {
    let name = path.file_name().unwrap_or_default();
    Digester::new("trommel.seal.1")
        .field("name", name.as_encoded_bytes())
        .field("content", content)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_and_no_other_name_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        let mut bytes = sealed(&path, b"some content");
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path).unwrap(), b"some content");
        assert_eq!(content(&folder.path().join("two"), &bytes), None);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(content(&path, &bytes), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..bytes.len() {
            assert_eq!(content(&path, &bytes[..length]), None, "cut at {length}");
        }
    }
}
