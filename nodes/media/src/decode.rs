//! Bytes of a file to RGB, as PIL's `Image.open(f).convert("RGB")`. The content decides the format, not the name.

use std::io::{Cursor, ErrorKind};

use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader};

use crate::ImageError;
use crate::jpeg::decode_jpeg;
use crate::mode::{Mode, Picture, RgbImage, Samples};
use crate::samples::{only_keyed, samples};

/// Above this many pixels PIL takes a file for a decompression bomb and raises.
pub const MAX_PIXELS: u64 = 178_956_970;

/// The chunk that closes a PNG.
const PNG_END: [u8; 12] = *b"\0\0\0\0IEND\xAE\x42\x60\x82";

/// Decodes an image file to 8-bit RGB.
///
/// Grey is copied to three channels, alpha and PNG's `tRNS` are dropped without blending, 16-bit grey saturates at 255
/// while other 16-bit channels keep their high byte, CMYK takes PIL's formula, EXIF orientation is ignored, of an
/// animation the first picture counts. A file that is cut off is an error, as in PIL.
///
/// # Errors
/// When the bytes are no image, a damaged one, or one of more than [`MAX_PIXELS`] pixels.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, ImageError> {
    Ok(decode_picture(bytes)?.into_rgb())
}

/// Decodes an image file in its own mode.
pub(crate) fn decode_picture(bytes: &[u8]) -> Result<Picture, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return decode_jpeg(bytes);
    }
    let format = image::guess_format(bytes).map_err(|_| ImageError::UnknownFormat {
        start: start(bytes),
    })?;
    match format {
        ImageFormat::Png if !bytes.ends_with(&PNG_END) => {
            // Where only the closing chunk is gone, PIL takes the picture. In any other cut this stays an error.
            decode_other(&[bytes, PNG_END.as_slice()].concat(), format)
        }
        // PIL spreads 5 and 6 bits in a way of its own.
        ImageFormat::Bmp if bytes.get(28..30) == Some(&[16, 0]) => {
            Err(ImageError::UnsupportedPixels {
                format: name(format),
                pixels: "16 bits together".into(),
            })
        }
        ImageFormat::Png
        | ImageFormat::Gif
        | ImageFormat::Bmp
        | ImageFormat::WebP
        | ImageFormat::Tiff => decode_other(bytes, format),
        _ => Err(ImageError::UnsupportedFormat {
            format: name(format),
        }),
    }
}

/// Refuses sizes that only a decompression bomb has.
pub(crate) fn check_size(width: u64, height: u64) -> Result<(), ImageError> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 {
        return Err(ImageError::NoPixels { width, height });
    }
    if pixels > MAX_PIXELS {
        return Err(ImageError::TooLarge {
            width,
            height,
            pixels,
            limit: MAX_PIXELS,
        });
    }
    Ok(())
}

fn decode_other(bytes: &[u8], format: ImageFormat) -> Result<Picture, ImageError> {
    let fail = |e| explain(&e, format, bytes.len());
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // The size check below is the limit that counts; this one only stops runaway side data.
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(8 * MAX_PIXELS);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(fail)?;
    let (width, height) = decoder.dimensions();
    check_size(u64::from(width), u64::from(height))?;
    let in_file = decoder.original_color_type();
    let unsupported = || ImageError::UnsupportedPixels {
        format: name(format),
        pixels: format!("{in_file:?}"),
    };
    if matches!(
        in_file,
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16
    ) {
        return Err(unsupported());
    }
    let samples = samples(bytes, format, in_file);
    let image = DynamicImage::from_decoder(decoder).map_err(fail)?;
    let high = |v: Vec<u16>| v.into_iter().map(|v| (v >> 8) as u8).collect();
    let (mode, data) = match image {
        DynamicImage::ImageLuma8(i) => (Mode::L, i.into_raw()),
        DynamicImage::ImageLumaA8(i) => (Mode::La, i.into_raw()),
        DynamicImage::ImageRgb8(i) => (Mode::Rgb, i.into_raw()),
        DynamicImage::ImageRgba8(i) => (Mode::Rgba, i.into_raw()),
        DynamicImage::ImageLuma16(i) => (Mode::L, saturate(i.into_raw())),
        // Grey with `tRNS` comes with an alpha channel that its file does not have: PIL opens it as I;16.
        DynamicImage::ImageLumaA16(i) if samples == Samples::Deep => {
            (Mode::La, saturate(i.into_raw()))
        }
        DynamicImage::ImageLumaA16(i) => (Mode::La, high(i.into_raw())),
        DynamicImage::ImageRgb16(i) => (Mode::Rgb, high(i.into_raw())),
        DynamicImage::ImageRgba16(i) => (Mode::Rgba, high(i.into_raw())),
        _ => return Err(unsupported()),
    };
    let picture = Picture {
        width: width as usize,
        height: height as usize,
        mode,
        samples,
        data,
    };
    Ok(if only_keyed(bytes, format) {
        picture.without_alpha()
    } else {
        picture
    })
}

/// PIL (before 12) turns 16-bit grey into 8 bits by cutting at 255, not by scaling.
fn saturate(values: Vec<u16>) -> Vec<u8> {
    values.into_iter().map(|v| v.min(255) as u8).collect()
}

pub(crate) fn explain(error: &image::ImageError, format: ImageFormat, bytes: usize) -> ImageError {
    let truncated = || ImageError::Truncated {
        format: name(format),
        bytes,
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if let Some(io) = e.downcast_ref::<std::io::Error>()
            && io.kind() == ErrorKind::UnexpectedEof
        {
            return truncated();
        }
        cause = e.source();
    }
    let reason = error.to_string();
    if let image::ImageError::Unsupported(_) = error {
        return ImageError::UnsupportedPixels {
            format: name(format),
            pixels: reason,
        };
    }
    if reason.to_lowercase().contains("unexpected end of file") {
        return truncated();
    }
    ImageError::Damaged {
        format: name(format),
        reason,
    }
}

pub(crate) fn name(format: ImageFormat) -> String {
    format!("{format:?}")
}

pub(crate) fn start(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
    hex.join(" ")
}
