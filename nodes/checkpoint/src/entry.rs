//! Where one tensor lies within a mapped file.

use std::borrow::Cow;
use std::ops::Range;

use crate::dtype::Dtype;

/// A tensor's type, shape and place. Whoever makes one has checked that every element lies within the file.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// First byte of element (0, 0, ...).
    pub(crate) start: usize,
    /// Elements between neighbours of each dimension; none when the tensor is contiguous.
    pub(crate) strides: Option<Vec<usize>>,
}

impl Entry {
    /// The bytes of the file from the tensor's first element to the end of its last, for a contiguous one.
    pub(crate) fn span(&self) -> Range<usize> {
        let count: usize = self.shape.iter().product();
        self.start..self.start + count * self.dtype.size()
    }

    /// The tensor's bytes in row-major order: borrowed where they lie so, else gathered.
    pub(crate) fn bytes<'a>(&self, file: &'a [u8]) -> Cow<'a, [u8]> {
        let size = self.dtype.size();
        match &self.strides {
            None => Cow::Borrowed(&file[self.span()]),
            Some(strides) => {
                let count: usize = self.shape.iter().product();
                let mut bytes = Vec::with_capacity(count * size);
                let mut index = vec![0; self.shape.len()];
                for _ in 0..count {
                    let offset: usize = index.iter().zip(strides).map(|(i, s)| i * s).sum();
                    let at = self.start + offset * size;
                    bytes.extend_from_slice(&file[at..at + size]);
                    advance(&mut index, &self.shape);
                }
                Cow::Owned(bytes)
            }
        }
    }
}

/// Counts `index` up by one in row-major order.
fn advance(index: &mut [usize], shape: &[usize]) {
    for (i, extent) in index.iter_mut().zip(shape).rev() {
        *i += 1;
        if *i < *extent {
            return;
        }
        *i = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathers_a_transposed_tensor() {
        let entry = Entry {
            name: "t".into(),
            dtype: Dtype::U8,
            shape: vec![3, 2],
            start: 1,
            strides: Some(vec![1, 3]),
        };
        let file = [9, 0, 1, 2, 3, 4, 5];
        assert_eq!(entry.bytes(&file).as_ref(), [0, 3, 1, 4, 2, 5]);
    }

    #[test]
    fn a_scalar_has_one_element_and_an_empty_dimension_none() {
        let mut entry = Entry {
            name: "t".into(),
            dtype: Dtype::I16,
            shape: vec![],
            start: 2,
            strides: Some(vec![]),
        };
        assert_eq!(entry.bytes(&[0, 1, 2, 3]).as_ref(), [2, 3]);
        entry.shape = vec![4, 0];
        entry.strides = Some(vec![0, 1]);
        assert!(entry.bytes(&[0, 1, 2, 3]).is_empty());
    }
}
