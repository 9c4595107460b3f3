//! Histories: what happens to a cluster, turn by turn, and how it carries out what the engine says: well or badly,
//! late or never.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use proptest::collection::vec as list;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::calendar::timed;
use super::class::classed;
use super::cluster::{Cluster, accelerated, plain, skewed};
use super::group::{bound, grouped};
use super::host::Host;
use super::settings::{any_config, budgeted, configs, with_means};
use super::transfer::linked;
use super::wish::{versatile, wishful};
use crate::config::{Mode, TaskScope};
use crate::engine::{Input, Output};
use crate::ratio::Ratio;
use crate::snapshot::Stance;
use crate::{Config, ResourceId, Task, TaskId, WorkerId};

/// A script for a closed loop: what the cluster is at first, and what happens turn by turn.
#[derive(Clone)]
#[non_exhaustive]
pub struct History {
    /// The settings to begin with.
    pub config: Config,
    /// The cluster to begin with.
    pub cluster: Cluster,
    /// What happens.
    pub turns: Vec<Turn>,
    /// Whether tasks under way are listed in snapshots, or missing from them.
    pub shows_moving: bool,
    /// Workers are measured every so many turns.
    pub measured_every: usize,
    /// Whether tasks that are still to be released, and orphans that are still to be placed, are
    /// listed as on their way: what an engine needs that has lost its state.
    pub shows_orders: bool,
}

/// One turn of the host's loop.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Turn {
    /// How long after the one before.
    pub seconds: u64,
    /// How the commands given in it are carried out, in turn.
    pub deeds: Vec<Deed>,
    /// What else happens.
    pub happening: Option<Happening>,
}

/// How one command is carried out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Deed {
    /// So many turns later.
    pub delay: usize,
    /// With this result; nothing comes of it where there is none.
    pub result: Option<Done>,
    /// And the engine hears of it so.
    pub told: Told,
}

/// What comes of carrying out a command.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Done {
    /// What it asked for.
    Well,
    /// It failed.
    Failed,
    /// It was refused.
    Refused,
    /// An assignment went to some other worker, where the host put it; what was evicted, to any worker
    /// and perhaps under a new name.
    Elsewhere(Index),
}

/// How the engine hears of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// Through [`Engine::report`](crate::Engine::report), the moment it happens.
    AtOnce,
    /// In the next snapshot.
    WithSnapshot,
    /// Both.
    Twice,
    /// Two turns later.
    Late,
    /// Not at all.
    Never,
}

/// What may happen to a cluster beside the engine's doings.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Happening {
    /// A worker dies, and what ran there.
    Crash(Index),
    /// A worker that died is back, empty.
    Revive(Index),
    /// A worker changes its mind.
    Stance(Index, Stance),
    /// A task uses so many times what it used.
    Load(Index, f64),
    /// A new task, of so many cores.
    Arrive(Index, f64),
    /// A task comes to its end.
    Finish(Index),
    /// An operator calls off whatever is under way.
    Abort,
    /// A worker reports nonsense.
    Nonsense(Index),
    /// The snapshot leaves some workers out, and says so.
    Partial,
    /// The snapshot of the turn before is sent once more.
    Again,
    /// The host sees none of its workers and does not know it: under a
    /// [safeguard](crate::Config::safeguard) that notices.
    Blackout,
    /// The operator switches something: 0 to 6 a section off, or on again, in the order in which
    /// [`Config`] has them; 7 the mode, 8 the scope.
    Switch(u8),
}

impl Deed {
    /// Carried out well and at once, and told at once.
    pub const WELL: Self = Self { delay: 0, result: Some(Done::Well), told: Told::AtOnce };
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = serde_json::to_string(&self.config).map_err(|_| fmt::Error)?;
        let Self { cluster, turns, shows_moving, measured_every, shows_orders, .. } = self;
        writeln!(f, "{config}\n{cluster:?}")?;
        let shows = format_args!("shows moving: {shows_moving}, orders: {shows_orders}");
        writeln!(f, "{shows}, measured every {measured_every}")?;
        turns.iter().try_for_each(|turn| writeln!(f, "{turn:?}"))
    }
}

impl History {
    /// Plays the script: every input goes through `door`, and its commands are carried out. Then the wind is fair until
    /// the engine is at rest; where it would never be, migration is switched off, and what is under way ends.
    pub fn play(&self, door: &mut dyn FnMut(Input) -> Output) -> Host {
        let mut host = Host::new(self);
        for turn in &self.turns {
            host.take(turn, self.measured_every, door);
        }
        if host.rests(30, 40, door) {
            return host;
        }
        let config = Config { migration: None, ..self.config.clone() };
        let output = door(Input::Reconfigure(Box::new(config)));
        host.obey(&output, &[]);
        host.rests(200, 20, door);
        host
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let result = prop_oneof![
        8 => Just(Some(Done::Well)),
        2 => Just(Some(Done::Failed)),
        1 => Just(Some(Done::Refused)),
        1 => any::<Index>().prop_map(|at| Some(Done::Elsewhere(at))),
        1 => Just(None),
    ];
    let told = select(vec![
        Told::AtOnce,
        Told::AtOnce,
        Told::WithSnapshot,
        Told::Twice,
        Told::Late,
        Told::Never,
    ]);
    (0..3_usize, result, told).prop_map(|(delay, result, told)| Deed { delay, result, told })
}

fn happening() -> impl Strategy<Value = Happening> {
    let at = any::<Index>;
    let stance = select(vec![Stance::Accept, Stance::Hold, Stance::Drain]);
    prop_oneof![
        2 => at().prop_map(Happening::Crash),
        2 => at().prop_map(Happening::Revive),
        2 => (at(), stance).prop_map(|(at, stance)| Happening::Stance(at, stance)),
        4 => (at(), 0.0..3.0_f64).prop_map(|(at, factor)| Happening::Load(at, factor)),
        2 => (at(), 0.5..8.0_f64).prop_map(|(at, cores)| Happening::Arrive(at, cores)),
        1 => at().prop_map(Happening::Finish),
        1 => Just(Happening::Abort),
        1 => at().prop_map(Happening::Nonsense),
        1 => Just(Happening::Partial),
        1 => Just(Happening::Again),
        1 => Just(Happening::Blackout),
        1 => (0..9_u8).prop_map(Happening::Switch),
    ]
}

/// Histories in which anything may happen.
pub fn histories() -> impl Strategy<Value = History> {
    histories_of(prop_oneof![
        3 => skewed(),
        1 => grouped(),
        1 => bound(),
        1 => accelerated(),
        2 => wishful(),
        2 => versatile(),
    ])
}

/// Histories in which anything may happen to tasks that share rules.
pub fn bound_histories() -> impl Strategy<Value = History> {
    histories_of(bound())
}

fn histories_of(cluster: impl Strategy<Value = Cluster>) -> impl Strategy<Value = History> {
    let turn = (5..60_u64, list(deed(), 1..4), weighted(0.4, happening()));
    let turn = turn.prop_map(|(seconds, deeds, happening)| Turn { seconds, deeds, happening });
    let plain = || prop_oneof![2 => configs(), 1 => any_config(), 2 => Just(Config::default())];
    let config = budgeted(prop_oneof![2 => plain(), 1 => with_means(plain())]);
    let cluster = linked(timed(classed(cluster)));
    let timeout = select(vec![60_u64, 200, 600]);
    let shape = (any::<bool>(), 1..3_usize, proptest::bool::weighted(0.3));
    (config, cluster, list(turn, 1..14), timeout, shape).prop_map(
        |(mut config, cluster, turns, timeout, (shows_moving, measured_every, shows_orders))| {
            if let Some(limits) = &mut config.migration {
                limits.timeout = Duration::from_secs(timeout);
            }
            let shows_orders = shows_moving && shows_orders;
            History { config, cluster, turns, shows_moving, measured_every, shows_orders }
        },
    )
}

/// The settings with one thing switched, on as it was at first: see [`Happening::Switch`].
pub(super) fn switched(now: &Config, first: &Config, which: u8) -> Config {
    fn flip<T: Clone + Default>(section: &mut Option<T>, first: Option<&T>) {
        *section = match section {
            Some(_) => None,
            None => Some(first.cloned().unwrap_or_default()),
        };
    }
    let mut config = now.clone();
    match which {
        0 => flip(&mut config.adaptation, first.adaptation.as_ref()),
        1 => flip(&mut config.prediction, first.prediction.as_ref()),
        2 => flip(&mut config.cost_benefit, first.cost_benefit.as_ref()),
        3 => flip(&mut config.hardware, first.hardware.as_ref()),
        4 => flip(&mut config.efficiency, first.efficiency.as_ref()),
        5 => flip(&mut config.migration, first.migration.as_ref()),
        6 => flip(&mut config.stability, first.stability.as_ref()),
        7 => {
            config.mode = match config.mode {
                Mode::Observe => Mode::Act,
                Mode::Advise => Mode::Observe,
                Mode::Act => Mode::Advise,
            }
        }
        _ => {
            let half = TaskScope { share: Ratio::saturating(0.5), ..TaskScope::default() };
            flip(&mut config.scope, Some(first.scope.as_ref().unwrap_or(&half)));
        }
    }
    if config.cost_benefit.is_none() { config.without_cost_benefit() } else { config }
}

/// Histories of an hour in which nothing happens but what the engine says: equal workers of 32 cores, tasks that always
/// use the same (a quarter of a core or more, and nothing else), and every command is carried out at once.
pub fn constant_histories() -> impl Strategy<Value = History> {
    let tasks = list((1..40_u64, any::<Index>()), 1..20);
    (2..7_u64, tasks, configs()).prop_map(|(count, tasks, config)| {
        let tasks = (1..).zip(tasks).map(|(id, (quarters, at))| {
            Task::new(TaskId::new(id))
                .on(WorkerId::new(1 + (at.index(count as usize * 2) as u64 % count)))
                .with_demand(ResourceId::CPU, quarters as f64 / 4.0)
        });
        let workers = (1..=count).map(|id| plain(id, 32.0, 1 << 36)).collect();
        let cluster = Cluster { workers, tasks: tasks.collect(), ..Cluster::default() };
        let turns = vec![Turn { seconds: 60, deeds: Vec::new(), happening: None }; 60];
        let shows_orders = false;
        History { config, cluster, turns, shows_moving: true, measured_every: 1, shows_orders }
    })
}

/// A door that keeps a log of what went through it.
pub fn logged<'a>(
    log: &'a mut Vec<(Input, Output)>,
    mut door: impl FnMut(&Input) -> Output + 'a,
) -> Box<dyn FnMut(Input) -> Output + 'a> {
    Box::new(move |input| {
        let output = door(&input);
        log.push((input, output.clone()));
        output
    })
}
