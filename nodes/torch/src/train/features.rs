//! What the score net sees of a sample: scalars scaled to [-1, 1] over the data set, and vectors as they are, side by side.

use super::TrainError;

/// One feature of all samples, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    pub name: String,
    pub values: Values,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// One number per sample. A missing one is NaN.
    Scalar(Vec<f64>),
    /// `width` numbers per sample, sample after sample. A sample that has none has NaN.
    Vector { width: usize, data: Vec<f32> },
}

/// The least and the greatest value of a scalar over the data set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub min: f64,
    pub max: f64,
}

/// All features, ready to be read row by row.
#[derive(Debug)]
pub struct FeatureTable {
    columns: Vec<Column>,
    width: usize,
}

#[derive(Debug)]
struct Column {
    name: String,
    width: usize,
    range: Option<Range>,
    /// Scaled if scalar.
    data: Vec<f32>,
}

impl FeatureTable {
    /// Takes the features of the samples with these `unique_idx`, in the order that the score net's weights are to have.
    pub fn new(features: Vec<Feature>, unique_idx: &[u64]) -> Result<Self, TrainError> {
        let columns = features
            .into_iter()
            .map(|feature| Column::new(feature, unique_idx))
            .collect::<Result<Vec<_>, _>>()?;
        let width = columns.iter().map(|column| column.width).sum();
        if width == 0 {
            Err(TrainError::NoFeatures)
        } else {
            Ok(Self { columns, width })
        }
    }

    /// Components of a sample's features, all together.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Features of the samples at these positions, one after the other.
    pub fn rows(&self, positions: &[usize]) -> Vec<f32> {
        let row = |&position: &usize| {
            self.columns
                .iter()
                .flat_map(move |column| &column.data[position * column.width..][..column.width])
        };
        positions.iter().flat_map(row).copied().collect()
    }

    /// For every component in order: its feature, its place in that feature, and the feature's range if it is a scalar.
    pub fn components(&self) -> impl Iterator<Item = (&str, u32, Option<Range>)> {
        self.columns.iter().flat_map(|column| {
            (0..column.width as u32).map(|place| (column.name.as_str(), place, column.range))
        })
    }
}

impl Range {
    fn of(values: &[f64]) -> Self {
        let start = Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        };
        values.iter().fold(start, |range, &value| Self {
            min: range.min.min(value),
            max: range.max.max(value),
        })
    }

    /// `value` scaled from this range to [-1, 1]; 0 if the range is a single value.
    pub fn scale(self, value: f64) -> f64 {
        if self.max > self.min {
            (value - self.min) / (self.max - self.min) * 2.0 - 1.0
        } else {
            0.0
        }
    }
}

impl Column {
    fn new(feature: Feature, unique_idx: &[u64]) -> Result<Self, TrainError> {
        let Feature { name, values } = feature;
        let (rows, width) = match &values {
            Values::Scalar(values) => (values.len(), 1),
            Values::Vector { width, data } => (data.len().checked_div(*width).unwrap_or(0), *width),
        };
        if rows != unique_idx.len() {
            return Err(TrainError::FeatureRows {
                feature: name,
                found: rows,
                expected: unique_idx.len(),
            });
        }
        let whole = |row: usize| match &values {
            Values::Scalar(values) => values[row].is_finite(),
            Values::Vector { width, data } => {
                data[row * width..][..*width].iter().all(|x| x.is_finite())
            }
        };
        let broken: Vec<u64> = (0..rows)
            .filter(|&row| !whole(row))
            .map(|row| unique_idx[row])
            .collect();
        if !broken.is_empty() {
            let first = broken.iter().copied().take(5).collect();
            return Err(TrainError::FeatureValues {
                feature: name,
                count: broken.len(),
                first,
            });
        }
        Ok(match values {
            Values::Vector { data, .. } => Self {
                name,
                width,
                range: None,
                data,
            },
            Values::Scalar(values) => {
                let range = Range::of(&values);
                let data = values
                    .iter()
                    .map(|&value| range.scale(value) as f32)
                    .collect();
                Self {
                    name,
                    width,
                    range: Some(range),
                    data,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(name: &str, values: &[f64]) -> Feature {
        Feature {
            name: name.to_owned(),
            values: Values::Scalar(values.to_vec()),
        }
    }

    #[test]
    fn scalars_are_scaled_and_vectors_are_not() {
        let vector = Feature {
            name: "v".to_owned(),
            values: Values::Vector {
                width: 2,
                data: vec![5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
            },
        };
        let table =
            FeatureTable::new(vec![scalar("s", &[1.0, 3.0, 2.5]), vector], &[0, 1, 2]).unwrap();
        assert_eq!(table.rows(&[2, 0]), [0.5, 9.0, 10.0, -1.0, 5.0, 6.0]);
        let range = Some(Range { min: 1.0, max: 3.0 });
        assert_eq!(
            table.components().collect::<Vec<_>>(),
            [("s", 0, range), ("v", 0, None), ("v", 1, None)]
        );
    }

    #[test]
    fn a_scalar_that_never_changes_is_zero() {
        assert_eq!(
            FeatureTable::new(vec![scalar("s", &[4.0, 4.0])], &[0, 1])
                .unwrap()
                .rows(&[0, 1]),
            [0.0, 0.0]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = FeatureTable::new(
            vec![scalar("s", &[1.0, f64::NAN, f64::INFINITY])],
            &[7, 8, 9],
        )
        .unwrap_err();
        assert!(
            matches!(error, TrainError::FeatureValues { count: 2, ref first, .. } if first == &[8, 9]),
            "{error}"
        );
        assert!(matches!(
            FeatureTable::new(vec![], &[7]),
            Err(TrainError::NoFeatures)
        ));
        assert!(matches!(
            FeatureTable::new(vec![scalar("s", &[])], &[7]),
            Err(TrainError::FeatureRows { .. })
        ));
    }
}
