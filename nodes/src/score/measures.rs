//! What kinds with a list of `measures` have in common: the list's check, and columns out of measured values.

use arrow::array::{Float32Array, StringArray, UInt32Array, UInt64Array};
use trommel_engine::node::prelude::*;

/// What a measure gives for one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// There is nothing to measure.
    None,
    Count(u32),
    Bits(u64),
    /// Finite.
    Number(f32),
    Word(&'static str),
}

impl Value {
    /// Counts beyond 32 bits would need texts or images that no column holds.
    pub(super) fn count(count: usize) -> Self {
        Self::Count(u32::try_from(count).unwrap_or(u32::MAX))
    }

    pub(super) fn number(number: Option<f64>) -> Self {
        number.map_or(Self::None, |number| Self::Number(number as f32))
    }

    fn into_count(self) -> Option<u32> {
        match self {
            Self::Count(count) => Some(count),
            _ => None,
        }
    }

    fn into_bits(self) -> Option<u64> {
        match self {
            Self::Bits(bits) => Some(bits),
            _ => None,
        }
    }

    fn into_word(self) -> Option<&'static str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    fn into_number(self) -> Option<f32> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }
}

/// `part` of `whole`, from 0 to 1; none of nothing.
pub(super) fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Shannon entropy in bits of how often each thing occurs; none where nothing does.
pub(super) fn entropy(counts: impl Iterator<Item = u64> + Clone) -> Option<f64> {
    let total: u64 = counts.clone().sum();
    let bits = counts.filter(|&count| count > 0).map(|count| {
        let share = count as f64 / total as f64;
        -share * share.log2()
    });
    // A sum of one term can be -0.
    (total > 0).then(|| bits.sum::<f64>() + 0.0)
}

/// Refuses lists in which nothing or something twice is measured.
pub(super) fn refuse_list<M: PartialEq + Serialize>(measures: &[M], contract: &mut Contract) {
    if measures.is_empty() {
        contract.refuse(
            "measures",
            "nothing is measured",
            "name one measure or several; `trommel kinds` lists them",
        );
    }
    let mut twice = Vec::new();
    for (position, measure) in measures.iter().enumerate() {
        if measures[..position].contains(measure) && !twice.contains(&measure) {
            twice.push(measure);
        }
    }
    for measure in twice {
        let name = serde_json::to_value(measure).unwrap_or_default();
        let name = name.as_str().unwrap_or_default();
        contract.refuse(
            "measures",
            format!("`{name}` is measured twice"),
            "name it once",
        );
    }
}

/// `rows` hold one value for each column.
pub(super) fn batch(
    columns: &[(&str, ColumnType)],
    rows: &[Vec<Value>],
) -> Result<RecordBatch, NodeError> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (place, (name, ty)) in columns.iter().enumerate() {
        let array = array(*ty, rows.iter().map(|row| row[place]));
        fields.push(Field::new(*name, array.data_type().clone(), true));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn array(ty: ColumnType, values: impl Iterator<Item = Value>) -> ArrayRef {
    match ty {
        ColumnType::U32 => Arc::new(values.map(Value::into_count).collect::<UInt32Array>()),
        ColumnType::U64 => Arc::new(values.map(Value::into_bits).collect::<UInt64Array>()),
        ColumnType::Text => Arc::new(values.map(Value::into_word).collect::<StringArray>()),
        _ => Arc::new(values.map(Value::into_number).collect::<Float32Array>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_counts_bits() {
        let of = |counts: &[u64]| entropy(counts.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[0, 0]), None);
        assert_eq!(of(&[7]).map(f64::to_bits), Some(0.0_f64.to_bits()));
        assert_eq!(of(&[1, 1, 0, 1, 1]), Some(2.0));
        // 1/2 * 1 + 1/4 * 2 + 2 * 1/8 * 3
        assert_eq!(of(&[4, 2, 1, 1]), Some(1.75));
    }

    #[test]
    fn shares_are_of_something() {
        assert_eq!(share(0, 0), None);
        assert_eq!(share(1, 4), Some(0.25));
    }
}
