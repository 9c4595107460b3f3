//! The figures of a run, as text and as JSON.

use std::fmt;

use serde_json::json;

use crate::equivalent::turn;
use crate::play::Verdict;
use crate::sites::Site;

/// Longer texts of a change are cut.
const WIDTH: usize = 200;

/// A viable mutant and what came of it.
pub struct Judged<'a> {
    /// Its number in this run: what the player calls it.
    pub number: usize,
    pub site: &'a Site,
    pub verdict: Verdict,
    /// How many stories come by.
    pub stories: usize,
    /// Why it is listed as equivalent; `None` if it is not.
    pub reason: Option<String>,
}

/// A run.
pub struct Report<'a> {
    pub seed: u64,
    pub drawn: usize,
    pub unviable: usize,
    /// How many places each room has.
    pub rooms: Vec<(&'static str, usize)>,
    pub judged: Vec<Judged<'a>>,
}

impl Report<'_> {
    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.judged.iter().filter(|judged| is(&judged.verdict)).count()
    }

    fn caught(&self) -> usize {
        self.judged.len() - self.survivors().count()
    }

    /// What no story notices, listed or not.
    fn survivors(&self) -> impl Iterator<Item = &Judged<'_>> {
        let survives = |verdict| matches!(verdict, &Verdict::Unnoticed | &Verdict::Unreached);
        self.judged.iter().filter(move |judged| survives(&judged.verdict))
    }

    fn equivalent(&self) -> usize {
        self.survivors().filter(|survivor| survivor.reason.is_some()).count()
    }

    /// Listed as equivalent, but a story tells it from the original: the list is wrong.
    fn wrongly_listed(&self) -> impl Iterator<Item = &Judged<'_>> {
        let caught = |verdict| !matches!(verdict, &Verdict::Unnoticed | &Verdict::Unreached);
        self.judged.iter().filter(move |judged| judged.reason.is_some() && caught(&judged.verdict))
    }

    /// The caught among the viable that are not listed as equivalent.
    pub fn share(&self) -> f64 {
        share(self.caught(), self.judged.len() - self.equivalent())
    }

    /// The figures and the survivors.
    pub fn to_json(&self) -> serde_json::Value {
        let survivors: Vec<_> = self
            .survivors()
            .map(|survivor| {
                json!({
                    "number": survivor.number,
                    "file": survivor.site.file,
                    "line": survivor.site.line,
                    "context": survivor.site.context,
                    "turn": turn(survivor.site),
                    "stories": survivor.stories,
                    "equivalent": survivor.reason,
                })
            })
            .collect();
        json!({
            "seed": self.seed,
            "places": self.rooms.iter().map(|(_, places)| places).sum::<usize>(),
            "drawn": self.drawn,
            "viable": self.judged.len(),
            "caught": self.caught(),
            "equivalent": self.equivalent(),
            "share_of_viable": share(self.caught(), self.judged.len()),
            "share_without_equivalent": self.share(),
            "survivors": survivors,
        })
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn cut(text: &str) -> String {
    let short: String = text.chars().take(WIDTH).collect();
    if short.len() < text.len() { short + "..." } else { short }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, places) in &self.rooms {
            writeln!(f, "{name}: {places} places")?;
        }
        for survivor in self.survivors().filter(|survivor| survivor.reason.is_none()) {
            let Judged { number, site, stories, .. } = survivor;
            writeln!(
                f,
                "survives   {number} {}:{} ({stories} stories come by)",
                site.file, site.line
            )?;
            writeln!(f, "           line {}", cut(&site.context))?;
            writeln!(f, "           turn {}", cut(&turn(site)))?;
        }
        for wrong in self.wrongly_listed() {
            let (site, verdict) = (wrong.site, &wrong.verdict);
            writeln!(
                f,
                "not equivalent: {}:{} {}: {verdict:?}",
                site.file,
                site.line,
                cut(&turn(site))
            )?;
        }
        let by = |is: fn(&Verdict) -> bool| self.count(is);
        writeln!(
            f,
            "seed {}: {} drawn, {} not viable, {} viable, {} caught ({} by a story, {} hang, {} crash)",
            self.seed,
            self.drawn,
            self.unviable,
            self.judged.len(),
            self.caught(),
            by(|verdict| matches!(verdict, Verdict::Noticed(_))),
            by(|verdict| *verdict == Verdict::Hangs),
            by(|verdict| *verdict == Verdict::Crashes),
        )?;
        writeln!(
            f,
            "{} survive, {} of them listed as equivalent; {} come by no story",
            self.survivors().count(),
            self.equivalent(),
            by(|verdict| *verdict == Verdict::Unreached),
        )?;
        writeln!(
            f,
            "caught: {:.1} % of the viable, {:.1} % of those that are not equivalent",
            100.0 * share(self.caught(), self.judged.len()),
            100.0 * self.share(),
        )
    }
}
