//! A run log for the tests: small, made up, and the same every time.

use serde_json::{Value, json};

/// Workers, and rounds: more than a chart has places, so that some are put together.
pub(crate) const WORKERS: u64 = 12;
pub(crate) const ROUNDS: u64 = 300;

/// A number between 0 and 1 that looks like chance.
fn dice(of: u64, salt: u64) -> f64 {
    let mixed =
        (of + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f64
        / (1_u64 << 24) as f64
}

/// The lines of a run; `salt` makes another one.
pub(crate) fn lines(salt: u64) -> Vec<Value> {
    let mut lines = vec![json!({
        "line": "run", "version": 1, "title": format!("made up <{salt}>"),
        "epoch_unix_millis": 1_795_190_400_000_u64, "config": {},
    })];
    for tick in 1..=ROUNDS {
        if tick.is_multiple_of(7) {
            lines.extend(migration(tick, salt));
        }
        lines.push(round(tick, salt));
    }
    for task in 0..40_u64 {
        let from = dice(task, salt) * 4_000.0;
        let until = from + 10.0 + dice(task, salt + 1) * 4_000.0;
        lines.push(json!({"line": "stay", "task": task, "worker": task % WORKERS + 1, "from": from, "until": until}));
    }
    lines
}

/// Completed, but for every third.
fn completed(tick: u64) -> bool {
    !tick.is_multiple_of(21)
}

fn migration(tick: u64, salt: u64) -> [Value; 1] {
    let (ended, to) = (tick as f64 * 30.0, tick % WORKERS + 1);
    let from = (!tick.is_multiple_of(14)).then_some((tick + 3) % WORKERS + 1);
    [json!({
        "line": "migration", "migration": format!("m0.{tick}"), "task": (tick + salt) % 40, "from": from, "to": to,
        "begun": ended - 60.0, "ended": ended, "outcome": if completed(tick) { "completed" } else { "timed_out" },
        "reason": format!("worker {to} is <idle> & free"), "scorecard": null,
    })]
}

fn round(tick: u64, salt: u64) -> Value {
    let at = tick as f64 * 30.0;
    let load = |worker: u64| 0.2 + 0.9 * dice(tick * 50 + worker, salt);
    let loads: Vec<f64> = (1..=WORKERS).map(load).collect();
    let mean = loads.iter().sum::<f64>() / WORKERS as f64;
    let workers = (1..=WORKERS).map(|worker| {
        let load = (worker != 3).then(|| load(worker));
        json!({"worker": worker, "load": load, "projected": load, "tasks": 3, "watts": 150.0, "celsius": 50.0,
            "stance": "accept", "hardware": ["cpu"]})
    });
    let judged = (1..=WORKERS).filter(|_| tick > 6).map(|worker| {
        json!({"worker": worker, "made": at - 180.0, "due": at, "load": 0.5, "low": 0.3, "high": 0.8,
            "confidence": dice(worker, tick), "outcome": load(worker)})
    });
    let candidates = (0..tick % 5).map(|place| {
        let (cost, benefit) = (dice(place, tick), 2.0 * dice(place, tick + 1));
        let refused = (place % 2 == 1).then_some("not worth it");
        json!({"task": place, "from": 1, "to": 2, "cost": cost, "benefit": benefit, "taken": place == 0,
            "refused": refused})
    });
    let ended = tick.is_multiple_of(7);
    json!({
        "line": "round", "epoch": 0, "tick": tick, "at": at,
        "load": {"mean": mean, "min": 0.2, "max": 1.1, "deviation": 0.1}, "spread": 0.9,
        "thresholds": {"high": 0.8, "low": 0.3}, "band": "normal", "trend": null,
        "adaptation_rate": if tick.is_multiple_of(4) { 0.01 } else { 0.0 }, "balance": "even", "uneven": tick.is_multiple_of(3),
        "forecast": null, "judged": judged.collect::<Vec<_>>(), "workers": workers.collect::<Vec<_>>(),
        "hardware": [{"hardware": "cpu", "workers": WORKERS, "load": mean}],
        "energy": {"watts": 1_800.0, "joules": 1_800.0 * (at - 30.0)}, "thermal": {"mean": 50.0, "max": 61.5},
        "scored": 3 * (tick % 5), "candidates": candidates.collect::<Vec<_>>(),
        "refusals": [{"reason": "no gain", "count": tick % 11}, {"reason": "cooling down", "count": 2}],
        "initiated": u64::from(!tick.is_multiple_of(5)), "completed": u64::from(ended && completed(tick)),
        "failed": u64::from(ended && !completed(tick)), "in_flight": 1,
    })
}
