//! Measures over all pixels. Sums are whole numbers and exact, so that they do not depend on the order of pixels.

use trommel_media::{GreyImage, RgbImage};

/// How many pixels have each grey level.
pub(super) struct Greys([u64; 256]);

impl Greys {
    pub(super) fn of(image: &GreyImage) -> Self {
        // Equal neighbours would wait for each other's count; four tables keep them apart.
        let mut tables = [[0_u64; 256]; 4];
        let (quads, rest) = image.data.as_chunks::<4>();
        for quad in quads {
            for (table, &level) in tables.iter_mut().zip(quad) {
                table[usize::from(level)] += 1;
            }
        }
        for &level in rest {
            tables[0][usize::from(level)] += 1;
        }
        Self(std::array::from_fn(|level| {
            tables.iter().map(|table| table[level]).sum()
        }))
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = u64> + Clone {
        self.0.iter().copied()
    }

    pub(super) fn mean(&self) -> f64 {
        self.moments().mean()
    }

    pub(super) fn deviation(&self) -> f64 {
        self.moments().variance().sqrt()
    }

    fn moments(&self) -> Moments {
        let mut moments = Moments::default();
        for (level, &count) in (0_i64..).zip(&self.0) {
            let sum = count as i64 * level;
            moments.add(count as usize, sum, sum * level);
        }
        moments
    }
}

/// Sums that mean and variance follow from. Of at most 1.8e8 pixels, values below 2,048 cannot overflow them.
#[derive(Default)]
struct Moments {
    count: i64,
    sum: i64,
    squares: i64,
}

impl Moments {
    fn add(&mut self, count: usize, sum: i64, squares: i64) {
        self.count += count as i64;
        self.sum += sum;
        self.squares += squares;
    }

    fn mean(&self) -> f64 {
        self.sum as f64 / self.count as f64
    }

    /// Of the population, as NumPy's `var`. The difference of the two terms is exact.
    fn variance(&self) -> f64 {
        let (count, sum) = (i128::from(self.count), i128::from(self.sum));
        let scaled = count * i128::from(self.squares) - sum * sum;
        scaled as f64 / (self.count as f64 * self.count as f64)
    }
}

/// Variance of the Laplacian.
pub(super) fn blur(image: &GreyImage) -> f64 {
    let (width, height) = (image.width, image.height);
    let row = |y: usize| &image.data[y * width..(y + 1) * width];
    let mut moments = Moments {
        count: image.data.len() as i64,
        ..Moments::default()
    };
    for y in 0..height {
        let above = row(mirrored(y, -1, height));
        let below = row(mirrored(y, 1, height));
        add_laplacian(above, row(y), below, &mut moments);
    }
    moments.variance()
}

/// Pixels whose squares fit into 32 bits when added up: 1,024 times 1,020 squared.
const BLOCK: usize = 1_024;

fn add_laplacian(above: &[u8], row: &[u8], below: &[u8], moments: &mut Moments) {
    let width = row.len();
    let mut add = |value: i32| {
        moments.sum += i64::from(value);
        moments.squares += i64::from(value) * i64::from(value);
    };
    let at = |x: usize| {
        let sides = i32::from(row[mirrored(x, -1, width)]) + i32::from(row[mirrored(x, 1, width)]);
        sides + i32::from(above[x]) + i32::from(below[x]) - 4 * i32::from(row[x])
    };
    add(at(0));
    if width == 1 {
        return;
    }
    add(at(width - 1));
    // What lies between has both neighbours: slices of one length, which the compiler turns into vectors.
    let inner = 1..width - 1;
    for start in inner.clone().step_by(BLOCK) {
        let range = start..(start + BLOCK).min(inner.end);
        let length = range.len();
        let (left, right) = (&row[start - 1..][..length], &row[start + 1..][..length]);
        let (above, below) = (&above[range.clone()], &below[range.clone()]);
        let (mut sum, mut squares) = (0_i32, 0_i32);
        for (i, &centre) in row[range].iter().enumerate() {
            let around = i32::from(left[i]) + i32::from(right[i]);
            let value = around + i32::from(above[i]) + i32::from(below[i]) - 4 * i32::from(centre);
            sum += value;
            squares += value * value;
        }
        moments.sum += i64::from(sum);
        moments.squares += i64::from(squares);
    }
}

/// The place beside `at`; beyond a border the one on its other side, `BORDER_REFLECT_101` of `OpenCV`.
fn mirrored(at: usize, step: isize, length: usize) -> usize {
    match at.checked_add_signed(step) {
        Some(place) if place < length => place,
        // A single row or column has no other side.
        _ => at
            .checked_add_signed(-step)
            .filter(|place| *place < length)
            .unwrap_or(at),
    }
}

/// Colourfulness after Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003), the metric M3.
pub(super) fn colourfulness(image: &RgbImage) -> f64 {
    let (mut rg, mut yb) = (Moments::default(), Moments::default());
    // In blocks, so that the sums of one fit into 32 bits: 1,024 times 510 squared.
    for block in image.data.as_chunks::<3>().0.chunks(BLOCK) {
        let mut sums = [0_i32; 4];
        for &[r, g, b] in block {
            let [r, g, b] = [r, g, b].map(i32::from);
            let (first, second) = (r - g, r + g - 2 * b);
            sums[0] += first;
            sums[1] += first * first;
            sums[2] += second;
            sums[3] += second * second;
        }
        let [first, first_squares, second, second_squares] = sums.map(i64::from);
        rg.add(block.len(), first, first_squares);
        yb.add(block.len(), second, second_squares);
    }
    // `yb` holds twice the value.
    let deviation = (rg.variance() + yb.variance() / 4.0).sqrt();
    let mean = rg.mean().hypot(yb.mean() / 2.0);
    deviation + 0.3 * mean
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "of whole numbers, exact")]

    use super::*;

    fn grey(width: usize, data: &[u8]) -> GreyImage {
        GreyImage {
            width,
            height: data.len() / width,
            data: data.to_vec(),
        }
    }

    #[test]
    fn levels_by_hand() {
        let greys = Greys::of(&grey(3, &[0, 0, 10, 10, 20, 20]));
        assert_eq!(greys.mean(), 10.0);
        assert_eq!(greys.deviation(), (200.0_f64 / 3.0).sqrt());
        assert_eq!(greys.counts().sum::<u64>(), 6);
        assert_eq!(Greys::of(&grey(1, &[7])).deviation(), 0.0);
    }

    #[test]
    fn blur_by_hand() {
        // 0 0 0, 0 9 0, 0 0 0. Sides mirror to the centre: edges see 9 twice (their inner neighbour and its mirror), the
        // centre is -36, corners 0: 18 18 18 18 -36 and four 0. Mean 4, squares 4 * 324 + 1296 = 2592; 288 - 16.
        let image = grey(3, &[0, 0, 0, 0, 9, 0, 0, 0, 0]);
        assert_eq!(blur(&image), 272.0);
        assert_eq!(blur(&grey(1, &[5])), 0.0);
        // One row: left 2 * (4 - 1) = 6, right 2 * (1 - 4) = -6.
        assert_eq!(blur(&grey(2, &[1, 4])), 36.0);
        assert_eq!(blur(&grey(1, &[1, 4])), 36.0);
    }

    #[test]
    fn wide_rows_are_added_up_in_blocks() {
        let data: Vec<u8> = (0..5_000_u32)
            .map(|i| if i % 2 == 0 { 0 } else { 255 })
            .collect();
        // Every pixel differs from both sides: 510 or -510 in turn (above and below are the pixel itself).
        assert_eq!(blur(&grey(5_000, &data)), 510.0 * 510.0);
    }

    #[test]
    fn colourfulness_by_hand() {
        let of = |data: &[u8]| {
            colourfulness(&RgbImage {
                width: data.len() / 3,
                height: 1,
                data: data.to_vec(),
            })
        };
        assert_eq!(of(&[9, 9, 9, 200, 200, 200]), 0.0);
        // Red: rg 255, yb 127.5 without deviation.
        assert!((of(&[255, 0, 0]) - 0.3 * 255_f64.hypot(127.5)).abs() < 1e-9);
        // Red and green: rg 255 and -255, yb 127.5 both.
        assert!((of(&[255, 0, 0, 0, 255, 0]) - (255.0 + 0.3 * 127.5)).abs() < 1e-9);
    }
}
