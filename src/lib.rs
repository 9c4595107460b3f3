//! **evenkeel** decides which running task should move to which worker, when, and why.
//!
//! A scheduler (a job queue, an orchestrator, a GPU test farm, a batch system) embeds it and calls
//! one function from its own loop:
//!
//! ```text
//! snapshot of workers and tasks  ->  tick  ->  migrations + thresholds + forecast + the reasons for all of it
//! ```
//!
//! # Quick start
//!
//! ```
//! use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};
//!
//! let (hot, idle) = (WorkerId::new(1), WorkerId::new(2));
//! let worker = |id, used| {
//!     Worker::new(id).with_capacity(ResourceId::CPU, 16.0).with_used(ResourceId::CPU, used)
//! };
//! let task = |id, cores| Task::new(TaskId::new(id)).on(hot).with_demand(ResourceId::CPU, cores);
//! let snapshot = Snapshot::builder(Timestamp::from_secs(30))
//!     .workers([worker(hot, 15.2), worker(idle, 1.6)])
//!     .tasks([task(1, 3.6), task(2, 7.0), task(3, 4.0)])
//!     .build();
//!
//! let mut engine = Engine::new(Config::default())?;
//! let outcome = engine.tick(&snapshot)?;
//!
//! assert_eq!(outcome.commands[0].to_string(), "m0.1 t1 w1 -> w2: w1 at 0.950 above 0.850");
//! // Once t1 and t3 have moved, the workers will be at 0.475 and 0.575: t2 stays on w1.
//! assert_eq!(outcome.commands.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//!
//! It reads no clock, starts no thread, opens no file or connection, draws no random number and writes
//! no log: time comes in with the snapshot, and every result is a returned value. It does not know what
//! your tasks do, and it does not move them: it tells the host what to do, and the host reports what
//! happened. So a replay is identical bit for bit, the state can be saved, resumed or run as a shadow,
//! and decisions are tested offline by the very code that runs in production.
//!
//! # The pipeline
//!
//! ```text
//! admit     is this snapshot newer than the last one? the only step that can fail
//! trust     are too many workers missing at once to be believed, or some only for a moment?
//! settle    what happened to the migrations under way? which commands follow?
//! observe   how loaded is every worker, as reported, and with everything in flight?
//! adapt     which thresholds and which pace suit the load of the system and its trend?
//! predict   how loaded will every worker be at the end of the prediction window?
//! detect    are the loads even? if not, what shows it?
//! plan      which tasks may move, where, at what cost, and which moves are taken?
//! advise    what can no move mend? split this task, add a worker, look at that worker
//! record    remember the round, and return the outcome
//! ```
//!
//! # Methods
//!
//! Three methods take input: [`Engine::tick`], [`Engine::report`] and [`Engine::reconfigure`]; the log is a
//! sequence of [`Input`](engine::Input)s. All others take `&self`: [`Engine::look`] (why may a task move to
//! a worker, or why not; where could a new task go), [`Engine::plan`] (moves that even out the whole cluster, in
//! batches), [`Engine::outstanding`] (commands to repeat after a restart), [`Engine::stats`], [`Engine::state`].
//!
//! # What it promises
//!
//! Ten promises, each a property in the one verifier ([`verify`]): determinism, hard constraints, one move
//! at a time per task, no worsening, no ping-pong, moves in flight count, evidence for every decision,
//! calibrated forecasts, bounds on everything that is remembered, and bad input never spoils good input.
//! The table in [`config`] shows which preset keeps which promise.
//!
//! The defaults guard against incomplete snapshots: the tasks of a worker that is not listed wait for the end of its
//! [grace period](config::Grace) before they are placed elsewhere, and a
//! [mass disappearance](config::Safeguard) is not believed at once. A host that knows which of its workers are gone
//! lists them as [`Offline`](snapshot::Stance::Offline), or switches both sections off.
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | worker | A machine, or a part of one, that runs tasks ([`Worker`]). |
//! | task | A piece of work that runs on one worker at a time ([`Task`]). |
//! | snapshot | All workers and tasks at one moment, as the host reports them ([`Snapshot`]). |
//! | round | One call of [`Engine::tick`]: a snapshot in, an [`Outcome`] out. |
//! | load | How full a worker is, as one number: 0 is idle, 1 is full ([`LoadRule`](config::LoadRule)). |
//! | projected load | The load of a worker as if every move in flight had arrived. |
//! | spread | The highest load less the lowest. |
//! | threshold | Above the high one a worker is overloaded, below the low one underloaded ([`Thresholds`](config::Thresholds)). |
//! | dead band | How much less loaded than the source the target must be after a move. |
//! | forecast | Every worker's expected load at the end of the prediction window, the horizon. |
//! | purpose | What a move is for: recover, evacuate, follow a gang, rebalance, upgrade ([`Purpose`](outcome::Purpose)). |
//! | rule | A condition that a move must meet; [`Purpose`](outcome::Purpose) has the table of all rules. |
//! | candidate | A task, or several that move together, and a worker that could take them. |
//! | scorecard | The cost and the benefit of a candidate, factor by factor ([`Scorecard`](outcome::Scorecard)). |
//! | refusal | Why a task may not move, or not to that worker ([`Rejection`](outcome::Rejection)). |
//! | remedy | The smallest change that would lift a refusal ([`Remedy`](outcome::Remedy)). |
//! | migration | A move from its first command to its end, under one id. |
//! | alternative | One way in which a task can run, with its own hardware, demand and speed. |
//! | stance | Whether a worker accepts tasks, is cordoned, drains (every task must leave it), or is offline. |
//! | orphan | A task that has lost its worker and must be placed again. |
//! | cooldown | How long a task that has moved is left alone. |
//! | budget | How much may be interrupted, of what, of whom, and how often ([`Budget`](config::Budget)). |
//! | group | Tasks that share a rule: stay together, keep apart, spread out, limited disruption, or a gang (interrupted all at once or not at all). |
//! | epoch | One life of an engine; a later life never issues an id of an earlier one. |
//! | fence | The rule that a host ignores commands of a migration after it has seen a later one for the same task. |
//!
//! # Eleven sentences that operators read
//!
//! `w1` is worker 1, `t1` task 1, `g1` group 1; `m0.1` is the first migration of epoch 0.
//!
//! | sentence | meaning |
//! |---|---|
//! | `command    m0.1 t1 w1 -> w2: w1 at 0.950 above 0.850` | Move t1 from w1 to w2, because the load of w1 is above the high threshold. |
//! | `balance    uneven: w1 at 0.950 (over), w2 at 0.100 (under), spread 0.850 above 0.200` | Loads will be evened out: w1 is overloaded, w2 is underloaded, and the spread exceeds what is needed to act. |
//! | `refused    t1 -> w3: needs 15.00 cores of cpu, 6.00 cores free` | t1 may not go to w3: reservations, moves in flight included, leave 6 cores free. |
//! | `refused    t4 -> w3: target would stand at 0.562, not below 0.380` | The move would help too little: with t4, w3 would not be less loaded than the source is now by at least the dead band. |
//! | `refused    t1: cooling down until 360.000s` | t1 has moved or failed to move a short while ago. It is left alone until 360 s, on the clock of the snapshots. |
//! | `refused    t2: g1 would have 2 tasks unavailable, at most 1` | A task of g1 is unavailable already, and the group's disruption budget allows only one. |
//! | `refused    t3: budget of 2 migrations spent` | As many migrations as allowed are under way; t3 may follow when one has ended. |
//! | `command    m0.2 t2 called off at w1: w3 is cordoned now` | The target of m0.2 accepts no more tasks, so w1 is told to keep t2. |
//! | `ended      m0.1 t1 timed out after 2m` | A step of m0.1 took too long, so the migration was given up. |
//! | `held back  3 of 5 known workers are missing since 60.000s; they count as gone from 180.000s on` | So many workers vanished at once that the monitoring may have failed: nothing new begins until 180 s. |
//! | `missing    w2 since 120.000s; its tasks wait until 180.000s` | Complete snapshots do not list w2. It is no target, and its tasks are left to it until 180 s, in case the snapshots are incomplete. |
//!
//! Every other sentence is documented at the type that prints it: commands at [`Reason`](outcome::Reason) and
//! [`Cause`](outcome::Cause), refusals at [`Rejection`](outcome::Rejection), advice at [`Advice`](outcome::Advice).
//!
//! # Where to add something
//!
//! | to add | do this |
//! |---|---|
//! | a resource (licences, bandwidth of a bus) | Use [`ResourceId::custom`] in capacities and demands; the engine needs no change. For one with a name and a unit: a constant and a name in `src/model/resource.rs`. |
//! | a kind of hardware, or its speed | A row of [`HardwareTable`](hardware::HardwareTable) for the speed; a line in `src/model/hardware.rs` for a new kind. |
//! | a rule | A row in `src/rules/mod.rs`, its function in the file beside it that has the subject, and its refusal in `src/outcome/refusal/`. |
//! | a forecaster | `predict` in `src/forecast/mod.rs`: it returns each worker's load with an interval and a confidence; `calibrate` judges any forecast by what came true. |
//! | a stage | A file in `src/stage/`, a line in the table of `src/stage/mod.rs`, and a call in `step` of `src/engine.rs`, the only place that knows the order. |
//! | a setting | A field of its section in `src/config/`, with its check in `src/config/check.rs`. |
//! | a promise | A variant of [`Promise`](verify::Promise) and a function in `src/verify/`. |
//! | a story | A file in `tests/scenarios/`; `UPDATE=1 cargo test --features sim,testkit --test scenarios` writes what the engine says. |
//!
//! # Features
//!
//! The default set is empty and stays empty. `sim` adds a simulator in virtual time around the same engine;
//! it uses rand and statrs. `testkit` adds proptest strategies, the scenario language, a reference host, and
//! a test of your own host, for our tests and yours; it links the standard library.
//!
//! # Where to go next
//!
//! [`Engine`], then [`Snapshot`] (what goes in), [`Outcome`] (what comes out), [`config`] (how to set it up),
//! [`shell`] (how to connect it to a host), [`design`] (why it is built as it is), [`spec`] (where each line
//! of the specification is implemented).
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::float_cmp))]

extern crate alloc;
#[cfg(feature = "testkit")]
extern crate std;

#[macro_use]
mod broken;

mod advice;
pub mod config;
pub mod engine;
mod forecast;
#[cfg(any(feature = "sim", feature = "testkit"))]
#[cfg_attr(
    not(all(feature = "sim", feature = "testkit")),
    allow(dead_code, unused_imports, reason = "each driver uses a part of the model")
)]
mod host;
mod lifecycle;
mod math;
mod model;
pub mod outcome;
mod plan;
mod round;
mod rules;
pub mod snapshot;
mod stage;
pub mod state;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod verify;
mod view;

pub mod shell;
#[cfg(feature = "sim")]
pub mod sim;

#[doc = include_str!("design.md")]
pub mod design {}
#[doc = include_str!("spec.md")]
pub mod spec {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use config::Config;
pub use engine::Engine;
pub use model::ids::{TaskId, WorkerId};
pub use model::resource::ResourceId;
pub use model::time::Timestamp;
pub use model::{hardware, ids as id, ratio, resource};
pub use outcome::{Action, Command, Outcome};
pub use snapshot::{Device, Event, Report, Snapshot, SnapshotBuilder, Task, Worker};
