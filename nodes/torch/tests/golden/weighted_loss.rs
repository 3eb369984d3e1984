//! The weighted loss and its gradients on small cases.

use std::collections::BTreeSet;

use tch::Tensor;
use trommel_checkpoint::Checkpoint;
use trommel_torch::train::{batch_weights, token_losses, weighted_loss};

use crate::data::{Golden, tensor, worst};

#[test]
fn all_cases() {
    for golden in Golden::all() {
        let file = golden.tensors("golden/7_units/weighted_loss.safetensors");
        let cases: BTreeSet<&str> = file
            .names()
            .filter_map(|name| name.split('.').next())
            .collect();
        assert!(cases.contains("plain"));
        for case in cases {
            check(&file, case);
        }
    }
}

fn check(file: &Checkpoint, case: &str) {
    let read = |name: &str| tensor(file, &format!("{case}.{name}"));
    let logits = read("logits").set_requires_grad(true);
    let score_net = read("score_net").set_requires_grad(true);
    let weights = batch_weights(&read("features"), &score_net);
    assert!(worst(&weights, &read("weights")) < 1e-6, "{case}");

    let labels = read("labels");
    let next = labels.narrow(1, 1, labels.size()[1] - 1);
    let places = next.ne(-100).nonzero();
    let (samples, tokens) = (places.select(1, 0), places.select(1, 1));
    if samples.size()[0] == 0 {
        assert_eq!(case, "all_masked");
        return;
    }
    let losses = token_losses(
        &logits.index(&[Some(&samples), Some(&tokens)]),
        &next.index(&[Some(&samples), Some(&tokens)]),
    );
    let loss = weighted_loss(&losses, &samples, &weights);
    let gradients = Tensor::run_backward(&[&loss], &[&logits, &score_net], false, false);
    for finite in [&loss, &gradients[0], &gradients[1]] {
        assert!(bool::try_from(finite.isfinite().all()).unwrap(), "{case}");
    }
    let recorded = read("loss").double_value(&[0]);
    if !recorded.is_finite() {
        // The published program takes the logarithm of a softmax that underflowed.
        assert!(case.starts_with("underflow"), "{case}");
        eprintln!("{case}: {:.4}, recorded {recorded}", loss.double_value(&[]));
        return;
    }
    let relative = (loss.double_value(&[]) / recorded - 1.0).abs();
    let gradients = [
        worst(&gradients[0], &read("grad_logits")),
        worst(&gradients[1], &read("grad_score_net")),
    ];
    eprintln!(
        "{case}: loss (relative) {relative:.1e}, gradients of logits and score net {gradients:?}"
    );
    assert!(
        relative < 1e-6 && gradients.into_iter().all(|deviation| deviation < 2e-6),
        "{case}"
    );
}
