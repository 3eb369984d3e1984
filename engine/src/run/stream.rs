//! What a node has given so far: tables that grow while their readers already work on them.
//!
//! Chunks are handed over as files of the cache, so a slow reader costs no memory: nothing waits in a queue.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use tokio::sync::watch;

use super::job::Finished;
use crate::table::{Chunk, Table};

/// How a node ended.
#[derive(Clone)]
pub(super) enum Ended {
    Done(Arc<Finished>),
    /// The node whose failure is the cause.
    Failed(String),
    /// The run was told to stop before the node was done.
    Stopped,
    /// A stored object was corrupt: the node is to be run again once that object has been made anew.
    Again,
}

/// The chunks that one node has given, for all who read it.
pub(super) struct Stream(watch::Sender<State>);

#[derive(Default)]
struct State {
    ports: Vec<Arrived>,
    ended: Option<Ended>,
}

/// Chunks of a port that are there.
#[derive(Clone, Default)]
pub(super) struct Arrived {
    pub fields: Arc<[FieldRef]>,
    pub chunks: Vec<Chunk>,
}

/// What a reader finds.
pub(super) enum More {
    /// Further chunks; `last` says that the table ends with them.
    Chunks { arrived: Arrived, last: bool },
    /// There are no chunks beyond those that the reader has.
    End(Ended),
}

impl Stream {
    pub(super) fn new(ports: usize) -> Self {
        let state = State {
            ports: vec![Arrived::default(); ports],
            ended: None,
        };
        Self(watch::Sender::new(state))
    }

    pub(super) fn push(&self, port: usize, fields: &[FieldRef], chunk: Chunk) {
        self.0.send_modify(|state| {
            if let Some(arrived) = state.ports.get_mut(port) {
                if arrived.chunks.is_empty() {
                    arrived.fields = fields.into();
                }
                arrived.chunks.push(chunk);
            }
        });
    }

    pub(super) fn end(&self, ended: Ended) {
        self.0.send_modify(|state| state.ended = Some(ended));
    }

    /// Waits for chunks of a port beyond the first `have`, or for the end.
    pub(super) async fn more(&self, port: usize, have: usize) -> More {
        let mut receiver = self.0.subscribe();
        let more = |state: &State| {
            if let Some(ended) = &state.ended {
                if let Ended::Done(finished) = ended
                    && let Some(table) = finished.tables.ports.get(port)
                    && table.chunks().len() > have
                {
                    let arrived = Arrived::of(table, have);
                    return Some(More::Chunks {
                        arrived,
                        last: true,
                    });
                }
                return Some(More::End(ended.clone()));
            }
            let arrived = state.ports.get(port)?;
            (arrived.chunks.len() > have).then(|| More::Chunks {
                arrived: Arrived {
                    fields: arrived.fields.clone(),
                    chunks: arrived.chunks[have..].to_vec(),
                },
                last: false,
            })
        };
        loop {
            if let Some(found) = more(&receiver.borrow_and_update()) {
                return found;
            }
            if receiver.changed().await.is_err() {
                return More::End(Ended::Stopped);
            }
        }
    }

    pub(super) async fn ended(&self) -> Ended {
        let mut receiver = self.0.subscribe();
        let ended = receiver.wait_for(|state| state.ended.is_some()).await;
        ended
            .ok()
            .and_then(|state| state.ended.clone())
            .unwrap_or(Ended::Stopped)
    }
}

impl Arrived {
    /// The chunks of a table from `start` on.
    fn of(table: &Table, start: usize) -> Self {
        Self {
            fields: table.fields().into(),
            chunks: table.chunks()[start..].to_vec(),
        }
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.fields = more.fields;
        self.chunks.extend(more.chunks);
    }

    pub(super) fn table(&self) -> Table {
        Table::new(self.fields.clone(), self.chunks.clone())
    }
}
