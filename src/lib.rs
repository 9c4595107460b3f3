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
//! // With t1 and t3 promised the two workers stand at 0.475 and 0.575: t2 stays where it is.
//! assert_eq!(outcome.commands.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//!
//! It reads no clock, starts no thread, opens no file and no connection, draws no random number and
//! writes no log: time comes in with the snapshot, and everything it has to say comes out as
//! values. It does not know what your tasks are, and it does not move them: it tells the host what
//! to do, and is told what became of it. That buys bit-identical replay, a state that can be saved
//! and resumed or run as a shadow, and decisions that are tested offline by the very code that runs
//! in production.
//!
//! # The pipeline
//!
//! ```text
//! admit       is this snapshot newer than the last? the only fallible line
//! believe     is too much missing from it at once? the only stage that most hosts never notice
//! settle      reports and placements, through the life cycle of migrations; commands that follow
//! observe     load of every worker as reported, and as projected with everything in flight
//! adapt       thresholds and pace, by the load of the system and its trend
//! predict     every worker's load at the end of the prediction window, with a confidence
//! detect      even, or uneven with a trigger that carries its evidence
//! candidates  who could move where; every "no" says how far it reaches
//! score       cost and benefit, factor by factor
//! select      best first under the budgets, admitted again against a running ledger
//! advise      what no move can mend: split this task, look at that worker
//! record      history, migrations in flight, what was learned, and the Outcome
//! ```
//!
//! # Doors
//!
//! Three take input ([`Engine::tick`], [`Engine::report`], [`Engine::reconfigure`]; the log is a
//! sequence of [`Input`](engine::Input)s); everything else takes `&self`: [`Engine::look`] (why may a task
//! move to a worker, or why not; where would a new task go), [`Engine::outstanding`] (commands to repeat after
//! a restart), [`Engine::stats`], [`Engine::state`].
//!
//! # What it promises
//!
//! Ten promises, each a property in the one verifier ([`verify`]): determinism, hard constraints,
//! one move at a time per task, no worsening, no ping-pong, in-flight effects counted, evidence for
//! every decision, calibrated forecasts, bounds on everything it remembers, and bad input that
//! never spoils good input. Which preset keeps which is a table in [`config`].
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | worker | A machine, or a part of one, that runs tasks ([`Worker`]). |
//! | task | A piece of work that runs on one worker at a time ([`Task`]). |
//! | snapshot | What the host says of all workers and tasks at one moment ([`Snapshot`]). |
//! | round | One call of [`Engine::tick`]: a snapshot in, an outcome out. |
//! | outcome | What a round decided and why ([`Outcome`]). |
//! | load | How full a worker is, as one number from 0 to 1 ([`LoadRule`](config::LoadRule)). |
//! | projected load | The measured load plus everything that is on its way to or from the worker. |
//! | spread | The highest load less the lowest. |
//! | threshold | The load above which a worker is overloaded, or below which it is underloaded. |
//! | load band | Whether the whole system is lightly, normally or highly loaded; it sets the pace. |
//! | dead band | How much better the target must be before a move is worth making. |
//! | headroom | What a worker has left before its ceiling, by resource. |
//! | forecast | Every worker's expected load at the end of the prediction window. |
//! | horizon | How far ahead forecasts look and gains count. |
//! | candidate | A pair of a task and a worker that it could move to. |
//! | scorecard | The cost and the benefit of a candidate, factor by factor. |
//! | refusal | Why a candidate was not chosen ([`Rejection`](outcome::Rejection)). |
//! | remedy | The smallest change that would lift a refusal ([`Remedy`](outcome::Remedy)). |
//! | reason | Why a command was given: an overload, a drain, a faster worker, ... |
//! | migration | The whole way of a task from one worker to another, under one id. |
//! | alternative | One way in which a task can run, with its own hardware, demand and speed. |
//! | stance | Whether a worker accepts tasks, is cordoned (holds), drains, or is offline. |
//! | drain | Every task has to leave the worker. |
//! | orphan | A task that has lost its worker and must be placed again. |
//! | cooldown | How long a task that has moved is left alone. |
//! | budget | How much may be interrupted, of what, of whom, and how often ([`Budget`](config::Budget)). |
//! | freeze | A time in which no move begins that nothing forces. |
//! | group | Tasks that share a rule: stay together, keep apart, spread, or limited disruption. |
//! | gang | A group whose members are interrupted all at once or not at all. |
//! | epoch | One life of an engine; ids of a later life never repeat those of an earlier one. |
//! | fence | The host ignores commands of a migration once it has seen a later one for the same task. |
//!
//! # Features
//!
//! The default set is empty and stays so. `sim` brings a simulator in virtual time around the same
//! engine; it uses rand and statrs. `testkit` brings proptest strategies, the scenario
//! language and a reference host, for our tests and yours; it links the standard library.
//!
//! # Where to go next
//!
//! [`Engine`], then [`Snapshot`] (what to say), [`Outcome`] (what you hear), [`config`] (how it
//! behaves), [`shell`] (where to plug it in), [`design`] (why it is as it is), [`spec`] (where each
//! line of the specification lives).
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
