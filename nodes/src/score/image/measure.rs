//! The measures of `score.image`. What is said of each here is its definition; docs/measures.md repeats it.

use std::cell::OnceCell;

use trommel_engine::node::prelude::*;
use trommel_media::{GreyImage, Header, RgbImage};

use super::super::measures::{Value, entropy};
use super::hash;
use super::pixels::{Greys, blur, colourfulness};

/// What can be measured of an image. Grey is ITU-R 601 luma in whole numbers, as PIL's `convert("L")`; alpha is dropped,
/// and EXIF orientation is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Columns of pixels.
    Width,
    /// Rows of pixels.
    Height,
    /// Width over height, above 0.
    AspectRatio,
    /// Millions of pixels: width times height over 1,000,000.
    Megapixels,
    /// Bytes of the file.
    Bytes,
    /// Format by the file's content, as PIL names it: JPEG, PNG, GIF, BMP, WEBP or TIFF.
    Format,
    /// Variance of the Laplacian of the grey image, 0 or more; low is blurred (or flat). As
    /// `cv2.Laplacian(grey, cv2.CV_64F).var()`: the 3 x 3 kernel 0 1 0, 1 -4 1, 0 1 0, borders mirrored without the border pixel.
    Blur,
    /// Mean of the grey image, from 0 (black) to 255.
    Brightness,
    /// Standard deviation of the grey image, from 0 (flat) to 127.5.
    Contrast,
    /// Colourfulness after Hasler and Süsstrunk (2003), 0 (grey) or more, above 100 for the most colourful: with rg = R - G and
    /// yb = (R + G) / 2 - B, the length of both standard deviations plus 0.3 times the length of both means.
    Colourfulness,
    /// Shannon entropy of the grey levels in bits, from 0 (flat) to 8. As PIL's `Image.entropy` of the grey image.
    Entropy,
    /// Difference hash, 64 bits as a whole number, the first bit the highest: the grey image resized to 9 x 8 (Lanczos); row
    /// by row, whether a pixel is brighter than the one left of it. As `dhash` of the Python package imagehash.
    Dhash,
    /// Perceptual hash, 64 bits as a whole number, the first bit the highest: the grey image resized to 32 x 32 (Lanczos),
    /// the 8 x 8 lowest frequencies of its DCT; row by row, whether one is above their median. As `phash` of imagehash.
    Phash,
}

/// An image file, as far as it has been read.
pub(super) struct Picture {
    pub(super) bytes: u64,
    pub(super) header: Header,
    /// None where the measures do without.
    pub(super) pixels: Option<Pixels>,
}

pub(super) struct Pixels {
    image: RgbImage,
    grey: OnceCell<GreyImage>,
    greys: OnceCell<Greys>,
}

impl Pixels {
    pub(super) fn new(image: RgbImage) -> Self {
        Self {
            image,
            grey: OnceCell::new(),
            greys: OnceCell::new(),
        }
    }

    fn grey(&self) -> &GreyImage {
        self.grey.get_or_init(|| GreyImage::of(&self.image))
    }

    fn greys(&self) -> &Greys {
        self.greys.get_or_init(|| Greys::of(self.grey()))
    }
}

impl Measure {
    pub(super) fn needs_pixels(self) -> bool {
        !matches!(
            self,
            Self::Width
                | Self::Height
                | Self::AspectRatio
                | Self::Megapixels
                | Self::Bytes
                | Self::Format
        )
    }

    pub(super) fn column(self) -> (&'static str, ColumnType) {
        use ColumnType::{F32, Text, U32, U64};
        match self {
            Self::Width => ("image_width", U32),
            Self::Height => ("image_height", U32),
            Self::AspectRatio => ("image_aspect_ratio", F32),
            Self::Megapixels => ("image_megapixels", F32),
            Self::Bytes => ("image_bytes", U64),
            Self::Format => ("image_format", Text),
            Self::Blur => ("image_blur", F32),
            Self::Brightness => ("image_brightness", F32),
            Self::Contrast => ("image_contrast", F32),
            Self::Colourfulness => ("image_colourfulness", F32),
            Self::Entropy => ("image_entropy", F32),
            Self::Dhash => ("image_dhash", U64),
            Self::Phash => ("image_phash", U64),
        }
    }

    pub(super) fn measure(self, picture: &Picture) -> Value {
        let header = &picture.header;
        let (width, height) = (f64::from(header.width), f64::from(header.height));
        match self {
            Self::Width => Value::Count(header.width),
            Self::Height => Value::Count(header.height),
            Self::AspectRatio => Value::number(Some(width / height)),
            Self::Megapixels => Value::number(Some(width * height / 1e6)),
            Self::Bytes => Value::Bits(picture.bytes),
            Self::Format => Value::Word(header.format),
            _ => match &picture.pixels {
                Some(pixels) => self.of_pixels(pixels),
                None => Value::None,
            },
        }
    }

    fn of_pixels(self, pixels: &Pixels) -> Value {
        let number = match self {
            Self::Dhash => return Value::Bits(hash::difference(pixels.grey())),
            Self::Phash => return Value::Bits(hash::perceptual(pixels.grey())),
            Self::Blur => blur(pixels.grey()),
            Self::Brightness => pixels.greys().mean(),
            Self::Contrast => pixels.greys().deviation(),
            Self::Entropy => entropy(pixels.greys().counts()).unwrap_or_default(),
            _ => colourfulness(&pixels.image),
        };
        Value::number(Some(number))
    }
}
