//! What the head of an image file tells: its size and format, without decoding a pixel.

use std::io::Cursor;

use image::{ImageDecoder, ImageFormat, ImageReader};

use crate::ImageError;
use crate::decode::{check_size, explain, name, start};
use crate::jpeg::end_or_damage;

/// Size and format of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Columns of pixels.
    pub width: u32,
    /// Rows of pixels.
    pub height: u32,
    /// As PIL names it: `JPEG`, `PNG`, `GIF`, `BMP`, `WEBP` or `TIFF`. The content decides, not the file's name.
    pub format: &'static str,
}

/// Reads the head of an image file. The first part of a file will do where the head lies in it; nothing behind the head is
/// looked at, so that a picture that is cut off or damaged is not found out. EXIF orientation is ignored, as in [`crate::decode`].
///
/// # Errors
/// When the bytes do not begin as an image of these formats, end within the head, or tell a size that `decode` refuses.
pub fn header(bytes: &[u8]) -> Result<Header, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        let head = turbojpeg::read_header(bytes).map_err(|e| end_or_damage(&e, bytes))?;
        return checked(head.width as u64, head.height as u64, "JPEG");
    }
    let format = image::guess_format(bytes).map_err(|_| ImageError::UnknownFormat {
        start: start(bytes),
    })?;
    let shown = match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::WebP => "WEBP",
        ImageFormat::Tiff => "TIFF",
        _ => {
            return Err(ImageError::UnsupportedFormat {
                format: name(format),
            });
        }
    };
    let decoder = ImageReader::with_format(Cursor::new(bytes), format)
        .into_decoder()
        .map_err(|e| explain(&e, format, bytes.len()))?;
    let (width, height) = decoder.dimensions();
    checked(width.into(), height.into(), shown)
}

fn checked(width: u64, height: u64, format: &'static str) -> Result<Header, ImageError> {
    check_size(width, height)?;
    // No side is longer than the number of pixels, which is far below u32::MAX.
    Ok(Header {
        width: width as u32,
        height: height as u32,
        format,
    })
}
