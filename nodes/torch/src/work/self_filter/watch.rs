//! What is shown of a run while it goes on: loss, learning rate, speed, memory, and how evenly samples are weighted.

use std::fmt::Write as _;
use std::fs;

use tch::{Device, Kind};

use crate::shim;
use crate::train::{StepReport, in_bytes};

/// Weights less even than this hang on one or two samples of a batch.
const COLLAPSED: f64 = 0.2;
/// Share of the newest step in what is shown of the speed.
const NEWEST: f64 = 0.2;

/// Looks at every step.
pub(super) struct Watch {
    device: Device,
    /// Operations a second that the device can do, where that is known.
    peak: Option<f64>,
    tokens_per_second: Option<f64>,
    flops_per_second: f64,
    is_told: bool,
}

impl Watch {
    pub(super) fn new(device: Device, kind: Kind) -> Self {
        let is_half = kind == Kind::BFloat16 && matches!(device, Device::Cuda(_));
        let model = is_half.then(gpu_model).flatten();
        Self {
            device,
            peak: model.as_deref().and_then(peak),
            tokens_per_second: None,
            flops_per_second: 0.0,
            is_told: false,
        }
    }

    /// The line beside the bar.
    pub(super) fn note(&mut self, report: &StepReport) -> String {
        let seconds = report.log.seconds.max(1e-9);
        let (tokens, flops) = (report.tokens as f64 / seconds, report.flops / seconds);
        let mix = |old: f64, new: f64| old + NEWEST * (new - old);
        let (tokens, flops) = match self.tokens_per_second {
            // The first step is not like the others: libraries choose their kernels in it.
            None => (tokens, flops),
            Some(old) => (mix(old, tokens), mix(self.flops_per_second, flops)),
        };
        self.flops_per_second = flops;
        self.tokens_per_second = (report.log.step > 0).then_some(tokens);

        let mut note = match report.log.loss {
            Some(loss) => format!("loss {loss:.3}"),
            None => "nothing to learn in this batch".to_owned(),
        };
        let lr = report.log.lr;
        let _ = write!(note, ", lr {lr:.1e}, {tokens:.0} tokens/s");
        if let Some(peak) = self.peak {
            let _ = write!(note, ", MFU {:.0} %", 100.0 * flops / peak);
        }
        if let Some(bytes) = memory(self.device) {
            let _ = write!(note, ", {}", in_bytes(bytes));
        }
        let _ = write!(note, ", weights {:.2} even", report.log.weight_entropy);
        note
    }

    /// Words for weights that have collapsed, once.
    pub(super) fn warning(&mut self, report: &StepReport) -> Option<String> {
        let is_batch = report.weights.iter().any(|batch| batch.len() >= 4);
        if self.is_told || !is_batch || report.log.weight_entropy >= COLLAPSED {
            return None;
        }
        self.is_told = true;
        let (unique_idx, weight) = report
            .weights
            .iter()
            .flatten()
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(format!(
            "step {}: the weights of a batch have collapsed (entropy {:.2} of 1): unique_idx {unique_idx} has {weight:.2} of them. The score \
             net then learns from single samples: a smaller learning_rate keeps them apart",
            report.log.step, report.log.weight_entropy
        ))
    }
}

/// Bytes that the process holds on the device.
fn memory(device: Device) -> Option<u64> {
    if let Some(memory) = shim::memory(device) {
        return Some(memory.reserved);
    }
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kib)
}

/// The model of the machine's GPU; none where there are several and so it is not known which one computes.
fn gpu_model() -> Option<String> {
    let mut folders = fs::read_dir("/proc/driver/nvidia/gpus").ok()?.flatten();
    let only = folders.next().filter(|_| folders.next().is_none())?;
    let text = fs::read_to_string(only.path().join("information")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("Model:"))?;
    Some(line.trim().to_owned())
}

/// Operations a second on dense bfloat16 matrices, from the makers' data sheets.
fn peak(model: &str) -> Option<f64> {
    const PEAKS: [(&str, f64); 8] = [
        ("B200", 2250e12),
        ("H200", 989e12),
        ("H100 PCIe", 756e12),
        ("H100 NVL", 835e12),
        ("H100", 989e12),
        ("A100", 312e12),
        ("L40S", 362e12),
        ("RTX 4090", 165e12),
    ];
    let found = PEAKS.iter().find(|(name, _)| model.contains(name));
    found.map(|(_, peak)| *peak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::LogRow;

    fn report(step: u64, weights: &[f32], weight_entropy: f64) -> StepReport {
        StepReport {
            log: LogRow {
                step,
                epoch: 0.5,
                lr: 2e-5,
                loss: Some(1.25),
                grad_norm: Some(1.0),
                label_tokens: 10,
                seconds: 0.5,
                weight_entropy,
            },
            weights: vec![(0..).zip(weights.iter().copied()).collect()],
            tokens: 1000,
            flops: 1e9,
            recomputed_layers: 0,
        }
    }

    #[test]
    fn a_step_in_one_line() {
        let mut watch = Watch::new(Device::Cpu, Kind::Float);
        let even = [0.25; 4];
        let first = watch.note(&report(0, &even, 1.0));
        assert!(
            first.starts_with("loss 1.250, lr 2.0e-5, 2000 tokens/s, "),
            "{first}"
        );
        assert!(first.ends_with(", weights 1.00 even"), "{first}");
        watch.note(&report(1, &even, 1.0));
        let mut slower = report(2, &even, 1.0);
        slower.log.seconds = 1.0;
        assert!(watch.note(&slower).contains(" 1800 tokens/s"));
    }

    #[test]
    fn a_collapse_is_told_once_with_its_sample() {
        let mut watch = Watch::new(Device::Cpu, Kind::Float);
        assert_eq!(watch.warning(&report(0, &[0.25; 4], 1.0)), None);
        assert_eq!(watch.warning(&report(1, &[1.0], 0.0)), None);
        let collapsed = report(2, &[0.01, 0.01, 0.97, 0.01], 0.12);
        let words = watch.warning(&collapsed).unwrap();
        assert!(
            words.contains("step 2") && words.contains("unique_idx 2 has 0.97"),
            "{words}"
        );
        assert_eq!(watch.warning(&collapsed), None);
    }

    #[test]
    fn peaks_go_by_the_model() {
        assert_eq!(peak("NVIDIA H200"), Some(989e12));
        assert_eq!(peak("NVIDIA H100 PCIe"), Some(756e12));
        assert_eq!(peak("NVIDIA H100 80GB HBM3"), Some(989e12));
        assert_eq!(peak("Tesla T4"), None);
    }
}
