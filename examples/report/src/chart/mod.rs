//! The charts, one file each: from a log to pictures.

mod cost;
pub(crate) mod decisions;
mod energy;
mod forecast;
mod hardware;
mod load;
mod refusals;
mod reliability;
mod success;
mod thresholds;
mod timeline;
mod utilization;

use clap::ValueEnum;

use crate::draw::Picture;
use crate::log::Log;

/// What can be shown; the page has them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Metric {
    /// Load of every worker over time
    Load,
    /// Thresholds, and the load between them
    Thresholds,
    /// Migrations and how many of them succeeded
    Success,
    /// How the loads of the workers are distributed
    Utilization,
    /// Forecasts and what came
    Forecast,
    /// Whether forecasts hold as often as they claim
    Reliability,
    /// Cost and benefit of every candidate
    Cost,
    /// Power and temperature
    Energy,
    /// Load by kind of hardware
    Hardware,
    /// Why tasks stayed where they were
    Refusals,
    /// Tasks and migrations, a lane per worker
    Timeline,
    /// Every migration with its reasons
    Decisions,
}

impl Metric {
    /// Its name in links and on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
    }

    /// What it shows, as the command line has it.
    pub(crate) fn help(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|it| it.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// The pictures of one log, or why there are none.
    pub(crate) fn pictures(self, log: &Log) -> Result<Vec<Picture>, &'static str> {
        let one = |picture: Result<Picture, &'static str>| picture.map(|it| vec![it]);
        match self {
            Self::Load => one(load::picture(log)),
            Self::Thresholds => Ok(vec![thresholds::picture(log)]),
            Self::Success => one(success::picture(log)),
            Self::Utilization => one(utilization::picture(log)),
            Self::Forecast => one(forecast::picture(log)),
            Self::Reliability => one(reliability::picture(log)),
            Self::Cost => one(cost::picture(log)),
            Self::Refusals => one(refusals::picture(log)),
            Self::Energy => one(energy::picture(log)),
            Self::Hardware => one(hardware::picture(log)),
            Self::Timeline => timeline::pictures(log),
            Self::Decisions => Ok(Vec::new()),
        }
    }
}
