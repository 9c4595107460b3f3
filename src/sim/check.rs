//! Is a scenario possible and free of contradictions?

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::curve::{Curve, Shape};
use super::scenario::{Arrivals, Match, Overcommit, Placer, Scenario, Spread, What};

/// The faults of a scenario: all at once, each with its field and value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadScenario(pub(super) Vec<String>);

impl BadScenario {
    /// One sentence per fault.
    pub fn faults(&self) -> &[String] {
        &self.0
    }
}

/// Collects faults.
struct Checker(Vec<String>);

impl Checker {
    fn need(&mut self, field: &str, value: f64, holds: bool, must: &str) {
        if !holds || !value.is_finite() {
            self.0.push(format!("{field} is {value}; it must be {must}"));
        }
    }

    fn above_0(&mut self, field: &str, value: f64) {
        self.need(field, value, value > 0.0, "a number above 0");
    }

    fn at_least_0(&mut self, field: &str, value: f64) {
        self.need(field, value, value >= 0.0, "a number from 0 up");
    }

    fn share(&mut self, field: &str, value: f64) {
        self.need(field, value, (0.0..=1.0).contains(&value), "a number from 0 to 1");
    }

    fn range(&mut self, field: &str, [from, to]: [f64; 2]) {
        self.at_least_0(field, from);
        self.need(field, to, to >= from, &format!("at least {from}, where the range begins"));
    }

    fn spread(&mut self, field: &str, spread: &Spread) {
        self.above_0(&format!("{field}.median"), spread.median);
        self.at_least_0(&format!("{field}.sigma"), spread.sigma);
        if let Some(most) = spread.most {
            self.above_0(&format!("{field}.most"), most);
        }
    }

    fn curve(&mut self, field: &str, curve: &Curve) {
        for number in curve.numbers() {
            self.at_least_0(field, number);
        }
        match curve {
            Curve::Shape(Shape::Points(points)) => {
                let ascends = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
                if !ascends || points.is_empty() {
                    self.0
                        .push(format!("{field} has points that do not follow each other in time"));
                }
            }
            Curve::Shape(Shape::Square { period, .. } | Shape::Diurnal { period, .. }) => {
                self.above_0(&format!("{field}.period"), *period);
            }
            Curve::Constant(_) | Curve::Shape(Shape::Burst { .. }) => {}
        }
    }
}

impl Scenario {
    /// Checks every number.
    ///
    /// # Errors
    ///
    /// [`BadScenario`]: all faults at once.
    pub fn check(&self) -> Result<(), BadScenario> {
        let mut checker = Checker(Vec::new());
        checker.above_0("duration", self.duration);
        checker.need("round", self.round, self.round >= 0.001, "at least 0.001");
        self.check_sizes(&mut checker);
        self.check_clusters(&mut checker);
        self.check_tasks(&mut checker);
        self.check_events(&mut checker);
        checker.curve("load.level", &self.load.level);
        if self.load.by == Match::Scaling {
            // Amounts that are scaled to zero never reach a level above it.
            checker.above_0("load.level at the start", self.load.level.at(0.0));
        }
        if let Arrivals::Poisson(rate) = self.load.arrivals {
            checker.above_0("load.arrivals.poisson", rate);
        }
        let moves = &self.migration;
        checker.above_0("migration.checkpoint_gib", moves.checkpoint_gib);
        checker.above_0("migration.link_share", moves.link_share);
        checker.share("migration.link_share", moves.link_share);
        checker.at_least_0("migration.restart", moves.restart);
        checker.share("migration.failures", moves.failures);
        let telemetry = &self.telemetry;
        let interval = telemetry.interval;
        checker.need("telemetry.interval", interval, interval >= 0.001, "at least 0.001");
        checker.range("telemetry.delay", telemetry.delay);
        checker.at_least_0("telemetry.noise", telemetry.noise);
        checker.share("telemetry.smoothing", telemetry.smoothing);
        checker.share("telemetry.reports_lost", telemetry.reports_lost);
        checker.share("telemetry.reports_repeated", telemetry.reports_repeated);
        let physics = &self.physics;
        checker.above_0("physics.heat_seconds", physics.heat_seconds);
        checker.range("physics.celsius", physics.celsius);
        checker.share("physics.throttle_speed", physics.throttle_speed);
        if let Overcommit::Slows(share) = physics.memory {
            checker.share("physics.memory.slows", share);
        }
        let (throttle, cool) = (physics.throttle_celsius, physics.celsius[0]);
        let must = format!("above {cool}, the temperature when idle");
        checker.need("physics.throttle_celsius", throttle, throttle > cool, &must);
        self.check_measure(&mut checker);
        if checker.0.is_empty() { Ok(()) } else { Err(BadScenario(checker.0)) }
    }

    fn check_measure(&self, checker: &mut Checker) {
        let mut within = |field: &str, from: f64| {
            let must = format!("from 0 to {}, when all is over", self.duration);
            checker.need(field, from, (0.0..self.duration.max(1e-9)).contains(&from), &must);
        };
        within("measure.from", self.measure.from);
        if let Some(from) = self.measure.rebalance_from {
            within("measure.rebalance_from", from);
        }
        for (field, placer) in [
            ("placement.initial.skewed", self.placement.initial),
            ("placement.arrivals.skewed", self.placement.arrivals),
        ] {
            if let Placer::Skewed(exponent) = placer {
                checker.at_least_0(field, exponent);
            }
        }
    }

    fn check_sizes(&self, checker: &mut Checker) {
        for (name, size) in &self.sizes {
            let field = format!("sizes.{name}.workers");
            checker.need(&field, f64::from(size.workers), size.workers > 0, "at least 1");
        }
    }

    fn check_clusters(&self, checker: &mut Checker) {
        for (name, classes) in &self.clusters {
            if classes.is_empty() {
                checker.0.push(format!("clusters.{name} has no class of workers"));
            }
            for (number, class) in classes.iter().enumerate() {
                let field = |field: &str| format!("clusters.{name}[{number}].{field}");
                checker.above_0(&field("weight"), class.weight);
                checker.above_0(&field("cores"), class.cores);
                checker.above_0(&field("memory_gib"), class.memory_gib);
                checker.above_0(&field("network_gbit"), class.network_gbit);
                checker.above_0(&field("speed"), class.speed);
                class.watts.iter().for_each(|watts| checker.at_least_0(&field("watts"), *watts));
                if class.watts.len() < 2 {
                    checker.0.push(format!("{} needs at least two figures", field("watts")));
                }
                for device in &class.devices {
                    checker.above_0(&field("devices.memory_gib"), device.memory_gib);
                    checker.above_0(&field("devices.speed"), device.speed);
                    checker.range(&field("devices.watts"), device.watts);
                }
            }
        }
    }

    fn check_tasks(&self, checker: &mut Checker) {
        let tasks = &self.tasks;
        checker.spread("tasks.cores", &tasks.cores);
        checker.spread("tasks.memory_gib", &tasks.memory_gib);
        checker.spread("tasks.minutes", &tasks.minutes);
        checker.range("tasks.state_share", tasks.state_share);
        let [low, high] = tasks.priority;
        checker.need("tasks.priority", f64::from(high), high >= low, "at least the lower one");
        checker.share("tasks.power_efficient", tasks.power_efficient);
        checker.share("tasks.pinned", tasks.pinned);
        checker.share("tasks.restart", tasks.restart);
        let both = tasks.pinned + tasks.restart;
        checker.need("tasks.pinned + tasks.restart", both, both <= 1.0, "at most 1");
        checker.at_least_0("tasks.noise", tasks.noise);
        checker.above_0("tasks.noise_seconds", tasks.noise_seconds);
        checker.above_0("tasks.checkpoint_seconds", tasks.checkpoint_seconds);
        checker.curve("tasks.demand", &tasks.demand);
        if let Some(gpu) = &tasks.gpu {
            checker.curve("tasks.gpu.share", &gpu.share);
            checker.share("tasks.gpu.only", gpu.only);
            checker.range("tasks.gpu.memory_gib", gpu.memory_gib);
        }
    }

    fn check_events(&self, checker: &mut Checker) {
        for (number, event) in self.events.iter().enumerate() {
            let field = |field: &str| format!("events[{number}].{field}");
            checker.at_least_0(&field("at"), event.at);
            checker.share(&field("workers"), event.workers);
            if let Some(until) = event.until {
                let must = format!("after {}, when it begins", event.at);
                checker.need(&field("until"), until, until > event.at, &must);
            }
            match &event.what {
                What::Demand(factor) => checker.above_0(&field("what.demand"), *factor),
                What::Background(curve) => checker.curve(&field("what.background"), curve),
                What::Ambient(degrees) => checker.at_least_0(&field("what.ambient"), *degrees),
                What::Crash | What::Drain | What::Join => {}
            }
        }
    }
}
