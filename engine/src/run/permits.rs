//! What runs at the same time: permits for processors, for each GPU, for the whole machine.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::node::{Device, Permit};

/// The machine's permits.
pub(super) struct Permits {
    processors: Arc<Semaphore>,
    jobs: u32,
    devices: Mutex<HashMap<u32, Arc<Semaphore>>>,
}

/// Held while a job runs.
pub(super) struct Held(
    #[expect(dead_code, reason = "held to be dropped")] Vec<OwnedSemaphorePermit>,
);

impl Permits {
    pub(super) fn new(jobs: usize) -> Self {
        let jobs = jobs.clamp(1, 1024) as u32;
        Self {
            processors: Arc::new(Semaphore::new(jobs as usize)),
            jobs,
            devices: Mutex::new(HashMap::new()),
        }
    }

    /// Waits until the job may run.
    pub(super) async fn acquire(&self, permit: Permit, device: Device) -> Option<Held> {
        let processors = |count| self.processors.clone().acquire_many_owned(count);
        let held = match (permit, device) {
            (Permit::Cpu, _) => vec![processors(1).await.ok()?],
            (Permit::Device, Device::Cuda(number)) => {
                let device = self
                    .devices
                    .lock()
                    .await
                    .entry(number)
                    .or_insert_with(|| Arc::new(Semaphore::new(1)))
                    .clone();
                // The device first: waiting for it must not keep a processor idle.
                let device = device.acquire_owned().await.ok()?;
                vec![device, processors(1).await.ok()?]
            }
            (Permit::Exclusive | Permit::Device, _) => vec![processors(self.jobs).await.ok()?],
        };
        Some(Held(held))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether the permit is given at once.
    async fn given(permits: &Permits, permit: Permit, device: Device) -> Option<Held> {
        let waiting = permits.acquire(permit, device);
        tokio::time::timeout(Duration::from_millis(20), waiting)
            .await
            .ok()
            .flatten()
    }

    #[tokio::test]
    async fn jobs_share_the_processors_and_exclusive_ones_do_not() {
        let permits = Permits::new(2);
        let first = given(&permits, Permit::Cpu, Device::Cpu).await;
        let second = given(&permits, Permit::Cpu, Device::Cpu).await;
        assert!(first.is_some() && second.is_some());
        assert!(
            given(&permits, Permit::Cpu, Device::Cpu).await.is_none(),
            "a third of two"
        );
        drop(first);
        assert!(
            given(&permits, Permit::Exclusive, Device::Cpu)
                .await
                .is_none()
        );
        drop(second);
        let whole = given(&permits, Permit::Exclusive, Device::Cpu).await;
        assert!(whole.is_some());
        assert!(given(&permits, Permit::Cpu, Device::Cpu).await.is_none());
    }

    #[tokio::test]
    async fn each_gpu_takes_one_job_and_leaves_the_processors_to_others() {
        let permits = Permits::new(3);
        let first = given(&permits, Permit::Device, Device::Cuda(0)).await;
        assert!(first.is_some());
        assert!(
            given(&permits, Permit::Device, Device::Cuda(0))
                .await
                .is_none()
        );
        assert!(
            given(&permits, Permit::Device, Device::Cuda(1))
                .await
                .is_some()
        );
        assert!(
            given(&permits, Permit::Cpu, Device::Cuda(0))
                .await
                .is_some()
        );
    }

    #[tokio::test]
    async fn a_model_on_the_cpu_has_the_machine() {
        let permits = Permits::new(2);
        let model = given(&permits, Permit::Device, Device::Auto).await;
        assert!(model.is_some());
        assert!(given(&permits, Permit::Cpu, Device::Auto).await.is_none());
    }
}
