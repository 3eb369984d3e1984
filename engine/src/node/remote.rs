//! Nodes whose work is done by a worker process. A kind's `build` gives one of these with the
//! configuration that the worker understands.

use arrow::array::RecordBatch;
use serde_json::Value as Json;

use super::{
    Context, Inputs, NodeError, NodeEvent, Outputs, RowFailure, RowNode, RowOutput, TableNode,
};
use crate::node::Device;
use crate::table::{decode_stream, encode_stream};
use crate::worker::protocol::{Request, Response};
use crate::worker::{Worker, WorkerError};

/// A node in a worker. `device` overrides the run's where it is not `auto`.
pub struct Remote {
    kind: &'static str,
    config: Json,
    device: Device,
    open: Option<Open>,
}

struct Open {
    worker: Worker,
    session: u64,
    device: String,
}

impl Remote {
    pub fn new(kind: &'static str, config: Json, device: Device) -> Self {
        Self {
            kind,
            config,
            device,
            open: None,
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

    /// The session with a worker, opened on first use.
    fn session(&mut self, context: &Context<'_>) -> Result<Open, NodeError> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        let device = self.device(context);
        let mut worker = context.workers.take(&device).map_err(NodeError::from)?;
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
        match next(&mut open, context)? {
            (Response::Opened { .. }, _) => Ok(open),
            (other, _) => Err(open
                .worker
                .garbled(&format!("{other:?} after `open`"))
                .into()),
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
fn next(open: &mut Open, context: &Context<'_>) -> Result<(Response, Vec<u8>), NodeError> {
    loop {
        match open.worker.receive(context.cancel, None)? {
            (Response::Progress { done, total, note }, _) => context.progress(done, total, note),
            (Response::Log { message }, _) => context.log(message),
            (Response::Warning { message }, _) => context.warn(message),
            (Response::Error { message, help }, _) => {
                let error = NodeError::new(message);
                return Err(match help {
                    Some(help) => error.help(help),
                    None => error,
                });
            }
            answer => return Ok(answer),
        }
    }
}

impl RowNode for Remote {
    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError> {
        let mut open = self.session(context)?;
        open.worker.send(
            &Request::Rows {
                session: open.session,
            },
            &encode_stream(rows)?,
        )?;
        let (answer, body) = next(&mut open, context)?;
        let Response::Rows { failed, .. } = answer else {
            return Err(open
                .worker
                .garbled(&format!("{answer:?} after `rows`"))
                .into());
        };
        let columns = decode_stream(&body[..])
            .map_err(|e| open.worker.garbled(&format!("an unreadable table: {e}")))?;
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
        let mut open = self.session(context)?;
        open.worker.send(
            &Request::Table {
                session: open.session,
                inputs: inputs.places()?,
            },
            &[],
        )?;
        loop {
            match next(&mut open, context)? {
                (Response::Push { port, .. }, body) => {
                    let batch = decode_stream(&body[..])
                        .map_err(|e| open.worker.garbled(&format!("an unreadable table: {e}")))?;
                    outputs.push(&port, batch)?;
                }
                (Response::Done { .. }, _) => break,
                (other, _) => {
                    return Err(open
                        .worker
                        .garbled(&format!("{other:?} after `table`"))
                        .into());
                }
            }
        }
        self.open = Some(open);
        self.finish(context);
        Ok(())
    }
}

impl From<WorkerError> for NodeError {
    fn from(error: WorkerError) -> Self {
        let message = error.to_string();
        match error {
            WorkerError::Cancelled => Self::cancelled(),
            WorkerError::Refused { help, .. } => Self { help, ..Self::new(message) },
            WorkerError::Start { .. } => Self::new(message).help(
                "`make build` builds it beside the program; TROMMEL_WORKER names it where it stands elsewhere",
            ),
            _ => Self::new(message),
        }
    }
}
