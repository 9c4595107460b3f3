//! The run log, and the page of pictures that is made of it at the end.

use std::cell::RefCell;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use evenkeel::engine::Input;
use evenkeel::outcome::Ended;
use evenkeel::shell::run_log::Line;
use evenkeel::shell::{MetricsSink, Recorder, WallClock};
use evenkeel::{Config, Outcome};

use crate::options::Options;

/// What the recorder does with a line.
type Keep = Box<dyn FnMut(&Line)>;

/// Records a run, if a run log or a page is wanted.
pub(crate) struct Record {
    /// Gone when the run is over.
    recorder: Option<Recorder<Keep>>,
    title: String,
    lines: Rc<RefCell<Lines>>,
    page: Option<(PathBuf, File)>,
}

/// Where the lines of the run log go.
struct Lines {
    /// The file's name, for messages.
    name: PathBuf,
    file: Option<BufWriter<File>>,
    /// Kept for the page.
    text: Option<Vec<u8>>,
    /// The first thing that went wrong while writing.
    fault: Option<String>,
}

impl Record {
    /// Creates the files that are asked for. The page's clock is the engine's, so the title says how fast that runs.
    pub(crate) fn new(options: &Options, config: &Config) -> Result<Self, String> {
        let file = options.run_log.as_deref().map(|path| create("--run-log", path)).transpose()?;
        let page = options.report.as_deref().map(|path| create("--report", path)).transpose()?;
        let scale = config.check_interval.as_secs_f64();
        let title = format!("live cluster, {} workers, {scale} times as fast", options.workers);
        let lines = Rc::new(RefCell::new(Lines {
            name: options.run_log.clone().unwrap_or_default(),
            file: file.map(BufWriter::new),
            text: page.as_ref().map(|_| Vec::new()),
            fault: None,
        }));
        let wanted = options.run_log.is_some() || options.report.is_some();
        let recorder = wanted.then(|| {
            let lines = Rc::clone(&lines);
            let keep: Keep = Box::new(move |line| lines.borrow_mut().keep(line));
            Recorder::new(&title, config, WallClock::default(), keep)
        });
        let page = options.report.clone().zip(page);
        Ok(Self { recorder, title, lines, page })
    }

    /// Ends the run log and writes the page; the sentences say where they are.
    pub(crate) fn finish(&mut self) -> Result<Vec<String>, String> {
        if let Some(recorder) = self.recorder.take() {
            recorder.finish();
        }
        let lines = self.lines.borrow();
        if let Some(fault) = &lines.fault {
            return Err(fault.clone());
        }
        let mut sentences = Vec::new();
        if lines.file.is_some() {
            sentences.push(format!("run log: {}", lines.name.display()));
        }
        if let (Some((path, mut file)), Some(text)) = (self.page.take(), &lines.text) {
            let name = path.display();
            let page = report::page(text.as_slice(), &self.title);
            let page = page.map_err(|fault| format!("--report {name}: {fault}"))?;
            file.write_all(page.as_bytes()).map_err(|it| told("--report", &path, &it))?;
            sentences.push(format!("report: {name}"));
        }
        Ok(sentences)
    }
}

impl MetricsSink for Record {
    fn record(&mut self, outcome: &Outcome) {
        self.recorder.iter_mut().for_each(|recorder| recorder.record(outcome));
    }

    fn input(&mut self, input: &Input) {
        self.recorder.iter_mut().for_each(|recorder| recorder.input(input));
    }

    fn ended(&mut self, ended: &[Ended]) {
        self.recorder.iter_mut().for_each(|recorder| recorder.ended(ended));
    }
}

impl Lines {
    /// Keeps a line. A file gets it at once, so that a run that is killed leaves a log up to that moment.
    fn keep(&mut self, line: &Line) {
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.text.iter_mut().for_each(|text| text.extend_from_slice(&line));
            self.file
                .as_mut()
                .map_or(Ok(()), |file| file.write_all(&line).and_then(|()| file.flush()))
        });
        if let Err(fault) = written {
            self.fault.get_or_insert(told("--run-log", &self.name, &fault));
        }
    }
}

fn create(option: &str, path: &Path) -> Result<File, String> {
    File::create(path).map_err(|fault| told(option, path, &fault))
}

fn told(option: &str, path: &Path, fault: &dyn Display) -> String {
    format!("{option} {}: {fault}", path.display())
}
