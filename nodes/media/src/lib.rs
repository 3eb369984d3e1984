//! Image decoding and resizing, equal to PIL byte for byte.
