//! What does the host know about a worker? Measurements at intervals, late and with noise.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::dice::{Dice, Stream};
use super::machine::{Job, Machine};
use super::plan::{Micros, micros};
use super::scenario::{Scenario, Telemetry};

/// One measurement.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) at: Micros,
    seen_at: Micros,
    pub(super) cores: f64,
    pub(super) memory: f64,
    pub(super) devices: Vec<f64>,
    pub(super) celsius: f64,
    pub(super) watts: f64,
    /// Cores and memory of each task that ran there.
    pub(super) jobs: Vec<(usize, f64, f64)>,
}

/// The measurements of one worker.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    dice: Dice,
    /// Taken, not seen yet.
    pending: VecDeque<Sample>,
    /// What the host knows.
    pub(super) seen: Option<Sample>,
    smooth: Option<(f64, f64)>,
    /// How long after everybody's measurements its own are taken, as a share of the interval.
    pub(super) phase: f64,
}

impl Probe {
    pub(super) fn new(seed: u64, seat: usize) -> Self {
        let mut dice = Dice::new(seed, Stream::Telemetry(seat as u64));
        let phase = dice.unit();
        Self { dice, pending: VecDeque::new(), seen: None, smooth: None, phase }
    }

    /// Forgets everything about a worker that is gone.
    pub(super) fn forget(&mut self) {
        self.pending.clear();
        self.seen = None;
        self.smooth = None;
    }

    /// Takes a measurement.
    pub(super) fn measure(
        &mut self,
        machine: &Machine,
        jobs: &[Job],
        scenario: &Scenario,
        now: Micros,
    ) {
        if !machine.present {
            return;
        }
        let Telemetry { delay, noise, smoothing, .. } = scenario.telemetry;
        let mut sample = exact(machine, jobs, scenario, now);
        let mut blur = |figure: f64| figure * (1.0 + noise * self.dice.normal()).max(0.0);
        (sample.cores, sample.memory) = (blur(sample.cores), blur(sample.memory));
        for (_, cores, memory) in &mut sample.jobs {
            (*cores, *memory) = (blur(*cores), blur(*memory));
        }
        let (cores, memory) = self.smooth.unwrap_or((sample.cores, sample.memory));
        sample.cores = cores + smoothing * (sample.cores - cores);
        sample.memory = memory + smoothing * (sample.memory - memory);
        self.smooth = Some((sample.cores, sample.memory));
        // The first is there from the start.
        let late = if now == 0 { 0.0 } else { self.dice.between(delay) };
        sample.seen_at = now + micros(late);
        self.pending.push_back(sample);
    }

    /// The last measurement that has arrived; those that it has overtaken are of no use.
    pub(super) fn look(&mut self, now: Micros) -> Option<&Sample> {
        if let Some(last) = self.pending.iter().rposition(|sample| sample.seen_at <= now) {
            self.seen = self.pending.drain(..=last).next_back();
        }
        self.seen.as_ref()
    }
}

/// What a perfect meter would show.
pub(super) fn exact(machine: &Machine, jobs: &[Job], scenario: &Scenario, now: Micros) -> Sample {
    let running = machine.jobs.iter().filter(|job| jobs[**job].runs());
    let running = running.map(|index| {
        let job = &jobs[*index];
        let wobble = job.wobble(scenario);
        (*index, job.demand(scenario, now) * wobble, job.spec.memory * wobble)
    });
    Sample {
        at: now,
        seen_at: now,
        cores: machine.now.cores,
        memory: machine.now.memory,
        devices: machine.promised.clone(),
        celsius: machine.celsius,
        watts: machine.now.watts,
        jobs: running.collect(),
    }
}
