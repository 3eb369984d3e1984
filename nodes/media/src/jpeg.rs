//! JPEG through libjpeg-turbo, the library that PIL decodes with, so that every byte is the same.

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat};

use crate::ImageError;
use crate::decode::check_size;
use crate::mode::{Mode, Picture, Samples};

/// libjpeg's warnings start with these; PIL takes the image all the same.
const WARNINGS: [&str; 7] = [
    "Application transferred too many scanlines",
    "Corrupt JPEG data",
    "Inconsistent progression sequence",
    "Invalid SOS parameters for sequential JPEG",
    "Unknown Adobe color transform code",
    "Warning: unknown JFIF revision",
    "Corrupt Exif data",
];

pub(crate) fn decode_jpeg(bytes: &[u8]) -> Result<Picture, ImageError> {
    let mut decoder = Decompressor::new().map_err(|e| damaged(&e))?;
    let header = decoder
        .read_header(bytes)
        .map_err(|e| end_or_damage(&e, bytes))?;
    let (width, height) = (header.width, header.height);
    check_size(width as u64, height as u64)?;
    let (mode, format) = match header.colorspace {
        Colorspace::Gray => (Mode::L, PixelFormat::GRAY),
        Colorspace::CMYK | Colorspace::YCCK => (Mode::Cmyk, PixelFormat::CMYK),
        Colorspace::RGB | Colorspace::YCbCr => (Mode::Rgb, PixelFormat::RGB),
    };
    let pitch = width * format.size();
    let mut data = vec![0; pitch * height];
    let image = Image {
        pixels: data.as_mut_slice(),
        width,
        pitch,
        height,
        format,
    };
    if let Err(e) = decoder.decompress(bytes, image) {
        let text = e.to_string();
        if !WARNINGS.iter().any(|w| text.contains(w)) {
            return Err(end_or_damage(&e, bytes));
        }
        // Only the first warning is told; running out of bytes may have come later.
        if !has_end(bytes) {
            return Err(truncated(bytes));
        }
    }
    if mode == Mode::Cmyk {
        // PIL takes every CMYK JPEG as Adobe writes it: inverted.
        for value in &mut data {
            *value = 255 - *value;
        }
    }
    Ok(Picture {
        width,
        height,
        mode,
        samples: Samples::Smooth,
        data,
    })
}

fn damaged(error: &turbojpeg::Error) -> ImageError {
    ImageError::Damaged {
        format: "JPEG".into(),
        reason: error.to_string(),
    }
}

fn truncated(bytes: &[u8]) -> ImageError {
    ImageError::Truncated {
        format: "JPEG".into(),
        bytes: bytes.len(),
    }
}

pub(crate) fn end_or_damage(error: &turbojpeg::Error, bytes: &[u8]) -> ImageError {
    if error.to_string().contains("Premature end of JPEG file") || !has_end(bytes) {
        return truncated(bytes);
    }
    damaged(error)
}

/// Whether the markers lead to the end-of-image marker.
fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // Entropy-coded bytes and garbage are skipped up to the next 0xFF.
        let Some(skip) = bytes
            .get(at..)
            .and_then(|b| b.iter().position(|&v| v == 0xFF))
        else {
            return false;
        };
        at += skip + 1;
        match bytes.get(at) {
            None => return false,
            Some(0xD9) => return true,
            // Stuffing, restart, start of image: no length follows. A second 0xFF is filling.
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 1,
            Some(0xFF) => {}
            Some(_) => match bytes.get(at + 1..at + 3) {
                Some(&[high, low]) => at += 1 + usize::from(u16::from_be_bytes([high, low])).max(2),
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::has_end;

    #[test]
    fn end_marker_is_found_behind_segments_and_stuffing() {
        let whole = [
            0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0xFF, 0xD9, 0xFF, 0xDA, 0, 2, 7, 0xFF, 0x00, 8, 0xFF,
            0xD0, 9, 0xFF, 0xD9,
        ];
        assert!(has_end(&whole));
        // The 0xFF 0xD9 inside the first segment is data.
        assert!(!has_end(&whole[..whole.len() - 2]));
        assert!(!has_end(&whole[..whole.len() - 1]));
        assert!(!has_end(&[0xFF, 0xD8]));
    }
}
