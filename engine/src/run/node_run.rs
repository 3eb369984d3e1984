//! One node of a run: waits for what it reads, holds permits while it works, says how it ended.
//!
//! A node never waits for its inputs while it holds a permit, so two nodes cannot wait for each other.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::job::{Finished, Job};
use super::permits::Held;
use super::rows::{RowRun, Step};
use super::scheduler::Shared;
use super::stream::{Arrived, Ended, More, Stream};
use super::{Event, RunError, lookup, memory, models};
use crate::cache::KeyLock;
use crate::node::{Device, Permit};
use crate::plan::NodeId;
use crate::table::{Digest, Table};

/// How often a node asks for a lock that another process has.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Why a node does not come to its own end.
enum Stop {
    /// A node above it, or the whole run, ended so.
    Above(Ended),
    Error(RunError),
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// A node's tasks share this.
#[derive(Clone)]
struct Run {
    shared: Arc<Shared>,
    id: NodeId,
}

pub(super) async fn run(shared: &Arc<Shared>, id: NodeId) -> Ended {
    let node = shared.plan.node(id);
    let run = Run {
        shared: shared.clone(),
        id,
    };
    let result = if node.contract.row_wise && !node.inputs.is_empty() {
        run.by_rows().await
    } else {
        run.whole().await
    };
    match result {
        Ok(finished) => Ended::Done(Arc::new(finished)),
        Err(Stop::Above(ended)) => {
            if let Ended::Failed(because) = &ended {
                shared.emit(&Event::NodeSkipped {
                    node: node.name.clone(),
                    because: because.clone(),
                });
            }
            ended
        }
        Err(Stop::Error(error)) if error.cancelled => Ended::Stopped,
        Err(Stop::Error(_)) if shared.cache.has_corrupt() => Ended::Again,
        Err(Stop::Error(error)) => {
            shared.emit(&Event::NodeFailed {
                node: node.name.clone(),
                kind: node.kind_name().to_owned(),
                message: error.message,
                help: error.help,
            });
            Ended::Failed(node.name.clone())
        }
    }
}

impl Run {
    /// A node that needs its inputs as a whole.
    async fn whole(self) -> Result<Finished, Stop> {
        let given = Arc::new(self.given().await?);
        self.fetch_models().await?;
        let found = self.look_up(&given).await?;
        let full = match found {
            (_, Some(found)) => return Ok(found),
            (full, None) => full,
        };
        let (_lock, waited) = self.lock(full.key()).await?;
        if waited && let (_, Some(found)) = self.look_up(&given).await? {
            return Ok(found);
        }
        let _held = self.permit_to_work(&given).await?;
        self.blocking(move |job| job.compute(full, &given)).await
    }

    async fn fetch_models(&self) -> Result<(), Stop> {
        // Most nodes have none, and are spared a turn on another thread.
        if self.shared.plan.node(self.id).contract.has_model() {
            self.blocking(models::fetch).await?;
        }
        Ok(())
    }

    async fn look_up(
        &self,
        given: &Arc<Vec<Table>>,
    ) -> Result<(crate::cache::Manifest, Option<Finished>), Stop> {
        let given = given.clone();
        let _held = self.permit(Permit::Cpu, 0).await?;
        self.blocking(move |job| {
            let base = lookup::manifest_base(job.node, job.cache)?;
            job.look_up(&base, &given)
        })
        .await
    }

    /// A node that maps rows to rows takes chunks as they come.
    async fn by_rows(self) -> Result<Finished, Stop> {
        let inputs = self.shared.plan.node(self.id).inputs.len();
        let (mut more, mut complete) = self.arrived(&vec![0; inputs]).await?;
        self.fetch_models().await?;
        if complete {
            let given = Arc::new(self.given().await?);
            if let (_, Some(found)) = self.look_up(&given).await? {
                return Ok(found);
            }
        }
        let held = self.permit(Permit::Cpu, 0).await?;
        let base = self.blocking(|job| lookup::manifest_base(job.node, job.cache));
        let base = base.await?;
        drop(held);
        let mut run = RowRun::new(base, inputs);
        loop {
            run.arrive(more, complete);
            run = self.catch_up(run).await?;
            if complete {
                break;
            }
            let have: Vec<usize> = (0..inputs).map(|input| run.have(input)).collect();
            (more, complete) = self.arrived(&have).await?;
        }
        let given = self.given().await?;
        let _held = self.permit(Permit::Cpu, 0).await?;
        self.blocking(move |job| run.finish(job, &given)).await
    }

    /// Does all chunks that are there: looks up with one processor, and only work that is to be done waits for what it needs.
    async fn catch_up(&self, mut run: RowRun) -> Result<RowRun, Stop> {
        let held = self.permit(Permit::Cpu, 0).await?;
        let step;
        (run, step) = self
            .blocking(move |job| {
                let step = run.advance(job, false)?;
                Ok((run, step))
            })
            .await?;
        drop(held);
        if step == Step::CaughtUp {
            return Ok(run);
        }
        let _held = self.permit_to_work(&[]).await?;
        self.blocking(move |job| {
            run.advance(job, true)?;
            Ok(run)
        })
        .await
    }

    /// Waits until each input has a further chunk or is complete; says whether all of them are.
    async fn arrived(&self, have: &[usize]) -> Result<(Vec<Option<Arrived>>, bool), Stop> {
        let mut arrived = Vec::with_capacity(have.len());
        let mut complete = true;
        for (input, &have) in self.shared.plan.node(self.id).inputs.iter().zip(have) {
            let Some(stream) = self.shared.stream(input.from) else {
                return Err(RunError::new("an input is not part of the run").into());
            };
            match self.wait(stream.more(input.port, have)).await? {
                More::Chunks {
                    arrived: more,
                    last,
                } => {
                    complete &= last;
                    arrived.push(Some(more));
                }
                More::End(Ended::Done(_)) => arrived.push(None),
                More::End(other) => return Err(Stop::Above(other)),
            }
        }
        Ok((arrived, complete))
    }

    /// All inputs, once they are complete.
    async fn given(&self) -> Result<Vec<Table>, Stop> {
        let mut given = Vec::new();
        for input in &self.shared.plan.node(self.id).inputs {
            let Some(stream) = self.shared.stream(input.from) else {
                return Err(RunError::new("an input is not part of the run").into());
            };
            match self.wait(stream.ended()).await? {
                Ended::Done(finished) => {
                    given.extend(finished.tables.ports.get(input.port).cloned());
                }
                other => return Err(Stop::Above(other)),
            }
        }
        Ok(given)
    }

    async fn permit_to_work(&self, given: &[Table]) -> Result<Option<Held>, Stop> {
        let node = self.shared.plan.node(self.id);
        let bytes = memory::needed(node, given, &self.shared.cache);
        self.permit(node.contract.permit, bytes).await
    }

    async fn permit(&self, permit: Permit, bytes: u64) -> Result<Option<Held>, Stop> {
        let device = match permit {
            Permit::Cpu => Device::Cpu,
            _ => self.shared.options.device,
        };
        let permits = &self.shared.permits;
        self.wait(permits.acquire(permit, device, bytes)).await
    }

    /// The node's lock among processes, so that none does what another is doing; and whether another had it.
    async fn lock(&self, key: Digest) -> Result<(Option<KeyLock>, bool), Stop> {
        let cache = &self.shared.cache;
        let mut told = false;
        loop {
            if let Some(lock) = cache.try_lock(key)? {
                return Ok((Some(lock), told));
            }
            if !told {
                told = true;
                let holder = cache.lock_holder(key);
                self.shared.emit(&Event::NodeWaiting {
                    node: self.shared.plan.node(self.id).name.clone(),
                    because: holder.unwrap_or_else(|| "another process computes it".to_owned()),
                });
            }
            self.wait(tokio::time::sleep(ASK_AGAIN)).await?;
        }
    }

    /// A node that waits is stopped where it stands; one that works looks at the flag itself.
    async fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.shared.until_stopped() => Err(Stop::Above(Ended::Stopped)),
            result = future => Ok(result),
        }
    }

    /// Runs a piece of a job on a thread that may block. A panic in it is the node's failure.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Job<'_>) -> Result<T, RunError> + Send + 'static,
    ) -> Result<T, Stop> {
        let (shared, id) = (self.shared.clone(), self.id);
        let task = tokio::task::spawn_blocking(move || {
            let nobody = Stream::new(0);
            let stream = shared.stream(id).unwrap_or(&nobody);
            let job = shared.job(id, stream);
            job.check_cancelled()?;
            work(&job)
        });
        match task.await {
            Ok(result) => Ok(result?),
            Err(panic) => Err(RunError::new(format!("a fault of this program: {panic}")).into()),
        }
    }
}
