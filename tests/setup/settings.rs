//! Settings of a failing case, in a form that can be read and played again.

use std::fmt;

use evenkeel::Config;

/// Settings, printed as JSON.
#[derive(Clone)]
pub(crate) struct Settings(pub(crate) Config);

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}
