//! Stories: text files that play a cluster against the engine, with everything it said, and what it
//! must say.
//!
//! A story is prose, commands, and what they print:
//!
//! ```text
//! # A hot worker and an idle one.
//! #
//! # One move is enough: once it is promised, w1 is no longer overloaded.
//!
//! config preset=default
//! workers
//!   w1 load=0.95
//!   w2 load=0.10
//! tasks
//!   t1 on=w1 cpu=4
//! tick at=30s
//!   must move t1 w1 -> w2 because overload
//! ----
//! config     preset=default
//! ...
//! ```
//!
//! * Lines that begin with `#` are prose. A block is one or more command lines, `----`, and what
//!   they print; it ends at a blank line.
//! * Indented lines under a command are its records, or claims about what it brings: `must ...`,
//!   `must not ...`.
//! * Records last until they are changed by naming fields again, or dropped. An unknown word is an
//!   error.
//! * What is printed is the crate's own [`Display`](core::fmt::Display), and is rewritten with
//!   [`Played::text`]; claims never are.
//! * A panic is printed like everything else, and is a fault.
//!
//! # Commands
//!
//! | command | does |
//! |---|---|
//! | `config preset=default prediction=off thresholds.high=0.8 option.check_interval=10 preference=0.7` | a new engine; `fixed`, `reference` or `default`, sections `on` or `off`, single fields, the specification's options, evenness against movement |
//! | `reconfigure ...` | the same words over the settings in force; state stays |
//! | `workers` | records, see below |
//! | `tasks` | records |
//! | `groups` | records: `g1 affinity t1,t2`, `g2 anti-affinity t1,t2`, `g3 spread=1 t1,t2`, over zones, `spread=1:y1` or `spread=1:worker`, `g4 disruption=1 t1,t2`, `g5 gang t1,t2` |
//! | `classes` | records: `c1 w1 w2=1.5`, the workers that tasks of a class may go to, some at extra points |
//! | `drop w3 t5` | removes records |
//! | `freeze all until=300s [strict]`, `thaw` | freezes everything, or `w1`, `z1`, `g1`, `k1`; ends every freeze |
//! | `tick at=30s [partial]` | a round, with every worker's load (projected where it differs) and the outcome |
//! | `ticks from=30s to=300s every=30s [host] [partial] [w1.load=0.5..0.9] [t1.used.cpu=1,4] [show=thresholds.high]` | a line per round, at most 10,000; fields that rise evenly, or take values in turn; `host` carries out what each round asks |
//! | `host [at=45s] [until=released] [fail=assign] [refuse=release] [lands=w3:t9] [quiet] [only=t1]` | carries out what was asked for, in the records, and reports it; a second after the last round unless stated; what is evicted lands where it was best unless stated; `until=copied` leaves sources running whose copies run |
//! | `report released m0.1 at=45s [riding]` | also `running`, `failed`, `refused`, `aborted`, `diverted m0.1 w3 t9`, `performance w2 cuda 5.0`; at once, or in the next snapshot |
//! | `consider t1 w2`, `rank t1` | the engine's answers, as of the last round's moment |
//! | `plan moves=5 evaluations=1000 bytes=1GiB` | the engine's plan for the whole cluster, likewise; each limit may be left out |
//! | `outstanding`, `stats` | likewise |
//! | `save`, `resume epoch=1 [blank] [newer]` | state as text; another life from it, or from nothing, or from one that a newer release has written |
//! | `state arrivals cooldowns.1` | fields of what the engine remembers, as they are saved |
//! | `damage factor=0.5 in_flight.7=@in_flight.1` | changes fields of what was saved; `@` copies another field; what `resume` sets aside is printed |
//! | `shadow ...` | from here on another engine reads along, with these words over the settings in force; it advises, and each `tick` prints where it would part |
//!
//! # Records
//!
//! A worker: `w1 cpu=16 memory=64GiB` (capacities) `used.cpu=12.5` (or `used.cpu=unknown`; unstated
//! use is what its tasks use) `load=0.9` (the same, as a share of its cores) `reserved.cpu=8
//! stance=drain zone=z1 domain=y1:d3,y2:d7 labels=l1,l2 age=10s device=cuda:24GiB:8.6:used=4GiB hardware=cpu+qnn
//! health=0.9 temp=80 power=250 link=100MiB until=30m maintenance=10m..20m,2h..3h`.
//!
//! A task: `t1 on=w1 cpu=2 memory=4GiB` (demand) `used.cpu=1.5 running=40s remaining=10m
//! progress=0.4 checkpointed=20s checkpoints=60s priority=3 state=1GiB state-at=w3 kind=k1
//! tenant=n1 class=c1 extra-cost=2 not-before=90s device=0
//! all=cuda any=cpu+cuda gpu-memory=20GiB min-memory=32GiB compute=8.0 label=l1 forbid=l2
//! labels=l4 power-efficient overlaps` (`overlaps=no`); how it moves: `checkpoint`, `restart`, `queued`,
//! `pinned`; where it is:
//! `on=w1`, `unplaced`, `orphaned`, `moving=m0.1:w1->w2:assigned:40s`.
//!
//! Numbers may be impossible (`used.cpu=NaN`): that is what stories are for. `none` clears a field.
//!
//! # Claims
//!
//! | claim (each also with `not`) | holds if |
//! |---|---|
//! | `must move t1 w1 -> w2 because overload` | a release like this was commanded, or a move planned; every part may be left out; `move nothing` |
//! | `must command assign t1 -> w2 device 1` | also `release`, `place`, `evict`, `start`, `stop`, `requeue`, `abort t1 at w1`; `command nothing` |
//! | `must begin 2`, `at most 2`, `at least 2` | this many migrations began, or moves are planned |
//! | `must propose t1 w1 -> w2 because overload` | a release or placement like this was proposed; `propose nothing` |
//! | `must end t1 completed` | a migration ended like this |
//! | `must call t1 late` | a round found that it will not be gone in time |
//! | `must refuse t2 -> w3: no headroom` | it was refused for that reason, by [name](crate::outcome::Rejection::name) |
//! | `must accept`, `must rank w2 first`, `must rank w2 before w3` | of `consider` and `rank` |
//! | `must say even`, `uneven`, `predicted`, `unknown` | some round found the cluster so |
//! | `must advise split t1`, `advise nothing` | some round's advice begins with these words |
//! | `must fall silent` | the later half of the rounds gave no command |
//! | `must set aside w1` | a record of it made no sense |
//! | `must be ignored`, `must be stale`, `must be refused` | of a report, of a round, of a state |
//! | `must differ t1`, `must differ` | the shadow would do otherwise with the task, or in anything |
//! | `must show thresholds.high 0.790`, `... above 0.7`, `... below 0.7` | a field of the last value returned, in its serialised form; list entries by place or id: `workers.w1.projected` |
//!
//! # Free checks
//!
//! Every round is played again with its records shuffled, from a saved state, from the log, and by
//! a twin that lives through the same story under other numbers in the same order: outcome and
//! state must be the same, bit by bit. The verifier ([`verify`](crate::verify)) judges every round,
//! and all of them together.

mod commands;
mod damage;
mod fields;
mod free;
mod host;
mod manner;
mod must;
mod planned;
mod records;
mod settings;
mod story;
mod ticks;
mod words;
mod world;

pub use story::{Change, Fault, Played, play};
