//! What goes through the shim, against the plain operations.

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
        || cross_entropy(&(&scores * 1.0), &targets),
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
    let losses = cross_entropy(&(&scores * 1.0), &Tensor::from_slice(&[1i64, 1]));
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
