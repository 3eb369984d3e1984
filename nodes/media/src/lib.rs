//! Image decoding and resizing, equal to PIL byte for byte.
//!
//! The way of an image: [`decode`] gives the RGB bytes, [`crop_u8`] what a model looks at (still bytes: the form to
//! keep), [`Tables`] the floats. [`crop_in_own_mode`] is the first two for models that resize before they convert to RGB.
//! Everything runs on one thread; callers spread images over threads.

mod crop;
mod decode;
mod error;
mod grey;
mod header;
mod jpeg;
mod mode;
mod own_mode;
mod preprocess;
mod resize;
mod samples;

pub use crop::{Tables, clip_pixels, crop_u8, pad_to_square};
pub use decode::{MAX_PIXELS, decode};
pub use error::{ImageError, PreprocessError};
pub use grey::GreyImage;
pub use header::{Header, header};
pub use mode::RgbImage;
pub use own_mode::{crop_in_own_mode, torchvision_tables};
pub use preprocess::{Filter, Preprocess, Size};
