//! What a process really uses, as the operating system accounts for it.
//!
//! Linux keeps two accounts of processor time. `/proc/PID/stat` counts whole hundredths of a second for the process
//! with all its threads, those that have ended too; `/proc/PID/task/*/schedstat` counts nanoseconds, of living
//! threads only. Both undercount, neither overcounts, so the larger one is the better figure. The load of a worker
//! never comes from the worker's own words: a source that reports nothing for a busy process is a known trap, and
//! the tests below check this one against processes with a known load.

use std::fs;
use std::time::{Duration, Instant};

/// One hundredth of a second: the unit of `/proc/PID/stat` on every Linux there is (`USER_HZ`).
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// What one process has used so far and holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time since the process began, all threads.
    pub(crate) cpu_time: Duration,
    /// Memory that is resident now.
    pub(crate) resident_bytes: u64,
}

/// Reads the usage of a living process; `None` once it has ended, even if nobody has collected it yet.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    Some(Usage { cpu_time: cpu_time(pid)?, resident_bytes: resident_bytes(pid)? })
}

/// Processor time of a living process since it began, all threads together.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let coarse = ticks_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    Some(coarse.max(fine_cpu_time(pid).unwrap_or_default()))
}

/// Processor time of the calling thread, as finely as the kernel accounts for it.
pub(crate) fn own_cpu_time() -> Option<Duration> {
    match fs::read_to_string("/proc/thread-self/schedstat") {
        Ok(account) => nanoseconds_in(&account),
        Err(_) => cpu_time(std::process::id()),
    }
}

/// The first figure of a `schedstat`: nanoseconds on a processor.
fn nanoseconds_in(account: &str) -> Option<Duration> {
    let nanoseconds = account.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Processor time of the living threads of a process, to the nanosecond, where the kernel accounts for it.
fn fine_cpu_time(pid: u32) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let account = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        total += nanoseconds_in(&account)?;
    }
    Some(total)
}

/// User and system time in the text of `/proc/PID/stat`; `None` for a process that has ended.
fn ticks_in(stat: &str) -> Option<Duration> {
    // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let ticks = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(CLOCK_TICK * ticks)
}

/// Resident memory of a living process.
fn resident_bytes(pid: u32) -> Option<u64> {
    resident_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// The resident set in the text of `/proc/PID/status`, which gives it in units of 1024 bytes.
fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Turns two looks at a process into a rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    at: Instant,
    cpu_time: Duration,
}

/// What a process used between two looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Processor time per wall-clock time: 1.0 is one core, all the time.
    pub(crate) cores: f64,
    /// Memory resident at the second look.
    pub(crate) resident_bytes: u64,
}

impl Meter {
    /// Takes the first look.
    pub(crate) fn start(pid: u32) -> Option<Self> {
        Some(Self { at: Instant::now(), cpu_time: cpu_time(pid)? })
    }

    /// Takes the next look; the one before becomes the past.
    pub(crate) fn read(&mut self, pid: u32) -> Option<Reading> {
        let (now, usage) = (Instant::now(), usage(pid)?);
        let window = now - self.at;
        let used = usage.cpu_time.saturating_sub(self.cpu_time);
        *self = Self { at: now, cpu_time: usage.cpu_time };
        let cores = used.as_secs_f64() / window.as_secs_f64().max(1e-3);
        Some(Reading { cores, resident_bytes: usage.resident_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;

    /// A child that is ended and collected whatever happens to the test.
    struct Guard(Child);

    impl Guard {
        fn shell(script: &str) -> Self {
            let mut command = Command::new("sh");
            let child = command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
            Self(child.spawn().expect("a shell is there"))
        }
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            // The child may have ended by itself; then there is nothing left to end.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn cores_of(pid: u32, span: Duration) -> f64 {
        let mut meter = Meter::start(pid).expect("the process lives");
        sleep(span);
        meter.read(pid).expect("the process lives").cores
    }

    /// `0m1.250000s` as a span.
    fn minutes_and_seconds(text: &str) -> Duration {
        let (minutes, seconds) = text.split_once('m').expect("minutes");
        let seconds: f64 = seconds.trim_end_matches('s').parse().expect("seconds");
        Duration::from_secs_f64(60.0 * minutes.parse::<f64>().expect("minutes") + seconds)
    }

    #[test]
    fn a_busy_process_is_measured_as_it_accounts_for_itself() {
        // A second method: the shell asks the kernel what it has used, by another way than /proc. A neighbour on the
        // same core makes this take longer; it does not change either figure.
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; times; sleep 5";
        let mut busy = Guard::shell(script);
        let mut line = String::new();
        let output = busy.0.stdout.take().expect("it is a pipe");
        BufReader::new(output).read_line(&mut line).expect("it speaks");
        let known: Duration = line.split_ascii_whitespace().map(minutes_and_seconds).sum();
        let measured = cpu_time(busy.0.id()).expect("the process lives");
        assert!(known >= Duration::from_millis(20), "too little to compare: {known:?}");
        let difference = measured.abs_diff(known);
        assert!(difference <= Duration::from_millis(30), "{measured:?} measured, {known:?} known");
    }

    #[test]
    fn a_sleeping_process_is_measured_as_idle() {
        let idle = Guard::shell("sleep 5");
        let cores = cores_of(idle.0.id(), Duration::from_millis(500));
        assert!(cores < 0.05, "measured {cores:.2} cores");
    }

    #[test]
    fn a_process_that_has_ended_has_no_usage() {
        let mut ended = Guard::shell("exit 0");
        sleep(Duration::from_millis(200));
        assert_eq!(usage(ended.0.id()), None, "ended, not yet collected");
        ended.0.wait().expect("it can be collected");
        assert_eq!(usage(ended.0.id()), None, "collected");
    }

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 12 30 5 5 20 0 1 0 1 1 1";
        assert_eq!(ticks_in(stat), Some(Duration::from_millis(420)));
        assert_eq!(ticks_in(&stat.replace(") S", ") Z")), None);
        assert_eq!(ticks_in("nonsense"), None);
    }

    #[test]
    fn the_resident_set_is_read_in_bytes() {
        assert_eq!(resident_in("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        assert_eq!(resident_in("Name:\tx\n"), None);
    }
}
