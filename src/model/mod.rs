//! The words everything else is written in: ids, time, ratios, resources, hardware.
//!
//! Newtypes for what is compared or stored; a unit suffix (`state_bytes`, `power_watts`) for what
//! is merely carried; plain `f64` between the braces. Values are checked where they enter and never
//! again.

pub mod hardware;
pub mod ids;
pub mod ratio;
pub mod resource;
pub(crate) mod rows;
pub(crate) mod setters;
pub(crate) mod time;
