//! Does your host keep its duties towards the engine?
//!
//! [`Engine`](crate::Engine) lists what it expects of its host. A host that implements the two traits of
//! [`shell`](crate::shell) and [`HostUnderTest`] can be tested for it: [`check_host`] draws sequences of operations
//! with proptest (rounds, workers that act, fail or crash, reports that are late, lost or doubled, commands that are
//! repeated or overtaken, restarts of the engine), lets the engine and the host play them, and judges what the host
//! does. It returns the shortest sequence that it can find in which a [`Duty`] is neglected. A small host, and the bugs
//! that are planted in it and found: `examples/verify_my_host.rs`.
//!
//! A command asks for the same as the last one, and thus for nothing new, if it is of the same migration and asks the
//! same worker to release the task, or to run it: after a restart the engine may say [`Place`](crate::Action::Place)
//! where it said [`Assign`](crate::Action::Assign) before.
//!
//! | duty | what is checked |
//! |---|---|
//! | 1 | Snapshots go forward in time, have no bad records, and list every task and every worker that is present. |
//! | 2 | A worker does what it is told, once, however often it is told. No copy starts or stops without a command. A task runs at most once; at the end it runs, or was given back to the scheduler. Every migration has ended then. |
//! | 3 | What a worker has done is reported. Reports name a migration that a command named, and are true. |
//! | 6 | A command of a migration that a later one has overtaken, of an earlier epoch too, has no effect and is not shown. |
//! | 8 | A task is shown on a worker only if that worker runs it, and not while it is to be released; as released only if no worker runs it; as orphaned or unplaced only if no worker runs it or was told to. |
//! | 9 | No worker carries out a command that is older than the time-out of a step. |
//! | 10 | A worker that has crashed is left out or [`Offline`](crate::snapshot::Stance::Offline). |
//!
//! Duties 4, 5 and 7 (save the state, raise the epoch, tick before the first report) are the test kit's own part.
//! It tests hosts that release and assign ([`HostAbility::Release`](crate::config::HostAbility::Release)), not those
//! that evict or overlap.

mod books;
mod door;
mod duty;
mod plan;
mod play;

use core::cell::{Cell, RefCell};
use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

pub use door::HostUnderTest;
pub use duty::{Duty, HostFault};
pub use plan::{HostOperation, HostPlan, HostStart, host_plans};

use play::Play;

/// What a host was tested with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostPassed {
    /// Plans that were played.
    pub plans: u64,
    /// Commands that the host was given.
    pub commands: u64,
    /// Migrations that the engine began.
    pub migrations: u64,
}

impl HostPlan {
    /// Plays the plan against a new host, which must be in the state that [`HostStart`] describes.
    ///
    /// # Errors
    ///
    /// [`HostFault`] if the host neglects a duty.
    pub fn check<H: HostUnderTest>(&self, host: &mut H) -> Result<HostPassed, Box<HostFault>> {
        let fault = |breach: duty::Breach, story| {
            let plan = self.clone();
            Box::new(HostFault { duty: breach.duty, says: breach.says, plan, story })
        };
        let mut play = Play::new(&self.start, host).map_err(|it| fault(it, Vec::new()))?;
        match play.play(self) {
            Ok(()) => {
                let migrations = play.begun.len() as u64;
                Ok(HostPassed { plans: 1, commands: play.commands, migrations })
            }
            Err(breach) => Err(fault(breach, play.story)),
        }
    }
}

/// Tests hosts with this many random plans; `new_host` makes a new one for each. The random numbers begin where the
/// environment variable `PROPTEST_RNG_SEED` says.
///
/// # Errors
///
/// [`HostFault`], with the shortest plan that was found, if a host neglects a duty.
///
/// # Panics
///
/// If the host does.
#[expect(clippy::panic, reason = "a host that panics fails the test that calls this")]
pub fn check_host<H: HostUnderTest>(
    plans: u32,
    new_host: impl Fn(&HostStart) -> H,
) -> Result<HostPassed, Box<HostFault>> {
    let passed = Cell::new(HostPassed::default());
    // Shorter plans must neglect the same duty: one fault is not to be taken for another.
    let found: RefCell<Option<Box<HostFault>>> = RefCell::new(None);
    let mut runner = TestRunner::new(Config {
        cases: plans,
        failure_persistence: None,
        max_shrink_iters: 10_000,
        ..Config::default()
    });
    let result = runner.run(&host_plans(), |plan| match plan.check(&mut new_host(&plan.start)) {
        Ok(one) => {
            let HostPassed { plans, commands, migrations } = passed.get();
            passed.set(HostPassed {
                plans: plans + 1,
                commands: commands + one.commands,
                migrations: migrations + one.migrations,
            });
            Ok(())
        }
        Err(fault) => {
            let mut found = found.borrow_mut();
            if found.as_ref().is_some_and(|first| first.duty != fault.duty) {
                return Ok(());
            }
            let says = fault.to_string();
            *found = Some(fault);
            Err(TestCaseError::fail(says))
        }
    });
    match (result, found.into_inner()) {
        (Err(TestError::Fail(..)), Some(fault)) => Err(shortest(fault, &new_host)),
        (Err(error), _) => panic!("{error}"),
        (Ok(()), _) => Ok(passed.get()),
    }
}

/// Leaves out operations, two at a time as well, for as long as the same duty is neglected.
fn shortest<H: HostUnderTest>(
    mut fault: Box<HostFault>,
    new_host: &impl Fn(&HostStart) -> H,
) -> Box<HostFault> {
    // A long wait replaces any number of operations that only let time pass.
    let mut plan = fault.plan.clone();
    for operation in &mut plan.operations {
        if let HostOperation::Wait(span) = operation {
            *span = plan::LONG_WAIT;
        }
    }
    if let Err(same) = plan.check(&mut new_host(&plan.start))
        && same.duty == fault.duty
    {
        fault = same;
    }
    'again: loop {
        let count = fault.plan.operations.len();
        let pairs = (0..count).flat_map(|first| (first..count).map(move |second| (first, second)));
        for (first, second) in pairs {
            let mut plan = fault.plan.clone();
            let mut at = 0..count;
            plan.operations.retain(|_| !at.next().is_some_and(|at| at == first || at == second));
            if let Err(shorter) = plan.check(&mut new_host(&plan.start))
                && shorter.duty == fault.duty
            {
                fault = shorter;
                continue 'again;
            }
        }
        return fault;
    }
}
