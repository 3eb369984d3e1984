//! Arithmetic on the gradients of all blocks. Blocks are kept in order, so that sums over them come out the same every time.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

/// The Euclidean norm of one gradient, in float32.
pub(super) fn norm(gradient: &Tensor) -> Tensor {
    gradient.to_kind(Kind::Float).norm()
}

/// The norm of all gradients as one vector, from the norms of each.
pub(super) fn global_norm(norms: &[Tensor]) -> Tensor {
    Tensor::stack(norms, 0).norm()
}

/// Adds the gradients of another batch.
pub(super) fn add(sums: &mut [Tensor], gradients: &[Tensor]) {
    for (sum, gradient) in sums.iter_mut().zip(gradients) {
        *sum = &*sum + gradient;
    }
}

/// Multiplies all gradients by a number on their device.
pub(super) fn scale(sums: &mut BTreeMap<usize, Vec<Tensor>>, factor: &Tensor) {
    for sum in sums.values_mut().flatten() {
        *sum = &*sum * factor.to_kind(sum.kind());
    }
}
