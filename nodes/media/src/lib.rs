//! Image decoding and resizing, equal to PIL byte for byte.
//!
//! The way of an image: [`decode`] gives the RGB bytes, [`crop_u8`] what a model looks at (still bytes: the form to
//! keep), [`Tables`] the floats. Everything runs on one thread; callers spread images over threads.

mod crop;
mod decode;
mod error;
mod grey;
mod header;
mod jpeg;
mod mode;
mod preprocess;
mod resize;

pub use crop::{Tables, clip_pixels, crop_u8, pad_to_square};
pub use decode::{MAX_PIXELS, decode};
pub use error::{ImageError, PreprocessError};
pub use grey::GreyImage;
pub use header::{Header, header};
pub use mode::RgbImage;
pub use preprocess::{Filter, Preprocess, Size};
