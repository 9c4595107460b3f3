//! All cores, one progress bar.

use std::io::{IsTerminal, stderr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// So often a line says how far it is where there is no terminal.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does the same with every item, on all cores. Results come in the order of the items.
pub(crate) fn map<T: Sync, R: Send>(
    label: &str,
    items: &[T],
    work: impl Fn(&T) -> Result<R, String> + Sync,
) -> Result<Vec<R>, String> {
    let next = AtomicUsize::new(0);
    let progress = Progress::new(label, items.len());
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let alone = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            let result = work(item);
            if result.is_err() {
                // Nobody begins anything more.
                next.store(items.len(), Ordering::Relaxed);
            }
            done.push((index, result));
            progress.one_more();
        }
    };
    let lists = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores.min(items.len())).map(|_| scope.spawn(alone)).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    progress.end();
    let mut all = Vec::with_capacity(items.len());
    for list in lists {
        all.extend(list.map_err(|_| format!("{label}: a run panicked"))?);
    }
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    label: String,
    count: usize,
    done: AtomicUsize,
    since: Instant,
    /// The period in which the last line was written.
    told: AtomicU64,
}

impl Progress {
    fn new(label: &str, count: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(label.to_owned());
        let (done, told) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { bar, label: label.to_owned(), count, done, since: Instant::now(), told }
    }

    fn one_more(&self) {
        self.bar.inc(1);
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let period = self.since.elapsed().as_secs() / PATIENCE.as_secs();
        if !stderr().is_terminal() && self.told.fetch_max(period, Ordering::Relaxed) < period {
            eprintln!("{}: {done} of {}", self.label, self.count);
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
