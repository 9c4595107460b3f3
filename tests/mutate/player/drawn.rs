//! Which mutant is on, and which were asked for. Part of the changed copy only: see the package `mutate`.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// How many mutants the copy holds.
pub const MUTANTS: usize = 0;

static ON: AtomicUsize = AtomicUsize::new(usize::MAX);
static ASKED: [AtomicBool; MUTANTS] = [const { AtomicBool::new(false) }; MUTANTS];

/// Whether this mutant is on.
#[inline]
pub fn is(mutant: usize) -> bool {
    ASKED[mutant].store(true, Relaxed);
    ON.load(Relaxed) == mutant
}

/// Switches one mutant on, and all others off.
pub fn switch_on(mutant: usize) {
    ON.store(mutant, Relaxed);
}

/// The mutants that were asked for since the last call.
pub fn take_asked() -> impl Iterator<Item = usize> {
    (0..MUTANTS).filter(|mutant| ASKED[*mutant].swap(false, Relaxed))
}
