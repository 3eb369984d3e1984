//! From a pickle's objects to named tensors: nested containers become dotted names, and every tensor is checked
//! to lie within its storage.

use std::collections::HashSet;

use super::archive::Archive;
use super::object::{Heap, Id, Object, Tensor};
use crate::entry::Entry;
use crate::error::TorchError;

/// Containers within containers; state dictionaries have one to three.
const MAX_DEPTH: usize = 32;
/// Objects looked at, since containers may be shared: a small pickle could else stand for 2^100 tensors.
const MAX_VISITS: usize = 10_000_000;
/// A tensor with stride 0 is larger than its storage. It may be as large as the file, or this many bytes.
const MAX_EXPANDED: usize = 64 << 20;

/// The tensors under `heap.root` in the order of the containers.
pub(crate) fn entries(
    heap: &Heap<'_>,
    archive: &Archive,
    file_len: usize,
) -> Result<Vec<Entry>, TorchError> {
    let root = &heap.objects[heap.root];
    if !matches!(root, Object::Dict(_) | Object::List(_) | Object::Tuple(_)) {
        return Err(TorchError::NotADict { found: root.kind() });
    }
    let mut walk = Walk {
        heap,
        archive,
        file_len,
        visits: 0,
        names: HashSet::new(),
        entries: Vec::new(),
    };
    walk.visit(heap.root, String::new(), 0)?;
    Ok(walk.entries)
}

struct Walk<'a> {
    heap: &'a Heap<'a>,
    archive: &'a Archive,
    file_len: usize,
    visits: usize,
    names: HashSet<String>,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn visit(&mut self, id: Id, name: String, depth: usize) -> Result<(), TorchError> {
        self.visits += 1;
        if self.visits > MAX_VISITS || depth > MAX_DEPTH {
            return Err(TorchError::Limit {
                limit: format!("{MAX_DEPTH} containers within each other or {MAX_VISITS} objects"),
            });
        }
        let join = |key: &str| match name.as_str() {
            "" => key.to_string(),
            name => format!("{name}.{key}"),
        };
        match &self.heap.objects[id] {
            Object::Tensor(tensor) => {
                let entry = place(tensor, &name, self.archive, self.file_len)?;
                if !self.names.insert(name.clone()) {
                    return Err(TorchError::Duplicate { tensor: name });
                }
                self.entries.push(entry);
            }
            Object::Dict(items) => {
                for (key, value) in last_of_each_key(self.heap, items) {
                    let key = match &self.heap.objects[key] {
                        Object::Str(text) => join(text),
                        Object::Int(number) => join(&number.to_string()),
                        other => {
                            return Err(TorchError::Tensor {
                                tensor: name,
                                reason: format!("its dictionary has {} as a key", other.kind()),
                            });
                        }
                    };
                    self.visit(value, key, depth + 1)?;
                }
            }
            Object::List(items) | Object::Tuple(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.visit(*item, join(&i.to_string()), depth + 1)?;
                }
            }
            // Epochs, settings and the like: no tensors.
            _ => {}
        }
        Ok(())
    }
}

/// Setting a key again replaces its value and keeps its place, as Python's dict does.
fn last_of_each_key(heap: &Heap<'_>, items: &[(Id, Id)]) -> Vec<(Id, Id)> {
    let mut places = std::collections::HashMap::new();
    let mut kept: Vec<(Id, Id)> = Vec::with_capacity(items.len());
    for (key, value) in items {
        if let Object::Str(text) = &heap.objects[*key] {
            if let Some(place) = places.get(text) {
                kept[*place] = (*key, *value);
                continue;
            }
            places.insert(text, kept.len());
        }
        kept.push((*key, *value));
    }
    kept
}

/// Checks a tensor against its storage and gives its place in the file.
fn place(
    tensor: &Tensor<'_>,
    name: &str,
    archive: &Archive,
    file_len: usize,
) -> Result<Entry, TorchError> {
    let wrong = |reason: String| TorchError::Tensor {
        tensor: name.to_string(),
        reason,
    };
    let storage = &tensor.storage;
    let range = archive.storage(storage.key)?;
    let size = storage.dtype.size();
    let elements = usize::try_from(storage.elements).ok();
    if elements.and_then(|n| n.checked_mul(size)) != Some(range.len()) {
        return Err(wrong(format!(
            "its storage is {} bytes, not {} elements of {}",
            range.len(),
            storage.elements,
            storage.dtype
        )));
    }
    let unsigned = |values: &[i64]| -> Option<Vec<usize>> {
        values.iter().map(|v| usize::try_from(*v).ok()).collect()
    };
    let (Some(shape), Some(strides), Ok(offset)) = (
        unsigned(&tensor.shape),
        unsigned(&tensor.strides),
        usize::try_from(tensor.offset),
    ) else {
        return Err(wrong("its shape, strides or offset are negative".into()));
    };
    if shape.len() != strides.len() {
        return Err(wrong(format!(
            "it has {} dimensions but {} strides",
            shape.len(),
            strides.len()
        )));
    }
    let bytes = shape
        .iter()
        .try_fold(size, |bytes, extent| bytes.checked_mul(*extent));
    let Some(bytes) = bytes.filter(|bytes| *bytes <= file_len.max(MAX_EXPANDED)) else {
        return Err(wrong(format!(
            "its shape {shape:?} is larger than the file"
        )));
    };
    let last = if bytes == 0 {
        Some(offset)
    } else {
        shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |last, (extent, stride)| {
                last.checked_add((extent - 1).checked_mul(*stride)?)
            })
    };
    let limit = range.len() / size + usize::from(bytes == 0);
    if last.is_none_or(|last| last >= limit) {
        return Err(wrong(format!(
            "shape {shape:?} with strides {strides:?} from element {offset} on reaches beyond its storage of {} elements",
            range.len() / size
        )));
    }
    Ok(Entry {
        name: name.to_string(),
        dtype: storage.dtype,
        start: range.start + offset * size,
        strides: (!is_contiguous(&shape, &strides)).then_some(strides),
        shape,
    })
}

/// Whether row-major order is the order in the file. The stride of a dimension of one element does not matter.
fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    for (extent, stride) in shape.iter().zip(strides).rev() {
        if *extent == 0 {
            return true;
        }
        if *extent != 1 {
            if *stride != expected {
                return false;
            }
            expected *= extent;
        }
    }
    true
}
