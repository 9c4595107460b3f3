//! A live cluster on this machine.
mod cluster;
mod custody;
mod fleet;
mod measure;
mod options;
mod pace;
mod plan;
mod protocol;
mod show;
mod summary;
mod work;
mod worker;

use std::process::ExitCode;
use std::time::*;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(cluster::WORKER_ARGUMENT) {
        return worker::main();
    }
    let options = match options::Options::read(std::env::args()) { Ok(o) => o, Err(e) => { eprintln!("{e:?}"); return ExitCode::from(2)} };
    let plan = plan::Plan::new(&options);
    for w in &plan.workers { println!("{w:?}"); }
    for w in &plan.tasks { println!("{w:?}"); }
    let rate = work::steps_per_second();
    println!("rate {rate}");
    let mut fleet = fleet::Fleet::new(&plan, rate).unwrap();
    let mut screen = show::Screen::stdout();
    let t = Instant::now();
    fleet.launch(&plan).unwrap();
    println!("launched in {:?}", t.elapsed());
    let start = Instant::now();
    fleet.measure();
    for second in 1..=options.seconds {
        let until = start + Duration::from_secs(second);
        for k in &options.kills { if k.second == second-1 { fleet.cluster.kill(k.worker); } }
        while Instant::now() < until {
            if let Some(h) = fleet.next(until) {
                println!("{h:?}");
                if let fleet::Happening::Gone(_, tasks) = h { for (t, _) in tasks { let w = fleet.cluster.ready().next().unwrap().id; fleet.start(t, w); } }
            }
        }
        fleet.measure();
        let rows = fleet.cluster.ready().map(|w| show::Row { worker: w.id, hardware: w.hardware.to_string(), budget: w.budget, load: fleet.load(w).unwrap_or(0.), resident_bytes: fleet.readings.get(&w.id).map_or(0, |r| r.resident_bytes), tasks: fleet.tasks_on(w.id)}).collect();
        let f = show::Frame { second, seconds: options.seconds, rows, spread: fleet.spread(), footer: fleet.cluster.ready().map(|w| format!("{:.2}", fleet.readings[&w.id].resident_bytes as f64 / w.memory_bytes)).collect::<Vec<_>>().join(" ") + " # " + &fleet.custody.all_mut().map(|e| e.take_cores().map_or("-".into(), |c| format!("{:.2}", c / e.plan.demand))).collect::<Vec<String>>().join(" ") };
        screen.show(&f);
    }
    let lost = fleet.close();
    let figures = summary::Figures::new(&Default::default(), &fleet.custody, &lost, Default::default(), 0);
    for s in figures.sentences(&fleet.custody) { println!("{s}"); }
    ExitCode::SUCCESS
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
