//! The values that fields of records can have.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::words::{Parsed, amount, bytes, moment, pair, plain, sum, unknown, valued};
use crate::model::hardware::Hardware;
use crate::model::ids::{DomainId, TopologyId};
use crate::model::ratio::Ratio;
use crate::model::resource::{Amounts, ResourceId};
use crate::snapshot::{
    Alternative, Device, GroupRule, Maintenance, Phase, Placement, Stance, StateAt, Topology,
};

/// `cuda:speed=6:cpu=1:gpu-memory=8GiB`: the hardware (`any` if none), how fast, and what it asks for.
pub(super) fn way(text: &str) -> Parsed<Alternative> {
    let mut parts = text.split(':');
    let hardware = parts.next().unwrap_or_default();
    let mut way = Alternative::new(1.0);
    if hardware != "any" {
        way.hardware = sum::<_, Hardware>(hardware)?;
    }
    for part in parts {
        let (key, value) = pair(part);
        let value = valued(key, value)?;
        match key {
            "speed" => way.speed = plain(value)?,
            "gpu-memory" => way.gpu_memory_bytes = Some(bytes(value)?),
            "compute" => way.min_cuda_compute = Some(plain(value)?),
            _ => {
                let resource = plain(key).map_err(|_| unknown(key, "a way to run"))?;
                set(&mut way.demand, resource, value)?;
            }
        }
    }
    Ok(way)
}

/// The same amounts without one of them.
pub(super) fn without(amounts: &Amounts, resource: ResourceId) -> Amounts {
    amounts.iter().filter(|(id, _)| *id != resource).collect()
}

pub(super) fn set(amounts: &mut Amounts, resource: ResourceId, value: &str) -> Parsed<()> {
    if value == "none" {
        *amounts = without(amounts, resource);
        return Ok(());
    }
    amounts.set(resource, amount(resource, value)?);
    Ok(())
}

/// `none` clears a field.
pub(super) fn optional<T>(value: &str, read: impl Fn(&str) -> Parsed<T>) -> Parsed<Option<T>> {
    if value == "none" { Ok(None) } else { read(value).map(Some) }
}

/// `1`: over the zones; `1:y2`: over the domains of a topology; `1:worker`.
pub(super) fn spread(text: &str) -> Parsed<GroupRule> {
    let (most, over) = text.split_once(':').unwrap_or((text, "zone"));
    let over = match over {
        "zone" => Topology::Zone,
        "worker" => Topology::Worker,
        label => Topology::Label(plain(label)?),
    };
    Ok(GroupRule::Spread { max_skew: plain::<NonZeroU32>(most)?, over })
}

/// `y1:d3,y2:d7`: the third rack of one topology, the seventh room of another.
pub(super) fn domains(text: &str) -> Parsed<BTreeMap<TopologyId, DomainId>> {
    let pair = |text: &str| match text.split_once(':') {
        Some((topology, domain)) => Ok((plain(topology)?, plain(domain)?)),
        None => Err(format!("`{text}`: a domain reads y1:d3")),
    };
    text.split(',').map(pair).collect()
}

pub(super) fn ratio(text: &str) -> Parsed<Ratio> {
    Ratio::new(plain(text)?).map_err(|error| format!("{error}"))
}

pub(super) fn stance(text: &str) -> Parsed<Stance> {
    match text {
        "accept" => Ok(Stance::Accept),
        "hold" => Ok(Stance::Hold),
        "drain" => Ok(Stance::Drain),
        "offline" => Ok(Stance::Offline),
        _ => Err(unknown(text, "stance: accept, hold, drain, offline")),
    }
}

/// `cuda:24GiB:8.6:used=4GiB`: the kind, then in any order memory, compute capability and memory in
/// use.
pub(super) fn device(text: &str) -> Parsed<Device> {
    let mut parts = text.split(':');
    let mut device = Device::new(plain::<Hardware>(parts.next().unwrap_or_default())?);
    for part in parts {
        if let Some(used) = part.strip_prefix("used=") {
            device = device.with_used_bytes(bytes(used)?);
        } else if part.ends_with('B') {
            device = device.with_memory_bytes(bytes(part)?);
        } else {
            device = device.with_compute(plain(part)?);
        }
    }
    Ok(device)
}

/// `shared`, `w3` or `z1`: where a task's state lies.
pub(super) fn state_at(text: &str) -> Parsed<StateAt> {
    match text.as_bytes().first() {
        _ if text == "shared" => Ok(StateAt::Shared),
        Some(b'w') => Ok(StateAt::Worker(plain(text)?)),
        Some(b'z') => Ok(StateAt::Zone(plain(text)?)),
        _ => Err(unknown(text, "state-at: shared, w3, z1")),
    }
}

/// `600s..1200s,1h..2h`: when a worker is out of service.
pub(super) fn spans(text: &str) -> Parsed<Vec<Maintenance>> {
    let read = |span: &str| {
        let (from, until) = span.split_once("..").ok_or("a span reads `600s..1200s`")?;
        Ok(Maintenance::new(moment(from)?, moment(until)?))
    };
    text.split(',').map(read).collect()
}

/// `m0.1:w1->w2:assigned:40s`: what a host that remembers migrations says of one; without a source,
/// `none->w2`.
pub(super) fn moving(text: &str) -> Parsed<Placement> {
    let wrong = || format!("`{text}`: a moving task reads m0.1:w1->w2:assigned:40s");
    let mut parts = text.split(':');
    let (Some(migration), Some(ends), Some(phase), Some(since)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let (from, to) = ends.split_once("->").ok_or_else(wrong)?;
    let phase = match phase {
        "releasing" => Phase::Releasing,
        "released" => Phase::Released,
        "assigned" => Phase::Assigned,
        _ => return Err(wrong()),
    };
    Ok(Placement::Moving {
        migration: plain(migration)?,
        from: optional(from, plain)?,
        to: plain(to)?,
        phase,
        since: moment(since)?,
    })
}
