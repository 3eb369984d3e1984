//! Pixels in the mode that their file has, and PIL's way from there to RGB.

/// An 8-bit RGB image, rows from top to bottom, three bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbImage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes, `[H, W, 3]`.
    pub data: Vec<u8>,
}

/// The modes a file can have, named as PIL names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Grey, one byte. One-bit and 2- and 4-bit grey are spread to 0..=255.
    L,
    /// Grey and alpha.
    La,
    /// Three bytes; palettes are looked up already.
    Rgb,
    Rgba,
    /// Inks, where 255 is full ink.
    Cmyk,
}

/// What PIL does with the values of a file when it resizes them. Modes `P`, `1` and `I;16` are spread to [`Mode`]s when
/// they are decoded; this tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Samples {
    /// Neighbours are mixed.
    Smooth,
    /// Entries of a palette, or bits: one of the neighbours is taken.
    Picked,
    /// 16-bit grey, which PIL does not resize.
    Deep,
}

/// An image in its own mode.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) mode: Mode,
    pub(crate) samples: Samples,
    pub(crate) data: Vec<u8>,
}

impl Picture {
    /// Leaves out an alpha channel that only says which colour of the file is transparent: for PIL it is none.
    pub(crate) fn without_alpha(self) -> Self {
        let (mode, data) = match self.mode {
            Mode::La => (Mode::L, self.data.into_iter().step_by(2).collect()),
            Mode::Rgba => (
                Mode::Rgb,
                spread::<4>(&self.data, |&[r, g, b, _]| [r, g, b]),
            ),
            mode => (mode, self.data),
        };
        Self { mode, data, ..self }
    }

    /// PIL's `convert("RGB")`: alpha is dropped, not blended.
    pub(crate) fn into_rgb(self) -> RgbImage {
        let data = match self.mode {
            Mode::Rgb => self.data,
            Mode::L => self.data.iter().flat_map(|&v| [v; 3]).collect(),
            Mode::La => spread::<2>(&self.data, |&[v, _]| [v; 3]),
            Mode::Rgba => spread::<4>(&self.data, |&[r, g, b, _]| [r, g, b]),
            Mode::Cmyk => spread::<4>(&self.data, |&[c, m, y, k]| {
                let paper = 255 - k;
                [c, m, y].map(|ink| paper - mul_div_255(ink, paper))
            }),
        };
        RgbImage {
            width: self.width,
            height: self.height,
            data,
        }
    }
}

fn spread<const N: usize>(data: &[u8], rgb: impl Fn(&[u8; N]) -> [u8; 3]) -> Vec<u8> {
    data.as_chunks::<N>().0.iter().flat_map(rgb).collect()
}

/// a * b / 255, rounded, in PIL's integer form (`MULDIV255`). Never more than `b`.
pub(crate) fn mul_div_255(a: u8, b: u8) -> u8 {
    let t = u32::from(a) * u32::from(b) + 128;
    (((t >> 8) + t) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(mode: Mode, data: &[u8]) -> Vec<u8> {
        let picture = Picture {
            width: 1,
            height: 1,
            mode,
            samples: Samples::Smooth,
            data: data.to_vec(),
        };
        picture.into_rgb().data
    }

    #[test]
    fn alpha_is_dropped() {
        assert_eq!(rgb(Mode::Rgba, &[9, 8, 7, 0]), [9, 8, 7]);
        assert_eq!(rgb(Mode::La, &[9, 0]), [9, 9, 9]);
    }

    #[test]
    fn ink_divides_with_rounding() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let exact = (f64::from(a) * f64::from(b) / 255.0).round();
                assert_eq!(mul_div_255(a, b), exact as u8, "{a} * {b}");
            }
        }
        assert_eq!(rgb(Mode::Cmyk, &[0, 128, 255, 55]), [200, 100, 0]);
    }
}
