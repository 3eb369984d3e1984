//! What may befall a run: it is killed, the disk is full, the cache is damaged, the clock is wrong, another run is
//! at work beside it. However it ends, a later run gives the bytes of one that nothing befell.
//!
//! Every test has a few rounds. For many: `TROMMEL_CRASH_ROUNDS` (kills), `TROMMEL_DAMAGE_ROUNDS` (bytes),
//! `TROMMEL_FULL_ROUNDS` (full disks), `TROMMEL_PAIR_ROUNDS` (two runs at once); `TROMMEL_SEED` gives others.

mod bytes;
mod clock;
mod disk;
mod families;
mod kill;
mod pair;
mod process;
mod training;
