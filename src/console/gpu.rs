//! Memory of the GPU that a node's worker uses, asked of the driver's library (NVML), which is opened only when a worker is on
//! a GPU. Where the library or the number is not to be had, nothing is shown.

use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use nvml_wrapper::enums::device::UsedGpuMemory;

const ASK_EVERY: Duration = Duration::from_secs(1);

/// Of one worker process.
pub(super) struct GpuMemory {
    process: u32,
    nvml: Option<Nvml>,
    asked: Option<Instant>,
    /// Bytes that the process uses, and all that its GPU has.
    bytes: Option<(u64, u64)>,
}

impl GpuMemory {
    /// None where the worker's device, as the protocol writes it, is no GPU.
    pub(super) fn of_worker(process: u32, device: &str) -> Option<Self> {
        device.starts_with("cuda").then(|| Self {
            process,
            nvml: Nvml::init().ok(),
            asked: None,
            bytes: None,
        })
    }

    /// `41.2 of 139.8 GiB on the GPU`.
    pub(super) fn in_words(&mut self, now: Instant) -> Option<String> {
        if self.asked.is_none_or(|asked| now - asked >= ASK_EVERY) {
            self.asked = Some(now);
            self.bytes = self.nvml.as_ref().and_then(|nvml| used(nvml, self.process));
        }
        self.bytes.map(in_words)
    }
}

/// The driver tells of processes, so it does not matter which GPUs `CUDA_VISIBLE_DEVICES` leaves visible.
fn used(nvml: &Nvml, process: u32) -> Option<(u64, u64)> {
    (0..nvml.device_count().ok()?).find_map(|index| {
        let gpu = nvml.device_by_index(index).ok()?;
        let found = gpu.running_compute_processes().ok()?;
        let ours = found.into_iter().find(|p| p.pid == process)?;
        match ours.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some((bytes, gpu.memory_info().ok()?.total)),
            UsedGpuMemory::Unavailable => None,
        }
    })
}

fn in_words((used, all): (u64, u64)) -> String {
    let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
    format!("{:.1} of {:.1} GiB on the GPU", gib(used), gib(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gpu_has_memory_to_tell_of() {
        assert!(GpuMemory::of_worker(1, "cpu").is_none());
        // Process 0 uses no GPU, whether there is one here or not.
        let mut none = GpuMemory::of_worker(0, "cuda:0").unwrap();
        assert_eq!(none.in_words(Instant::now()), None);
    }

    #[test]
    fn bytes_are_told_in_gib() {
        let words = in_words((44_238_012_416, 150_110_994_432));
        assert_eq!(words, "41.2 of 139.8 GiB on the GPU");
    }
}
