//! What tch does not expose of libtorch, through `shim/shim.cpp`: gradients that start from a given one, the fused optimizer, attention
//! over packed samples, memory statistics. A failure is a panic, as tch's own functions have it; the server turns it into words.

#![expect(
    unsafe_code,
    reason = "calls into C++ take and give raw pointers to tensors"
)]

use std::ffi::{CStr, c_char};

use tch::{Device, Kind, Tensor};

/// A tensor of libtorch, as tch points to it.
type Raw = *mut std::ffi::c_void;

unsafe extern "C" {
    fn trommel_free(words: *mut c_char);
    fn trommel_grad(
        output: Raw,
        gradient: Raw,
        inputs: *const Raw,
        count: usize,
        results: *mut Raw,
    ) -> *mut c_char;
    fn trommel_adamw(
        values: *const Raw,
        gradients: *const Raw,
        means: *const Raw,
        squares: *const Raw,
        steps: *const Raw,
        count: usize,
        rate: f64,
        beta1: f64,
        beta2: f64,
        decay: f64,
        eps: f64,
    ) -> *mut c_char;
    fn trommel_rms_norm(x: Raw, weight: Raw, eps: f64, result: *mut Raw) -> *mut c_char;
    fn trommel_gated(gate: Raw, up: Raw, down: Raw, result: *mut Raw) -> *mut c_char;
    fn trommel_cross_entropy(scores: Raw, targets: Raw, result: *mut Raw) -> *mut c_char;
    fn trommel_linear(rows: Raw, weight: Raw, bias: Raw, result: *mut Raw) -> *mut c_char;
    fn trommel_flash(
        q: Raw,
        k: Raw,
        v: Raw,
        starts: Raw,
        longest: i64,
        result: *mut Raw,
    ) -> *mut c_char;
    fn trommel_memory(device: i8, bytes: *mut u64) -> *mut c_char;
}

/// Gradients of `output` by `inputs`, given that of `output`, of the same shape; none where `output` does not depend on the input. The
/// graph behind `output` is used up.
pub fn gradients(output: &Tensor, gradient: &Tensor, inputs: &[&Tensor]) -> Vec<Option<Tensor>> {
    let raw_inputs: Vec<Raw> = inputs.iter().map(|input| raw(input)).collect();
    let mut results = vec![std::ptr::null_mut(); inputs.len()];
    // SAFETY: the pointers are of tensors that live through the call; there is room for as many results as inputs.
    let words = unsafe {
        trommel_grad(
            raw(output),
            raw(gradient),
            raw_inputs.as_ptr(),
            inputs.len(),
            results.as_mut_ptr(),
        )
    };
    check(words);
    results.into_iter().map(owned).collect()
}

/// Tensors of one optimizer update, one entry for each parameter, all float32 on one device.
#[derive(Debug, Default)]
pub struct Update<'a> {
    pub values: Vec<&'a Tensor>,
    pub gradients: Vec<&'a Tensor>,
    pub means: Vec<&'a Tensor>,
    pub squares: Vec<&'a Tensor>,
    /// The number of the update, from 1; a float32 scalar.
    pub steps: Vec<&'a Tensor>,
}

/// The numbers of an update. See [`crate::train::AdamWConfig`].
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    pub rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub decay: f64,
    pub eps: f64,
}

/// Updates values and moments in place: the arithmetic of PyTorch's AdamW in one pass over each.
pub fn adamw(update: &Update<'_>, rates: Rates) {
    let count = update.values.len();
    let lists = [
        &update.values,
        &update.gradients,
        &update.means,
        &update.squares,
        &update.steps,
    ];
    assert!(
        lists.iter().all(|list| list.len() == count),
        "an entry for each parameter"
    );
    let [values, gradients, means, squares, steps] =
        lists.map(|list| list.iter().map(|tensor| raw(tensor)).collect::<Vec<Raw>>());
    // SAFETY: the pointers are of tensors that live through the call, `count` in each list. What is changed in place is no part of a
    // graph: the caller holds no gradients.
    let words = tch::no_grad(|| unsafe {
        trommel_adamw(
            values.as_ptr(),
            gradients.as_ptr(),
            means.as_ptr(),
            squares.as_ptr(),
            steps.as_ptr(),
            count,
            rates.rate,
            rates.beta1,
            rates.beta2,
            rates.decay,
            rates.eps,
        )
    });
    check(words);
}

/// x / rms(x), rounded to the type of `x`, times `weight` `[hidden]`. `x` `[.., hidden]` -> as `x`. Keeps `x` alone for the backward pass.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    // SAFETY: see `made`.
    made(|result| unsafe { trommel_rms_norm(raw(x), raw(weight), eps, result) })
}

/// The end of a gated MLP: (silu(gate) ⊙ up) Wᵀ. `gate`, `up` `[M, inner]`, `down` `[out, inner]` -> `[M, out]`. Keeps gate and up for the
/// backward pass, not their product.
pub fn gated(gate: &Tensor, up: &Tensor, down: &Tensor) -> Tensor {
    // SAFETY: see `made`.
    made(|result| unsafe { trommel_gated(raw(gate), raw(up), raw(down), result) })
}

/// -log softmax(scores) at the targets. `scores` `[N, classes]`, `targets` int64 `[N]` -> float32 `[N]`. The backward pass
/// writes the gradient over the scores, which must be another operation's result that nothing else reads.
pub fn cross_entropy(scores: &Tensor, targets: &Tensor) -> Tensor {
    // SAFETY: see `made`.
    made(|result| unsafe { trommel_cross_entropy(raw(scores), raw(targets), result) })
}

/// y = x Wᵀ + b on the CPU in float32, by oneDNN: `rows` `[M, in]`, `weight` `[out, in]`, `bias` `[out]` -> `[M, out]`. Differentiable.
pub fn linear(rows: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let bias = bias.map_or(std::ptr::null_mut(), raw);
    // SAFETY: see `made`; null stands for no bias.
    made(|result| unsafe { trommel_linear(raw(rows), raw(weight), bias, result) })
}

/// Causal attention within each of the samples that lie end to end, on a CUDA device in 16 bits. `q`, `k`, `v`: `[tokens, heads, width]`
/// (fewer heads in `k` and `v` are shared); `starts`: int32 `[samples + 1]`, the last one being the number of tokens; `longest`: tokens of
/// the longest sample. -> as `q`.
pub fn flash_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    starts: &Tensor,
    longest: i64,
) -> Tensor {
    // SAFETY: see `made`.
    made(|result| unsafe { trommel_flash(raw(q), raw(k), raw(v), raw(starts), longest, result) })
}

/// Whether [`flash_attention`] takes tensors of this kind on this device.
pub fn has_flash(kind: Kind, device: Device) -> bool {
    matches!(device, Device::Cuda(_)) && matches!(kind, Kind::BFloat16 | Kind::Half)
}

/// Memory of a CUDA device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In tensors of this process.
    pub allocated: u64,
    /// Held by this process, for tensors that are there or to come.
    pub reserved: u64,
    /// Held by nobody.
    pub free: u64,
}

/// None: the device is no GPU.
pub fn memory(device: Device) -> Option<Memory> {
    let Device::Cuda(index) = device else {
        return None;
    };
    let mut bytes = [0_u64; 3];
    // SAFETY: there is room for the three numbers.
    check(unsafe { trommel_memory(i8::try_from(index).ok()?, bytes.as_mut_ptr()) });
    let [allocated, reserved, free] = bytes;
    Some(Memory {
        allocated,
        reserved,
        free,
    })
}

/// The one tensor that `call` makes: it is given a place for its pointer. Pointers to tensors that live through the call are safe to
/// hand over in it.
fn made(call: impl FnOnce(*mut Raw) -> *mut c_char) -> Tensor {
    let mut result = std::ptr::null_mut();
    check(call(&raw mut result));
    owned(result).expect("a result where there is no error")
}

fn raw(tensor: &Tensor) -> Raw {
    tensor.as_ptr().cast_mut().cast()
}

fn owned(result: Raw) -> Option<Tensor> {
    // SAFETY: what is not null was made by `new` for the caller, and tch frees it as it frees its own.
    (!result.is_null()).then(|| unsafe { Tensor::from_ptr(result.cast()) })
}

fn check(words: *mut c_char) {
    if words.is_null() {
        return;
    }
    // SAFETY: what is not null is a text that ends in a zero, for the caller to free.
    let text = unsafe {
        let text = CStr::from_ptr(words).to_string_lossy().into_owned();
        trommel_free(words);
        text
    };
    panic!("{text}");
}

#[cfg(test)]
mod tests;
