//! Nodes whose work is done by a worker process. A kind's `build` gives one of these with the
//! configuration that the worker understands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use serde_json::Value as Json;

use super::{
    Context, Inputs, NodeError, NodeEvent, Outputs, RowFailure, RowNode, RowOutput, TableNode,
};
use crate::node::Device;
use crate::table::{decode_stream, encode_stream};
use crate::worker::protocol::{Request, Response, TableInput};
use crate::worker::{Patience, Program, Worker, WorkerError};

/// A node in a worker. `device` overrides the run's where it is not `auto`.
pub struct Remote {
    kind: &'static str,
    config: Json,
    device: Device,
    program: Option<Arc<Program>>,
    timeout: Option<Duration>,
    open: Option<Open>,
    /// Rows to be sent before those of the next call are answered.
    told: Option<Vec<u8>>,
    /// The rows of the next call were sent: only their answer is waited for.
    sent: bool,
}

struct Open {
    worker: Worker,
    session: u64,
    device: String,
}

impl Remote {
    /// In the worker that holds the models.
    pub fn new(kind: &'static str, config: Json, device: Device) -> Self {
        Self {
            kind,
            config,
            device,
            program: None,
            timeout: None,
            open: None,
            told: None,
            sent: false,
        }
    }

    /// In another program, which is ended where it says nothing for so long during a request.
    #[must_use]
    pub fn in_program(self, program: Arc<Program>, timeout: Duration) -> Self {
        Self {
            program: Some(program),
            timeout: Some(timeout),
            ..self
        }
    }

    fn device(&self, context: &Context<'_>) -> String {
        if self.device == Device::Auto {
            context.device
        } else {
            self.device
        }
        .to_string()
    }

    fn patience<'c>(&self, context: &Context<'c>) -> Patience<'c> {
        Patience {
            cancel: context.cancel,
            limit: self.timeout,
            gentle: context.unfinished.is_some(),
        }
    }

    /// The session with a worker, opened on first use.
    fn session(&mut self, context: &Context<'_>) -> Result<Open, WorkerError> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        let device = self.device(context);
        let patience = self.patience(context);
        let program = self.program.as_ref();
        let program = program.unwrap_or_else(|| context.workers.models());
        let mut worker = context.workers.take(program, &device, patience)?;
        context.monitor.event(NodeEvent::Worker {
            name: worker.name.clone(),
            version: worker.version.clone(),
            device: worker.device.clone(),
            process: worker.process(),
        });
        let session = worker.next_session();
        worker.send(
            &Request::Open {
                session,
                kind: self.kind.to_owned(),
                config: self.config.clone(),
            },
            &[],
        )?;
        let mut open = Open {
            worker,
            session,
            device,
        };
        match next(&mut open, patience, context)? {
            (Response::Opened { .. }, _) => Ok(open),
            (other, _) => Err(open.worker.garbled(&format!("{other:?} after `open`"))),
        }
    }

    fn finish(&mut self, context: &Context<'_>) {
        if let Some(mut open) = self.open.take()
            && open
                .worker
                .send(
                    &Request::Close {
                        session: open.session,
                    },
                    &[],
                )
                .is_ok()
        {
            context.workers.give_back(&open.device, open.worker);
        }
    }
}

/// The next answer that is not a message on the way.
fn next(
    open: &mut Open,
    patience: Patience<'_>,
    context: &Context<'_>,
) -> Result<(Response, Vec<u8>), WorkerError> {
    loop {
        match open.worker.receive(patience)? {
            (Response::Progress { done, total, note }, _) => context.progress(done, total, note),
            (Response::Log { message }, _) => context.log(message),
            (Response::Warning { message }, _) => context.warn(message),
            (Response::Error { message, help }, _) => {
                return Err(open.worker.refused(message, help));
            }
            answer => return Ok(answer),
        }
    }
}

fn table_in(body: &[u8], worker: &Worker) -> Result<RecordBatch, WorkerError> {
    decode_stream(body).map_err(|e| worker.garbled(&format!("an unreadable table: {e}")))
}

/// Only a file of the node's own folder is the worker's to give away: it is moved from there.
fn is_inside(file: &Path, folder: &Path) -> bool {
    let is_file = std::fs::symlink_metadata(file).is_ok_and(|m| m.is_file());
    let real = file
        .canonicalize()
        .and_then(|f| Ok((f, folder.canonicalize()?)));
    is_file && real.is_ok_and(|(file, folder)| file.starts_with(folder))
}

impl RowNode for Remote {
    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError> {
        let mut open = self.session(context)?;
        let request = Request::Rows {
            session: open.session,
        };
        if !std::mem::take(&mut self.sent) {
            open.worker.send(&request, &encode_stream(rows)?)?;
        }
        if let Some(next) = self.told.take() {
            open.worker.send(&request, &next)?;
            self.sent = true;
        }
        let (answer, body) = next(&mut open, self.patience(context), context)?;
        let Response::Rows { failed, .. } = answer else {
            return Err(open
                .worker
                .garbled(&format!("{answer:?} after `rows`"))
                .into());
        };
        let columns = table_in(&body, &open.worker)?;
        self.open = Some(open);
        let failed = failed
            .into_iter()
            .map(|f| RowFailure {
                row: f.row,
                reason: f.reason,
            })
            .collect();
        Ok(RowOutput { columns, failed })
    }

    fn ahead(&mut self, rows: &RecordBatch, _: &Context<'_>) -> Result<(), NodeError> {
        self.told = Some(encode_stream(rows)?);
        Ok(())
    }

    fn close(&mut self, context: &Context<'_>) {
        self.finish(context);
    }
}

impl TableNode for Remote {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        self.work_on(inputs.places(|_| true)?, Some(outputs), context)?;
        self.finish(context);
        if context.dry_run {
            return Err(NodeError::cancelled());
        }
        Ok(())
    }
}

impl Remote {
    /// Gives the worker an input to keep. Rows that are sent afterwards ask about it, until the node is closed.
    pub fn keep(
        &mut self,
        input: &str,
        inputs: &Inputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        self.work_on(inputs.places(|key| key == input)?, None, context)
    }

    fn work_on(
        &mut self,
        inputs: Vec<TableInput>,
        mut outputs: Option<&mut dyn Outputs>,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let mut open = self.session(context)?;
        open.worker.send(
            &Request::Table {
                session: open.session,
                inputs,
                folder: context.unfinished.map(Path::to_owned),
                dry_run: context.dry_run,
            },
            &[],
        )?;
        loop {
            let answer = next(&mut open, self.patience(context), context)?;
            match (answer, &mut outputs) {
                ((Response::Push { port, .. }, body), Some(outputs)) => {
                    outputs.push(&port, table_in(&body, &open.worker)?)?;
                }
                (
                    (
                        Response::File {
                            port, name, path, ..
                        },
                        _,
                    ),
                    Some(outputs),
                ) => {
                    let folder = context.unfinished;
                    if !folder.is_some_and(|folder| is_inside(&path, folder)) {
                        let shown = path.display();
                        let what = format!("the file {shown}, which is not in the node's folder");
                        return Err(open.worker.garbled(&what).into());
                    }
                    outputs.file(&port, &name, &path)?;
                }
                ((Response::Done { .. }, _), _) => break,
                ((other, _), _) => {
                    return Err(open
                        .worker
                        .garbled(&format!("{other:?} after `table`"))
                        .into());
                }
            }
        }
        self.open = Some(open);
        Ok(())
    }
}

impl From<WorkerError> for NodeError {
    fn from(error: WorkerError) -> Self {
        if matches!(error, WorkerError::Cancelled) {
            return Self::cancelled();
        }
        Self {
            help: error.help(),
            ..Self::new(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_files_of_the_own_folder_are_given_away() {
        let place = tempfile::tempdir().unwrap();
        let (own, other) = (place.path().join("own"), place.path().join("other"));
        fs::create_dir_all(own.join("part")).unwrap();
        fs::create_dir(&other).unwrap();
        for file in [own.join("part/a"), other.join("b")] {
            fs::write(file, "").unwrap();
        }
        std::os::unix::fs::symlink(other.join("b"), own.join("link")).unwrap();
        assert!(is_inside(&own.join("part/a"), &own));
        let outside = ["link", "../other/b", "part", "none"];
        for name in outside {
            assert!(!is_inside(&own.join(name), &own), "{name}");
        }
    }
}
