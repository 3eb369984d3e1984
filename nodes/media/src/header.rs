//! What the header of a file says of its pixels, where the decoder spreads them and tells no more.

use image::{ExtendedColorType, ImageFormat};

use crate::mode::Samples;

/// Where IHDR, always a PNG's first chunk, has bits per channel and colour type.
const PNG_DEPTH: usize = 24;
const PNG_COLOUR: usize = 25;
const PNG_GREY: u8 = 0;
const PNG_PALETTE: u8 = 3;
/// The bit of the colour type that stands for an alpha channel.
const PNG_ALPHA: u8 = 4;

/// How PIL resizes the pixels of a file. `in_file` is what its decoder says.
pub(crate) fn samples(bytes: &[u8], format: ImageFormat, in_file: ExtendedColorType) -> Samples {
    let picked = match format {
        ImageFormat::Png => match (bytes.get(PNG_COLOUR), bytes.get(PNG_DEPTH)) {
            (Some(&PNG_GREY), Some(16)) => return Samples::Deep,
            (Some(&PNG_GREY), Some(1)) | (Some(&PNG_PALETTE), _) => true,
            _ => false,
        },
        ImageFormat::Tiff if in_file == ExtendedColorType::L16 => return Samples::Deep,
        ImageFormat::Tiff => in_file == ExtendedColorType::L1,
        // A palette of grey in its natural order is no palette for PIL.
        ImageFormat::Gif => gif_palette(bytes).is_some_and(|palette| !is_ramp(palette, 3)),
        // .. but two colours are bits at least.
        ImageFormat::Bmp => bmp_palette(bytes)
            .is_some_and(|(palette, entry)| palette.len() == 2 * entry || !is_ramp(palette, entry)),
        _ => false,
    };
    if picked {
        Samples::Picked
    } else {
        Samples::Smooth
    }
}

/// Whether an alpha channel can only come from a transparent colour (PNG's `tRNS`, GIF).
pub(crate) fn only_keyed(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Png => bytes
            .get(PNG_COLOUR)
            .is_some_and(|colour| colour & PNG_ALPHA == 0),
        ImageFormat::Gif => true,
        _ => false,
    }
}

/// Whether entry i is the grey i, for all.
fn is_ramp(palette: &[u8], entry: usize) -> bool {
    let mut entries = palette.chunks_exact(entry).enumerate();
    entries.all(|(i, colour)| colour[..3].iter().all(|&v| usize::from(v) == i))
}

/// The palette of a GIF's first picture: its own, else that of the file, three bytes a colour.
fn gif_palette(bytes: &[u8]) -> Option<&[u8]> {
    // Flags, where the highest bit says that a table of 2^(1 + lowest three bits) colours follows at `at`.
    let table = |flags: u8, at: usize| {
        let length = 3 << ((flags & 7) + 1);
        (flags & 0x80 != 0).then(|| bytes.get(at..at + length))
    };
    let common = table(*bytes.get(10)?, 13);
    let mut at = 13 + common.flatten().map_or(0, <[u8]>::len);
    loop {
        match bytes.get(at)? {
            // An extension: its label, then blocks with their lengths, up to an empty one.
            0x21 => {
                at += 2;
                while let Some(length @ 1..) = bytes.get(at) {
                    at += 1 + usize::from(*length);
                }
                at += 1;
            }
            0x2C => return table(*bytes.get(at + 9)?, at + 10).or(common).flatten(),
            _ => return common.flatten(),
        }
    }
}

/// The palette of a BMP and the bytes of one entry; none where there are more than 8 bits a pixel.
fn bmp_palette(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)))
    };
    let header = number(14, 4)?;
    // The oldest header has 16-bit sizes, and no number of colours.
    let (bits, said, entry) = if header == 12 {
        (number(24, 2)?, 0, 3)
    } else {
        (number(28, 2)?, number(46, 4)?, 4)
    };
    if bits > 8 {
        return None;
    }
    let colours = if said == 0 { 1 << bits } else { said.min(256) };
    let start = 14 + header;
    Some((bytes.get(start..start + colours * entry)?, entry))
}
