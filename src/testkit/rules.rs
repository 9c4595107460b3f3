//! The rules that a move must meet, as a table.

use std::string::String;

/// Every rule by depth, with the purposes for which it holds, the section that switches it on, when it is asked,
/// and the presets under which it holds: the Markdown table that the crate's documentation shows.
pub fn rule_table() -> String {
    crate::rules::table()
}
