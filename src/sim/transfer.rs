//! State on its way over the network: links are shared by all transfers at either end.

use alloc::vec::Vec;

use super::plan::Micros;

/// One task's state on its way.
#[derive(Clone, Copy, Debug)]
struct Flow {
    job: usize,
    token: u64,
    ends: [Option<usize>; 2],
    left_bytes: f64,
    /// Bytes per microsecond.
    rate: f64,
}

/// All state on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers {
    flows: Vec<Flow>,
    /// What each worker's link has for transfers, in bytes per microsecond.
    links: Vec<f64>,
    since: Micros,
    pub(super) generation: u64,
}

impl Transfers {
    /// Links by worker, in bytes per second.
    pub(super) fn new(links: impl Iterator<Item = f64>) -> Self {
        Self { links: links.map(|link| link / 1e6).collect(), ..Self::default() }
    }

    /// Adds a transfer; whatever was under way for this task is off.
    pub(super) fn start(
        &mut self,
        now: Micros,
        job: usize,
        token: u64,
        ends: [Option<usize>; 2],
        bytes: f64,
    ) {
        self.advance(now);
        self.flows.retain(|flow| flow.job != job);
        self.flows.push(Flow { job, token, ends, left_bytes: bytes, rate: 0.0 });
        self.share();
    }

    /// Calls a transfer off.
    pub(super) fn cancel(&mut self, now: Micros, job: usize) {
        self.advance(now);
        self.flows.retain(|flow| flow.job != job);
        self.share();
    }

    /// Takes out those that have arrived, each with its token.
    pub(super) fn arrived(&mut self, now: Micros) -> Vec<(usize, u64)> {
        self.advance(now);
        let here = |flow: &Flow| flow.left_bytes <= 0.5;
        let done = self.flows.iter().filter(|flow| here(flow)).map(|flow| (flow.job, flow.token));
        let done = done.collect();
        self.flows.retain(|flow| !here(flow));
        self.share();
        done
    }

    /// Microseconds until the next arrival.
    pub(super) fn next(&self) -> Option<Micros> {
        let spans = self.flows.iter().map(|flow| {
            let span = libm::ceil((flow.left_bytes / flow.rate).max(0.0)) as Micros;
            span.max(1)
        });
        spans.min()
    }

    fn advance(&mut self, now: Micros) {
        let span = (now - self.since) as f64;
        self.since = now;
        self.flows.iter_mut().for_each(|flow| flow.left_bytes -= flow.rate * span);
    }

    /// Each link is shared evenly by its transfers; the slower end decides.
    fn share(&mut self) {
        self.generation += 1;
        let mut count = alloc::vec![0_u32; self.links.len()];
        for end in self.flows.iter().flat_map(|flow| flow.ends).flatten() {
            count[end] += 1;
        }
        for flow in &mut self.flows {
            let ends = flow.ends.iter().flatten();
            let share = ends.map(|end| self.links[*end] / f64::from(count[*end]));
            flow.rate = share.fold(f64::INFINITY, f64::min);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_transfers_share_the_link_they_have_in_common() {
        // Links of 1, 1 and 4 bytes a microsecond; both go to the first worker.
        let mut transfers = Transfers::new([1e6, 1e6, 4e6].into_iter());
        transfers.start(0, 7, 1, [Some(1), Some(0)], 100.0);
        assert_eq!(transfers.next(), Some(100));
        transfers.start(50, 8, 2, [Some(2), Some(0)], 100.0);
        // The first has 50 bytes left at half the speed.
        assert_eq!(transfers.next(), Some(100));
        assert_eq!(transfers.arrived(150), [(7, 1)]);
        assert_eq!(transfers.next(), Some(50));
        transfers.cancel(160, 8);
        assert_eq!(transfers.next(), None);
    }
}
