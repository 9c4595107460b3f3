//! What does a later life keep of an earlier clock that was ahead of its own?
//!
//! A clock may be set back while the host is down. Then the state speaks of moments that have not come: a task that
//! arrived "in an hour" would count as not yet seen by telemetry for an hour, and a step that began "in an hour" would
//! not time out before. Nothing that is remembered happened after the first snapshot of a life.

use core::time::Duration;

use super::{Migration, STAYS, State};
use crate::model::time::Timestamp;

impl State {
    /// Counts whatever happened after `now`, the first moment of this life, as having happened then. Cooldowns that
    /// are longer than `cooldown` from now on are cut to it.
    pub(crate) fn set_clock_back(&mut self, now: Timestamp, cooldown: Duration) {
        if broken!("clock_set_back") {
            return;
        }
        let latest = now.after(cooldown);
        for arrival in &mut self.arrivals {
            arrival.released = arrival.released.min(now);
            arrival.running = arrival.running.min(now);
        }
        for waits in self.cooldowns.values_mut() {
            waits.until = waits.until.min(latest);
            waits.left.iter_mut().for_each(|(_, until)| *until = latest.min(*until));
        }
        let latest = now.after(cooldown.saturating_mul(STAYS));
        self.moved.values_mut().for_each(|until| *until = latest.min(*until));
        for back_off in self.back_offs.values_mut() {
            let period = back_off.forget.since(back_off.until).unwrap_or_default();
            back_off.until = back_off.until.min(now.after(period));
            back_off.forget = back_off.forget.min(back_off.until.after(period));
        }
        let not_later = |at: &mut Option<Timestamp>| *at = at.map(|at| at.min(now));
        self.ended.replace_where(
            |_| true,
            |ended| {
                ended.at = ended.at.min(now);
                ended.given = ended.given.min(now);
                not_later(&mut ended.last_requeue);
                not_later(&mut ended.requested_at);
                ended.shown_at_rest = ended.shown_at_rest.map(|shown| shown.not_after(now));
            },
        );
        for standing in &mut self.advised {
            standing.since = standing.since.min(now);
        }
        not_later(&mut self.doubted_since);
        let set_back = |migration: &mut Migration| migration.set_clock_back(now);
        self.in_flight.update_all(set_back);
    }
}
