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
