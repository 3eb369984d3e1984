//! The state of a run after some update, read out while the next update is already under way.
//!
//! Blocks are read from the last to the first, the order in which an update changes them, and an update waits before a block that is
//! still to be read: nothing stands in memory twice but one block, and training goes on meanwhile.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tch::{Device, Tensor, no_grad};

use super::adamw::Slot;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Updates done.
    pub step: usize,
    /// Samples seen.
    pub seen: usize,
    /// Updates of the optimizer: batches without labels are none.
    pub updates: u32,
}

/// Values and moments of all parameters as they were after an update.
#[derive(Debug)]
pub struct Snapshot {
    pub progress: Progress,
    blocks: Vec<Vec<Named>>,
    gate: Gate,
}

/// A tensor of the state: its name in files, and where it is.
#[derive(Debug)]
pub struct Named {
    pub name: String,
    pub value: Tensor,
}

/// Holds updates back from blocks that are still to be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Blocks below this number are still to be read.
    unread: Mutex<usize>,
    read: Condvar,
}

/// The tensors that the optimizer keeps of a parameter: its value, and the two moments.
pub(super) fn tensors(slot: &Slot) -> [Named; 3] {
    let named = |part: &str, value: &Tensor| Named {
        name: format!("{part}.{}", slot.parameter.name),
        value: value.detach(),
    };
    [
        named("value", slot.full()),
        named("mean", &slot.mean),
        named("square", &slot.square),
    ]
}

impl Snapshot {
    pub(super) fn new(progress: Progress, blocks: &[Vec<Slot>], gate: &Gate) -> Self {
        gate.set(blocks.len());
        Self {
            progress,
            blocks: blocks
                .iter()
                .map(|slots| slots.iter().flat_map(tensors).collect())
                .collect(),
            gate: gate.clone(),
        }
    }

    /// All tensors of the state, for their names and shapes alone: values may have changed.
    pub fn tensors(&self) -> impl Iterator<Item = &Named> {
        self.blocks.iter().flatten()
    }

    /// The tensors of the next block, copied to the CPU; none when all were read.
    pub fn next_block(&mut self) -> Option<Vec<Named>> {
        let block = self.blocks.pop()?;
        let copied = block.into_iter().map(|Named { name, value }| Named {
            name,
            value: no_grad(|| value.to_device_(Device::Cpu, value.kind(), false, true)),
        });
        let copied = copied.collect();
        self.gate.set(self.blocks.len());
        Some(copied)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.gate.set(0);
    }
}

impl Gate {
    /// Waits until a block may be changed.
    pub(super) fn pass(&self, block: usize) {
        let mut unread = self.0.unread.lock().unwrap_or_else(PoisonError::into_inner);
        while block < *unread {
            unread = self
                .0
                .read
                .wait(unread)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn set(&self, unread: usize) {
        *self.0.unread.lock().unwrap_or_else(PoisonError::into_inner) = unread;
        self.0.read.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::models::Parameter;
    use crate::train::{AdamW, AdamWConfig, TrainConfig};

    fn optimizer() -> AdamW {
        let block = |number: f32| {
            let value = Tensor::from_slice(&[number]);
            vec![Parameter::new(format!("p{number}"), &value, false)]
        };
        let config: AdamWConfig = TrainConfig::default().optimizer;
        AdamW::new(config, vec![block(1.0), block(2.0)])
    }

    #[test]
    fn an_update_waits_for_the_block_that_it_changes() {
        let (mut optimizer, gate) = (optimizer(), Gate::default());
        let progress = Progress {
            step: 1,
            seen: 2,
            updates: 3,
        };
        let mut snapshot = Snapshot::new(progress, optimizer.blocks(), &gate);
        let updating = std::thread::spawn(move || {
            optimizer.begin();
            for block in [1, 0] {
                gate.pass(block);
                optimizer.update(block, &[Tensor::from_slice(&[1f32])], 0.5);
            }
            optimizer
        });
        std::thread::sleep(Duration::from_millis(20));
        let read: Vec<Named> = std::iter::from_fn(|| {
            let block = snapshot.next_block();
            std::thread::sleep(Duration::from_millis(20));
            block
        })
        .flatten()
        .collect();
        let names: Vec<&str> = read.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "value.p2",
                "mean.p2",
                "square.p2",
                "value.p1",
                "mean.p1",
                "square.p1"
            ]
        );
        let values: Vec<f64> = read.iter().map(|n| n.value.double_value(&[0])).collect();
        assert_eq!(values, [2.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let optimizer = updating.join().unwrap();
        let value = optimizer.blocks()[0][0].full().double_value(&[0]);
        assert!((value - 0.5).abs() < 1e-6, "{value}");
    }

    #[test]
    fn a_snapshot_that_is_given_up_holds_nobody_back() {
        let (optimizer, gate) = (optimizer(), Gate::default());
        let progress = Progress {
            step: 0,
            seen: 0,
            updates: 0,
        };
        drop(Snapshot::new(progress, optimizer.blocks(), &gate));
        gate.pass(0);
    }
}
