//! Which types does everything else use? Ids, time, ratios, resources, hardware.
//!
//! Values that are compared or stored are newtypes; values that are only passed on have a unit suffix
//! (`state_bytes`, `power_watts`); inside functions they are plain `f64`. Values are checked where they enter,
//! and never again.

pub(crate) mod bounds;
pub mod hardware;
pub mod ids;
pub mod ratio;
pub mod resource;
pub(crate) mod rows;
pub(crate) mod setters;
pub(crate) mod time;
pub(crate) mod tree;
