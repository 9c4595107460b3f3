//! Switches that break one rule each, to see which story notices (feature `mutants`).
//!
//! The code asks `broken!("name")` where a rule could be broken. [`with_broken`] breaks one rule for as long as a
//! function runs, on this thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::string::{String, ToString};

std::thread_local! {
    static BROKEN: RefCell<Option<String>> = const { RefCell::new(None) };
    static ASKED: Cell<bool> = const { Cell::new(false) };
    static NAMES: RefCell<Option<BTreeSet<String>>> = const { RefCell::new(None) };
}

/// What came of a run with a broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken<T> {
    /// What the function returned.
    pub result: T,
    /// Whether the code asked for the rule at all; if not, there is no switch of that name on the way.
    pub asked: bool,
}

/// Runs a function while one rule is broken.
pub fn with_broken<T>(name: &str, run: impl FnOnce() -> T) -> Broken<T> {
    BROKEN.set(Some(name.to_string()));
    ASKED.set(false);
    let result = run();
    BROKEN.set(None);
    Broken { result, asked: ASKED.get() }
}

/// The rules that the code asks for while a function runs, none of them broken.
pub fn asked(run: impl FnOnce()) -> BTreeSet<String> {
    NAMES.set(Some(BTreeSet::new()));
    run();
    NAMES.take().unwrap_or_default()
}

/// Whether a rule is broken just now.
pub(crate) fn is_broken(name: &str) -> bool {
    NAMES.with_borrow_mut(|names| {
        if let Some(names) = names
            && !names.contains(name)
        {
            names.insert(name.to_string());
        }
    });
    let broken = BROKEN.with_borrow(|broken| broken.as_deref() == Some(name));
    if broken {
        ASKED.set(true);
    }
    broken
}
