//! Numbers that say how alike two orders are.

/// Spearman's rank correlation; equal values share the mean of their ranks. None of fewer than two pairs, or
/// where all values of a side are equal.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let a = ranks(&pairs.iter().map(|p| p.0).collect::<Vec<_>>());
    let b = ranks(&pairs.iter().map(|p| p.1).collect::<Vec<_>>());
    let middle = f64::midpoint(1.0, pairs.len() as f64);
    let sum = |x: &[f64], y: &[f64]| -> f64 {
        x.iter()
            .zip(y)
            .map(|(x, y)| (x - middle) * (y - middle))
            .sum()
    };
    let spread = (sum(&a, &a) * sum(&b, &b)).sqrt();
    (spread > 0.0).then(|| sum(&a, &b) / spread)
}

/// The rank of every value, from 1.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| order_of(values[i], values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    for group in order.chunk_by(|&i, &j| order_of(values[i], values[j]).is_eq()) {
        let mean = from as f64 + f64::midpoint(1.0, group.len() as f64);
        for &i in group {
            ranks[i] = mean;
        }
        from += group.len();
    }
    ranks
}

/// -0.0 is 0.0.
fn order_of(a: f64, b: f64) -> std::cmp::Ordering {
    (a + 0.0).total_cmp(&(b + 0.0))
}

/// None of nothing.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values
        .into_iter()
        .fold((0.0, 0_u64), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: &[f64], b: &[f64]) -> Option<f64> {
        let pairs: Vec<(f64, f64)> = a.iter().copied().zip(b.iter().copied()).collect();
        spearman(&pairs)
    }

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(ranks(&[5.0, 6.0, 7.0, 8.0, 7.0]), [1.0, 2.0, 3.5, 5.0, 3.5]);
        assert_eq!(ranks(&[2.0, 2.0, 2.0]), [2.0, 2.0, 2.0]);
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0]);
    }

    #[test]
    fn correlations_by_hand() {
        let up = [1.0, 2.0, 3.0, 4.0, 5.0];
        // Deviations of the ranks: (-2 -1 0 1 2) and (-2 -1 .5 2 .5); 8 / sqrt(10 * 9.5).
        let tied = of(&up, &[5.0, 6.0, 7.0, 8.0, 7.0]).unwrap();
        assert!((tied - 8.0 / 95.0_f64.sqrt()).abs() < 1e-12, "{tied}");
        // Without ties: 1 - 6 * (1 + 1 + 1 + 1 + 0) / (5 * 24).
        let swapped = of(&up, &[20.0, 10.0, 40.0, 30.0, 50.0]).unwrap();
        assert!((swapped - 0.8).abs() < 1e-12, "{swapped}");
        assert_eq!(of(&up, &up.map(|x| x * x)), Some(1.0));
        assert_eq!(of(&up, &up.map(|x| -x)), Some(-1.0));
    }

    #[test]
    fn nothing_can_be_said_of_what_does_not_vary() {
        assert_eq!(of(&[], &[]), None);
        assert_eq!(of(&[1.0], &[2.0]), None);
        assert_eq!(of(&[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(mean([]), None);
        assert_eq!(mean([1.0, 2.0]), Some(1.5));
    }
}
