//! The script of a closed loop: what happens to a cluster, turn by turn, and how its host carries out what the engine
//! says: well or badly, late or never.

use alloc::vec::Vec;
use core::fmt;

use proptest::sample::Index;

use super::cluster::Cluster;
use crate::Config;
use crate::config::{Mode, TaskScope};
use crate::ratio::Ratio;
use crate::snapshot::Stance;

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
    /// Workers are measured every this many turns.
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
    /// This many turns later.
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
    /// A task uses this many times what it used.
    Load(Index, f64),
    /// A new task, of this many cores.
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
