//! One run, from the first process to the summary.
//!
//! The loop is a host's loop: follow events until the next second, measure, ask the engine, do as told. What happens
//! in between is reported at once, so a task that its source has let go does not wait for the next round.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use evenkeel::outcome::Fate;
use evenkeel::{Action, Command, Config, Outcome, TaskId};

use crate::cluster::Workers as _;
use crate::custody::News;
use crate::fleet::{Fleet, Happening};
use crate::helm::{Decided, Helm, Shared};
use crate::host::{Clock, Host};
use crate::log::Log;
use crate::options::Options;
use crate::plan::Plan;
use crate::record::Record;
use crate::settings::{settings, watching};
use crate::show::{Frame, Row, Screen};
use crate::summary::{Figures, Moves, Spreads};
use crate::view::Wish;
use crate::work;

/// Seconds for which the engine only watches, so that there is something to compare with.
const WATCHED: u64 = 5;
/// How long migrations that are under way when the last round is over may take to end.
const LANDING: Duration = Duration::from_secs(3);

/// How soon a key that is pressed shows.
const KEYS: Duration = Duration::from_millis(100);

/// Why a run has no good end.
pub(crate) enum Failure {
    /// The options ask for something impossible; nothing has been started.
    Refused(String),
    /// Something broke on the way.
    Broken(String),
    /// Somebody wanted it to end.
    Interrupted,
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Broken(sentence)
    }
}

/// Runs the cluster as the options say.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let config = settings(options).map_err(Failure::Refused)?;
    let log = Log::new(options.log.as_deref()).map_err(Failure::Refused)?;
    let create = |path| {
        let told = |fault| Failure::Refused(format!("--json {}: {fault}", Path::display(path)));
        File::create(path).map_err(told)
    };
    let json = options.json.as_deref().map(create).transpose()?;
    let record = Record::new(options, &config).map_err(Failure::Refused)?;
    let mut run = Run::launch(options, config, log, record)?;
    run.rounds()?;
    let figures = run.finish();
    if let Some(mut file) = json {
        let text = serde_json::to_string_pretty(&figures).map_err(|fault| fault.to_string())?;
        writeln!(file, "{text}").map_err(|fault| format!("--json: {fault}"))?;
    }
    for sentence in run.helm.finish_record()? {
        run.screen.say(&sentence);
    }
    match (figures.tasks_lost + figures.tasks_run_twice, run.log.fault()) {
        (0, None) => Ok(()),
        (0, Some(fault)) => Err(Failure::Broken(fault)),
        _ => Err(Failure::Broken("tasks were lost or run twice".to_owned())),
    }
}

/// A run under way.
struct Run<'a> {
    options: &'a Options,
    plan: Plan,
    config: Config,
    host: Shared,
    helm: Helm,
    log: Log,
    screen: Screen,
    spreads: Spreads,
    ticks: u64,
}

impl<'a> Run<'a> {
    /// Starts everything; time begins when all tasks run.
    fn launch(
        options: &'a Options,
        config: Config,
        log: Log,
        record: Record,
    ) -> Result<Self, Failure> {
        let plan = Plan::new(options);
        let fleet = launch(&plan)?;
        let scale = config.check_interval.as_secs_f64();
        let mut screen = Screen::open(options.plain);
        screen.say(&format!(
            "{} workers, {} tasks, policy {}, {} s; time scale {scale}: one second here is {scale} to the engine",
            options.workers,
            options.tasks(),
            options.policy,
            options.seconds
        ));
        let host = Rc::new(RefCell::new(Host::new(fleet, Clock::start(scale))));
        let helm = Helm::new(&watching(&config), Rc::clone(&host), log.clone(), record)?;
        let (spreads, ticks) = (Spreads::default(), 0);
        Ok(Self { options, plan, config, host, helm, log, screen, spreads, ticks })
    }

    /// A round each second, until the run is over or somebody wants it to be.
    fn rounds(&mut self) -> Result<(), Failure> {
        self.host.borrow_mut().fleet.measure();
        for second in 1..=self.options.seconds {
            let until = self.host.borrow().clock.at_second(second);
            if self.follow(until, |_| false)? {
                break;
            }
            self.round(second)?;
            self.disturb(second)?;
        }
        self.follow(Instant::now() + LANDING, |host| host.under_way() == 0)?;
        Ok(())
    }

    /// Follows events until a moment, or until something is so. True if somebody wants the run to be over.
    fn follow(&mut self, until: Instant, is_so: impl Fn(&Host) -> bool) -> Result<bool, Failure> {
        while Instant::now() < until && !is_so(&self.host.borrow()) {
            match self.screen.wish() {
                Some(Wish::Quit) => return Ok(true),
                Some(Wish::Interrupt) => return Err(Failure::Interrupted),
                None => {}
            }
            let next = self.host.borrow_mut().fleet.next(until.min(Instant::now() + KEYS));
            let Some(happening) = next else { continue };
            if happening == Happening::Interrupt {
                return Err(Failure::Interrupted);
            }
            self.say_happening(&happening);
            self.host.borrow_mut().note(&happening);
            let decided = self.helm.settle();
            self.say_decided(&decided);
        }
        Ok(false)
    }

    /// Measures, asks the engine, does as told, shows.
    fn round(&mut self, second: u64) -> Result<(), Failure> {
        let spread = self.host.borrow_mut().fleet.measure_spread();
        self.spreads.note(second, spread);
        if second == WATCHED {
            self.helm.reconfigure(&self.config)?;
        }
        let (outcome, decided) = self.helm.turn()?;
        self.ticks += 1;
        if decided.commands.iter().any(|it| matches!(it.action, Action::Release { .. })) {
            self.spreads.note_move(second);
        }
        self.say_decided(&decided);
        self.schedule(second);
        let frame = self.frame(second, &outcome);
        self.screen.show(&frame);
        Ok(())
    }

    /// Places tasks as a scheduler would: what the engine gave back, and, as long as it only watches, what lost its
    /// worker. The engine is asked for the best place.
    fn schedule(&mut self, second: u64) {
        let watches = second < WATCHED || self.config.migration.is_none();
        let is_mine = |task: &TaskId, host: &Host| watches || host.unplaced.contains(&task.raw());
        let host = self.host.borrow();
        let mine: Vec<TaskId> =
            host.stranded().into_iter().filter(|task| is_mine(task, &host)).collect();
        drop(host);
        for task in mine {
            let snapshot = self.host.borrow_mut().snapshot();
            let ranked = self.helm.engine().look(&snapshot).rank(task).unwrap_or_default();
            let best = ranked.first().filter(|verdict| verdict.admission.is_accepted());
            if let Some(verdict) = best {
                self.screen.say(&format!("  {task} scheduled on {}", verdict.worker));
                self.host.borrow_mut().schedule(task, verdict.worker);
            }
        }
    }

    /// Kills and joins that are due. Right after the commands of a round, so that they meet moves under way.
    fn disturb(&mut self, second: u64) -> Result<(), Failure> {
        let cluster = &mut self.host.borrow_mut().fleet.cluster;
        for kill in self.options.kills.iter().filter(|kill| kill.second == second) {
            self.screen.say(&format!("  w{} is killed", kill.worker));
            cluster.kill(kill.worker);
        }
        for worker in self.plan.workers.iter().filter(|worker| worker.starts_at == second) {
            cluster.start(worker).map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }

    /// Says what happened, where that is not a matter of course.
    fn say_happening(&mut self, happening: &Happening) {
        let sentence = match happening {
            Happening::Ready(worker) => format!("  w{worker} has joined"),
            Happening::Task(task, News::Finished) => format!("  t{task} has finished"),
            Happening::Task(task, News::Refused(why)) => format!("  t{task}: {why}"),
            Happening::Gone(worker, tasks) => {
                format!("  w{worker} is gone, and {} tasks have lost their worker", tasks.len())
            }
            Happening::Task(..) | Happening::Interrupt => return,
        };
        self.screen.say(&sentence);
    }

    /// Says what the engine decided: each command a sentence, and each migration that did not end well.
    fn say_decided(&mut self, decided: &Decided) {
        decided.commands.iter().for_each(|command| self.screen.say(&sentence(command)));
        for over in decided.ended.iter().filter(|over| over.fate != Fate::Completed) {
            self.screen.say(&format!("  {over}"));
        }
    }

    /// Ends all workers, checks all results, and sums up.
    fn finish(&mut self) -> Figures {
        self.screen.close();
        let mut host = self.host.borrow_mut();
        let lost = host.fleet.close();
        let total = self.helm.engine().stats().total;
        let moves =
            Moves { begun: total.initiated, completed: total.completed, failed: total.failed };
        let custody = &host.fleet.custody;
        let figures = Figures::new(&self.spreads, custody, &lost, moves, self.ticks);
        for sentence in figures.sentences(custody) {
            self.screen.say(&sentence);
        }
        self.screen.say(&self.log.replay());
        figures
    }

    fn frame(&self, second: u64, outcome: &Outcome) -> Frame {
        let (host, seconds) = (self.host.borrow(), self.options.seconds);
        let fleet = &host.fleet;
        let row = |worker: &crate::plan::WorkerPlan| {
            let resident_bytes = fleet.readings.get(&worker.id)?.resident_bytes;
            Some(Row {
                worker: worker.id,
                hardware: worker.hardware.to_string(),
                budget: worker.budget,
                load: fleet.load(worker)?,
                resident_bytes,
                memory_bytes: worker.memory_bytes,
                tasks: fleet.tasks_on(worker.id),
            })
        };
        let total = self.helm.engine().stats().total;
        let footer = format!(
            "{}; {}; {} moves under way, {} completed, {} failed",
            outcome.balance,
            outcome.thresholds,
            host.under_way(),
            total.completed,
            total.failed
        );
        let rows = fleet.cluster.ready().filter_map(row).collect();
        let thresholds = (outcome.thresholds.low, outcome.thresholds.high);
        let (spread, moves) = (fleet.spread(), host.moving());
        Frame { second, seconds, rows, spread, thresholds, moves, footer }
    }
}

/// Starts the planned workers and tasks, with ctrl-c connected to their events.
fn launch(plan: &Plan) -> Result<Fleet, Failure> {
    let broken = |fault: io::Error| match fault.kind() {
        io::ErrorKind::Interrupted => Failure::Interrupted,
        _ => Failure::Broken(fault.to_string()),
    };
    let mut fleet = Fleet::new(plan, work::steps_per_second()).map_err(broken)?;
    let interrupts = fleet.cluster.sender();
    ctrlc::set_handler(move || {
        // If nobody listens any more, the run is over already.
        let _ = interrupts.send(crate::cluster::Event::Interrupt);
    })
    .map_err(|fault| fault.to_string())?;
    fleet.launch(plan).map_err(broken)?;
    Ok(fleet)
}

/// A command as a line of its own, with what spoke for it.
fn sentence(command: &Command) -> String {
    match &command.scorecard {
        Some(scorecard)
            if matches!(command.action, Action::Release { .. } | Action::Place { .. }) =>
        {
            format!("  {command}; {scorecard}")
        }
        _ => format!("  {command}"),
    }
}
