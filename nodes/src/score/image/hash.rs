//! Hashes by which images that look alike are found: near ones differ in few bits. Equal to those of the Python package
//! imagehash; its text form is the number in hexadecimal.

use std::f64::consts::PI;

use trommel_media::{Filter, GreyImage};

/// Pixels of a row of the small image that the difference hash looks at, and its rows.
const SMALL: (usize, usize) = (9, 8);

/// Side of the small image that the perceptual hash looks at.
const SIDE: usize = 32;

/// Frequencies that it keeps, across and down.
const LOW: usize = 8;

/// Whether each pixel of the small image is brighter than the one left of it.
pub(super) fn difference(image: &GreyImage) -> u64 {
    let small = image.resized(SMALL.0, SMALL.1, Filter::Lanczos);
    let rows = small.data.chunks_exact(SMALL.0);
    bits(rows.flat_map(|row| row.array_windows().map(|[left, right]| right > left)))
}

/// Whether each low frequency of the small image is above their median.
pub(super) fn perceptual(image: &GreyImage) -> u64 {
    let small = image.resized(SIDE, SIDE, Filter::Lanczos);
    let low = low_frequencies(&small.data);
    let mut sorted = low;
    sorted.sort_unstable_by(f64::total_cmp);
    let median = f64::midpoint(sorted[31], sorted[32]);
    bits(low.into_iter().map(|frequency| frequency > median))
}

/// The first of 64 is the highest.
fn bits(all: impl Iterator<Item = bool>) -> u64 {
    all.fold(0, |bits, bit| bits << 1 | u64::from(bit))
}

/// Columns first, then rows, as `scipy.fftpack.dct` over both axes.
fn low_frequencies(small: &[u8]) -> [f64; LOW * LOW] {
    let mut down = [[0.0; SIDE]; LOW];
    for x in 0..SIDE {
        let column: [f64; SIDE] = std::array::from_fn(|y| f64::from(small[y * SIDE + x]));
        for (row, value) in down.iter_mut().zip(dct(&column)) {
            row[x] = value;
        }
    }
    let mut low = [0.0; LOW * LOW];
    for (low, row) in low.as_chunks_mut::<LOW>().0.iter_mut().zip(&down) {
        low.copy_from_slice(&dct(row)[..LOW]);
    }
    low
}

/// The discrete cosine transform (II), `y_k = 2 Σ x_n cos(π k (2 n + 1) / 2 N)`, by halves after Lee (1984). Sums of mirrored
/// pairs come first, so that what is 0 by symmetry (all but one frequency of a flat image) comes out as 0 and not as noise,
/// which would be above or below the median by chance.
fn dct(values: &[f64]) -> Vec<f64> {
    fn halves(values: &[f64]) -> Vec<f64> {
        let n = values.len();
        if n == 1 {
            return values.to_vec();
        }
        let pairs = (0..n / 2).map(|i| (values[i], values[n - 1 - i]));
        let (mut sums, mut differences) = (Vec::new(), Vec::new());
        for (i, (near, far)) in pairs.enumerate() {
            sums.push(near + far);
            let angle = PI * (i as f64 + 0.5) / n as f64;
            differences.push((near - far) / (2.0 * angle.cos()));
        }
        let (even, odd) = (halves(&sums), halves(&differences));
        let next = odd.iter().skip(1).chain(&[0.0]);
        let odd = odd.iter().zip(next).map(|(this, next)| this + next);
        even.into_iter()
            .zip(odd)
            .flat_map(|(even, odd)| [even, odd])
            .collect()
    }
    halves(values).iter().map(|value| 2.0 * value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transform_is_that_of_its_formula() {
        let values: [f64; 32] = std::array::from_fn(|n| ((n * n * 7 + 3 * n) % 256) as f64);
        for (k, value) in dct(&values).into_iter().enumerate() {
            let terms = values.iter().enumerate();
            let direct: f64 = terms
                .map(|(n, x)| 2.0 * x * (PI * k as f64 * (2 * n + 1) as f64 / 64.0).cos())
                .sum();
            assert!((value - direct).abs() < 1e-9, "{k}: {value}, {direct}");
        }
    }

    #[test]
    fn flat_images_have_no_noise() {
        let flat = |level: u8| GreyImage {
            width: 40,
            height: 30,
            data: vec![level; 1_200],
        };
        // As imagehash: only the mean is above the median; nothing is brighter than its neighbour.
        assert_eq!(perceptual(&flat(200)), 1 << 63);
        assert_eq!(perceptual(&flat(0)), 0);
        assert_eq!(difference(&flat(90)), 0);
    }

    #[test]
    fn bits_stand_row_by_row() {
        // Brighter from left to right: every bit of the difference hash is set.
        let data = (0..8).flat_map(|_| (0..9).map(|x| x * 20)).collect();
        let image = GreyImage {
            width: 9,
            height: 8,
            data,
        };
        assert_eq!(difference(&image), u64::MAX);
        assert_eq!(bits([true, false, true].into_iter()), 0b101);
    }
}
