//! Images as chat endpoints take them: the file's own bytes in a data URL.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// The beginnings of the files that servers take.
const TYPES: [(&[u8], &str); 5] = [
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"RIFF", "image/webp"),
];

/// `data:image/jpeg;base64,...`
pub(super) fn data_url(path: &str) -> Result<String, String> {
    let bytes = std::fs::read(Path::new(path)).map_err(|e| format!("cannot read {path}: {e}"))?;
    let known = TYPES.iter().find(|(start, _)| bytes.starts_with(start));
    let is_webp = bytes.get(8..12) == Some(b"WEBP");
    match known {
        Some((start, ty)) if *start != b"RIFF" || is_webp => Ok(format!(
            "data:{ty};base64,{}",
            BASE64_STANDARD.encode(&bytes)
        )),
        _ => Err(format!(
            "{path} is no JPEG, PNG, GIF or WebP image, which is what servers take"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_in_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jpg");
        let url = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            data_url(path.to_str().unwrap())
        };
        assert_eq!(
            url(b"\x89PNG\r\n\x1a\n").unwrap(),
            "data:image/png;base64,iVBORw0KGgo="
        );
        assert!(
            url(b"RIFF\0\0\0\0WEBPVP8 ")
                .unwrap()
                .starts_with("data:image/webp;")
        );
        for other in [&b"RIFF\0\0\0\0WAVE"[..], b"", b"BM"] {
            assert!(url(other).unwrap_err().contains("x.jpg is no JPEG"));
        }
        assert!(
            data_url("/no/such/file")
                .unwrap_err()
                .contains("/no/such/file")
        );
    }
}
