//! What runs at the same time: permits for processors, for each GPU, for models on the processors, for memory.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::node::{Device, Permit};

/// Memory is counted in these.
const MIB: u64 = 1 << 20;

/// The machine's permits.
pub(super) struct Permits {
    processors: Arc<Semaphore>,
    jobs: u32,
    /// A model on the processors uses all of them by itself: one such at a time, beside light work.
    models: Arc<Semaphore>,
    devices: Mutex<HashMap<u32, Arc<Semaphore>>>,
    memory: Arc<Semaphore>,
    budget: u32,
}

/// Held while a job runs.
pub(super) struct Held(
    #[expect(dead_code, reason = "held to be dropped")] Vec<OwnedSemaphorePermit>,
);

impl Permits {
    /// `memory`: bytes that nodes which declare their need may hold together.
    pub(super) fn new(jobs: usize, memory: u64) -> Self {
        let jobs = jobs.clamp(1, 1024) as u32;
        let budget = (memory / MIB).clamp(1, u64::from(u32::MAX >> 3)) as u32;
        Self {
            processors: Arc::new(Semaphore::new(jobs as usize)),
            jobs,
            models: Arc::new(Semaphore::new(1)),
            devices: Mutex::new(HashMap::new()),
            memory: Arc::new(Semaphore::new(budget as usize)),
            budget,
        }
    }

    /// Waits until the job may run. One that needs more memory than there is runs when no other holds any.
    ///
    /// Always taken in one order (memory, device or model, processors), so that two jobs never wait for each other.
    pub(super) async fn acquire(&self, permit: Permit, device: Device, bytes: u64) -> Option<Held> {
        let processors = |count| self.processors.clone().acquire_many_owned(count);
        let mut held = Vec::new();
        let memory = bytes.div_ceil(MIB).min(u64::from(self.budget)) as u32;
        if memory > 0 {
            held.push(self.memory.clone().acquire_many_owned(memory).await.ok()?);
        }
        match (permit, device) {
            (Permit::Server, _) => {}
            (Permit::Cpu, _) => held.push(processors(1).await.ok()?),
            (Permit::Device, Device::Cuda(number)) => {
                let device = self
                    .devices
                    .lock()
                    .await
                    .entry(number)
                    .or_insert_with(|| Arc::new(Semaphore::new(1)))
                    .clone();
                // The device first: waiting for it must not keep a processor idle.
                held.push(device.acquire_owned().await.ok()?);
                held.push(processors(1).await.ok()?);
            }
            (Permit::Device, _) => {
                held.push(self.models.clone().acquire_owned().await.ok()?);
                held.push(processors(1).await.ok()?);
            }
            (Permit::Exclusive, _) => {
                held.push(self.models.clone().acquire_owned().await.ok()?);
                held.push(processors(self.jobs).await.ok()?);
            }
        }
        Some(Held(held))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PLENTY: u64 = 1 << 40;

    /// Whether the permit is given at once.
    async fn given(permits: &Permits, permit: Permit, device: Device, bytes: u64) -> Option<Held> {
        let waiting = permits.acquire(permit, device, bytes);
        tokio::time::timeout(Duration::from_millis(20), waiting)
            .await
            .ok()
            .flatten()
    }

    #[tokio::test]
    async fn jobs_share_the_processors_and_exclusive_ones_do_not() {
        let permits = Permits::new(2, PLENTY);
        let cpu = || given(&permits, Permit::Cpu, Device::Cpu, 0);
        let exclusive = || given(&permits, Permit::Exclusive, Device::Cpu, 0);
        let (first, second) = (cpu().await, cpu().await);
        assert!(first.is_some() && second.is_some());
        assert!(cpu().await.is_none(), "a third of two");
        drop(first);
        assert!(exclusive().await.is_none());
        drop(second);
        let whole = exclusive().await;
        assert!(whole.is_some());
        assert!(cpu().await.is_none());
    }

    #[tokio::test]
    async fn each_gpu_takes_one_job_and_leaves_the_processors_to_others() {
        let permits = Permits::new(3, PLENTY);
        let on = |number| given(&permits, Permit::Device, Device::Cuda(number), 0);
        let first = on(0).await;
        assert!(first.is_some());
        assert!(on(0).await.is_none());
        assert!(on(1).await.is_some());
        assert!(
            given(&permits, Permit::Cpu, Device::Cuda(0), 0)
                .await
                .is_some()
        );
    }

    #[tokio::test]
    async fn one_model_at_a_time_runs_on_the_processors_beside_light_work() {
        let permits = Permits::new(2, PLENTY);
        let model = given(&permits, Permit::Device, Device::Auto, 0).await;
        assert!(model.is_some());
        assert!(
            given(&permits, Permit::Device, Device::Cpu, 0)
                .await
                .is_none()
        );
        assert!(
            given(&permits, Permit::Cpu, Device::Auto, 0)
                .await
                .is_some()
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_into_memory_together_waits() {
        let permits = Permits::new(4, 100 * MIB);
        let of = |mib: u64| given(&permits, Permit::Cpu, Device::Cpu, mib * MIB);
        let first = of(60).await;
        assert!(first.is_some());
        assert!(of(60).await.is_none());
        assert!(of(40).await.is_some());
        assert!(of(1000).await.is_none(), "runs alone");
        drop(first);
        assert!(of(1000).await.is_some());
    }
}
