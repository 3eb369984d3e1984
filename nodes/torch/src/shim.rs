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
    fn trommel_reset_peak(device: i8) -> *mut c_char;
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
    let mut result = std::ptr::null_mut();
    // SAFETY: the pointers are of tensors that live through the call; there is room for one result.
    check(unsafe { trommel_rms_norm(raw(x), raw(weight), eps, &raw mut result) });
    owned(result).expect("a result where there is no error")
}

/// The end of a gated MLP: (silu(gate) ⊙ up) Wᵀ. `gate`, `up` `[M, inner]`, `down` `[out, inner]` -> `[M, out]`. Keeps gate and up for the
/// backward pass, not their product.
pub fn gated(gate: &Tensor, up: &Tensor, down: &Tensor) -> Tensor {
    let mut result = std::ptr::null_mut();
    // SAFETY: the pointers are of tensors that live through the call; there is room for one result.
    check(unsafe { trommel_gated(raw(gate), raw(up), raw(down), &raw mut result) });
    owned(result).expect("a result where there is no error")
}

/// -log softmax(scores) at the targets. `scores` `[N, classes]`, `targets` int64 `[N]` -> float32 `[N]`. Beside the scores nothing of their
/// size is made but their gradient.
pub fn cross_entropy(scores: &Tensor, targets: &Tensor) -> Tensor {
    let mut result = std::ptr::null_mut();
    // SAFETY: the pointers are of tensors that live through the call; there is room for one result.
    check(unsafe { trommel_cross_entropy(raw(scores), raw(targets), &raw mut result) });
    owned(result).expect("a result where there is no error")
}

/// y = x Wᵀ + b on the CPU in float32, by oneDNN: `rows` `[M, in]`, `weight` `[out, in]`, `bias` `[out]` -> `[M, out]`. Differentiable.
pub fn linear(rows: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let mut result = std::ptr::null_mut();
    let bias = bias.map_or(std::ptr::null_mut(), raw);
    // SAFETY: the pointers are of tensors that live through the call, or null for none; there is room for one result.
    let words = unsafe { trommel_linear(raw(rows), raw(weight), bias, &raw mut result) };
    check(words);
    owned(result).expect("a result where there is no error")
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
    let mut result = std::ptr::null_mut();
    // SAFETY: the pointers are of tensors that live through the call; there is room for one result.
    let words = unsafe {
        trommel_flash(
            raw(q),
            raw(k),
            raw(v),
            raw(starts),
            longest,
            &raw mut result,
        )
    };
    check(words);
    owned(result).expect("a result where there is no error")
}

/// Whether [`flash_attention`] takes tensors of this kind on this device.
pub fn has_flash(kind: Kind, device: Device) -> bool {
    matches!(device, Device::Cuda(_)) && matches!(kind, Kind::BFloat16 | Kind::Half)
}

/// Memory of a CUDA device, in bytes. `allocated` and `reserved` are this process's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub allocated: u64,
    /// The most since [`reset_peak`].
    pub allocated_peak: u64,
    pub reserved: u64,
    pub reserved_peak: u64,
    pub free: u64,
    pub total: u64,
}

/// None: the device is no GPU.
pub fn memory(device: Device) -> Option<Memory> {
    let index = index(device)?;
    let mut bytes = [0_u64; 6];
    // SAFETY: there is room for the six numbers.
    check(unsafe { trommel_memory(index, bytes.as_mut_ptr()) });
    let [
        allocated,
        allocated_peak,
        reserved,
        reserved_peak,
        free,
        total,
    ] = bytes;
    Some(Memory {
        allocated,
        allocated_peak,
        reserved,
        reserved_peak,
        free,
        total,
    })
}

/// From here on the peak is counted anew.
pub fn reset_peak(device: Device) {
    if let Some(index) = index(device) {
        // SAFETY: nothing but a number goes in.
        check(unsafe { trommel_reset_peak(index) });
    }
}

fn index(device: Device) -> Option<i8> {
    match device {
        Device::Cuda(index) => i8::try_from(index).ok(),
        _ => None,
    }
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
mod tests {
    use super::*;
    use crate::models::layers::number;

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn gradients_start_from_the_given_one() {
        tch::manual_seed(1);
        let x = random(&[3, 4]).set_requires_grad(true);
        let w = random(&[5, 4]).set_requires_grad(true);
        let unused = random(&[2]).set_requires_grad(true);
        let seed = random(&[3, 5]);
        let output = || x.linear(&w, None::<&Tensor>).silu();
        let found = gradients(&output(), &seed, &[&x, &unused, &w]);
        let expected = Tensor::run_backward(
            &[(output() * &seed).sum(Kind::Float)],
            &[&x, &w],
            false,
            false,
        );
        let found: Vec<&Tensor> = found.iter().flatten().collect();
        assert_eq!(found.len(), 2);
        for (found, expected) in found.into_iter().zip(&expected) {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_linear_map_has_the_gradients_of_a_linear_map() {
        tch::manual_seed(3);
        let x = random(&[200, 24]).set_requires_grad(true);
        let w = random(&[40, 24]).set_requires_grad(true);
        let b = random(&[40]).set_requires_grad(true);
        // As the gradient of a transposed view comes.
        let seed = random(&[40, 200]).t_();
        for bias in [None, Some(&b)] {
            let (found, expected) = (linear(&x, &w, bias), x.linear(&w, bias));
            assert!(number(&(&found - &expected).abs().max()) < 1e-4);
            let inputs = [&x, &w, &b];
            let found = gradients(&found, &seed, &inputs);
            let expected = gradients(&expected, &seed, &inputs);
            assert_eq!(found[2].is_some(), bias.is_some());
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!(number(&(found - expected).abs().max()) < 1e-4);
            }
        }
        // What is frozen costs nothing.
        let frozen = linear(&x, &w.detach(), None);
        assert!(gradients(&frozen, &seed, &[&x, &w])[1].is_none());
    }

    /// Holds an operation against its plain form: the value, and the gradients by its inputs.
    fn agree(inputs: &[&Tensor], ours: impl Fn() -> Tensor, plain: impl Fn() -> Tensor) {
        let close = |found: &Tensor, expected: &Tensor| {
            assert_eq!(found.kind(), expected.kind());
            let size = number(&expected.abs().max());
            let apart = number(&(found - expected).abs().max());
            assert!(size > 0.0 && apart < 1e-5 * size, "{apart} of {size}");
        };
        let (found, expected) = (ours(), plain());
        close(&found, &expected);
        let seed = expected.randn_like();
        let found = gradients(&found, &seed, inputs);
        let expected = gradients(&expected, &seed, inputs);
        for (found, expected) in found.iter().zip(&expected) {
            close(found.as_ref().unwrap(), expected.as_ref().unwrap());
        }
    }

    #[test]
    fn what_keeps_less_computes_the_same() {
        tch::manual_seed(5);
        let free = |shape: &[i64]| random(shape).set_requires_grad(true);
        let (x, weight) = (free(&[150, 24]), free(&[24]));
        agree(
            &[&x, &weight],
            || rms_norm(&x, &weight, 1e-6),
            || x.rms_norm([24], None::<&Tensor>, 1e-6) * &weight,
        );
        for rows in [5, 150] {
            let (gate, up, down) = (free(&[rows, 40]), free(&[rows, 40]), free(&[24, 40]));
            agree(
                &[&gate, &up, &down],
                || gated(&gate, &up, &down),
                || (gate.silu() * &up).linear(&down, None::<&Tensor>),
            );
        }
        let scores = free(&[150, 11]);
        let targets = Tensor::randint(11, [150], (Kind::Int64, Device::Cpu));
        agree(
            &[&scores],
            || cross_entropy(&scores, &targets),
            || {
                let logarithms = scores.log_softmax(-1, Kind::Float);
                -logarithms
                    .gather(-1, &targets.unsqueeze(-1), false)
                    .squeeze_dim(-1)
            },
        );
    }

    #[test]
    fn the_cross_entropy_of_what_underflows_is_finite() {
        let scores = Tensor::from_slice2(&[[200f32, 0.0], [0.0, 300.0]]).set_requires_grad(true);
        let losses = cross_entropy(&scores, &Tensor::from_slice(&[1i64, 1]));
        assert_eq!(Vec::<f32>::try_from(&losses).unwrap(), [200.0, 0.0]);
        let gradient = gradients(&losses, &losses.ones_like(), &[&scores])
            .remove(0)
            .unwrap();
        assert_eq!(gradient, Tensor::from_slice2(&[[1f32, -1.0], [0.0, 0.0]]));
    }

    #[test]
    fn what_libtorch_throws_is_a_panic_with_its_words() {
        let x = random(&[3]);
        let thrown = std::panic::catch_unwind(|| gradients(&x, &x, &[&x])).unwrap_err();
        let words = thrown.downcast_ref::<String>().unwrap();
        assert!(words.contains("does not require grad"), "{words}");
        let none = std::panic::catch_unwind(|| memory(Device::Cuda(0)));
        assert!(tch::Cuda::is_available() || none.is_err());
        assert_eq!(memory(Device::Cpu), None);
    }

    #[test]
    fn the_fused_update_is_the_formula() {
        tch::manual_seed(2);
        let (value, mean, square) = (
            random(&[64, 33]),
            random(&[64, 33]),
            random(&[64, 33]).abs(),
        );
        let gradient = random(&[64, 33]);
        let rates = Rates {
            rate: 1e-2,
            beta1: 0.9,
            beta2: 0.999,
            decay: 0.1,
            eps: 1e-8,
        };
        let expected_mean = &mean * 0.9 + &gradient * 0.1;
        let expected_square = &square * 0.999 + &gradient * &gradient * 0.001;
        let step = &expected_mean
            / (1.0 - 0.9_f64.powi(3))
            / ((&expected_square / (1.0 - 0.999_f64.powi(3))).sqrt() + 1e-8);
        let expected = &value * (1.0 - 1e-2 * 0.1) - step * 1e-2;
        adamw(
            &Update {
                values: vec![&value],
                gradients: vec![&gradient],
                means: vec![&mean],
                squares: vec![&square],
                steps: vec![&Tensor::from(3f32)],
            },
            rates,
        );
        for (found, expected) in [
            (&mean, &expected_mean),
            (&square, &expected_square),
            (&value, &expected),
        ] {
            let worst = number(&(found - expected).abs().max());
            assert!(worst < 1e-6, "{worst}");
        }
    }
}
