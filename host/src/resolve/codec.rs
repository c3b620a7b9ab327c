//! Records in few bytes. Endpoints are kept by their ids, fields by their places; what is not known any more is dropped with its
//! endpoint, and fields that are new begin without a value.

use super::{Canon, Fence, Life, Link, Missing, RecordState, Sent, SentKind, Shadow, Side, Source};
use crate::record::{
    Value, read_byte, read_bytes, read_count, read_int, read_value, write_bytes, write_count, write_int, write_value,
};

/// The form of the bytes; the first of them.
const FORM: u8 = 1;

const PERSON: u64 = 0;
/// No entity has more; what says so is damaged.
const FIELDS_MAX: usize = 1 << 16;

/// `endpoints` are the ids of the state's endpoints, in its order.
pub fn encode(state: &RecordState, endpoints: &[i64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + state.canon.len() * 16);
    out.push(FORM);
    match state.life {
        Life::Live => out.push(0),
        Life::Deleted { at, by } => {
            out.push(1);
            write_int(&mut out, at);
            write_source(&mut out, by, endpoints);
        }
    }
    write_count(&mut out, state.version);
    write_int(&mut out, state.lineage);
    write_count(&mut out, state.canon.len() as u64);
    state.canon.iter().for_each(|canon| write_canon(&mut out, canon, endpoints, state.lineage));
    write_count(&mut out, state.sides.len() as u64);
    let mut body = Vec::with_capacity(32 + state.canon.len());
    for (side, endpoint) in state.sides.iter().zip(endpoints) {
        body.clear();
        write_side(&mut body, side, &state.canon);
        write_int(&mut out, *endpoint);
        write_bytes(&mut out, &body);
    }
    out
}

/// None if the bytes are not a record.
pub fn decode(mut bytes: &[u8], endpoints: &[i64], fields: usize) -> Option<RecordState> {
    let bytes = &mut bytes;
    if read_byte(bytes)? != FORM {
        return None;
    }
    let life = match read_byte(bytes)? {
        0 => Life::Live,
        1 => Life::Deleted { at: read_int(bytes)?, by: read_source(bytes, endpoints)? },
        _ => return None,
    };
    let (version, lineage) = (read_count(bytes)?, read_int(bytes)?);
    let canons = read_count(bytes)?;
    let mut canon = Vec::with_capacity(fields);
    for _ in 0..canons {
        canon.push(read_canon(bytes, endpoints, lineage)?);
    }
    let mut sides: Vec<Option<Side>> = endpoints.iter().map(|_| None).collect();
    for _ in 0..read_count(bytes)? {
        let (endpoint, mut body) = (read_int(bytes)?, read_bytes(bytes)?);
        let side = read_side(&mut body, &canon, fields)?;
        if let Some(place) = endpoints.iter().position(|known| *known == endpoint).and_then(|at| sides.get_mut(at)) {
            *place = Some(side);
        }
    }
    canon.resize(fields.max(canon.len()), Canon::default());
    canon.truncate(fields);
    let sides = sides.into_iter().map(|side| side.unwrap_or_else(|| Side::new(fields))).collect();
    Some(RecordState { life, version, lineage, canon, sides })
}

fn write_source(out: &mut Vec<u8>, source: Source, endpoints: &[i64]) {
    let id = match source {
        Source::Person => PERSON,
        Source::Endpoint(endpoint) => endpoints.get(endpoint).map_or(PERSON, |id| id.unsigned_abs()),
    };
    write_count(out, id);
}

/// A source that is no longer part of the hub counts as somebody.
fn read_source(bytes: &mut &[u8], endpoints: &[i64]) -> Option<Source> {
    let id = read_count(bytes)?;
    let place = endpoints.iter().position(|known| known.unsigned_abs() == id && id != PERSON);
    Some(place.map_or(Source::Person, Source::Endpoint))
}

const HAS_VALUE: u8 = 1;
const HAS_TIME: u8 = 2;
const HAS_CHANGED: u8 = 4;
const IS_QUARANTINED: u8 = 8;
const HAS_RESISTED: u8 = 16;

fn write_canon(out: &mut Vec<u8>, canon: &Canon, endpoints: &[i64], newest: i64) {
    let flag = |is: bool, bit: u8| if is { bit } else { 0 };
    out.push(
        flag(canon.value.is_some(), HAS_VALUE)
            | flag(canon.at.is_some(), HAS_TIME)
            | flag(has_changed(canon), HAS_CHANGED)
            | flag(canon.quarantined, IS_QUARANTINED)
            | flag(canon.resisted_at != 0, HAS_RESISTED),
    );
    write_source(out, canon.source, endpoints);
    // Mostly the newest entry itself.
    write_int(out, newest.wrapping_sub(canon.lineage));
    if let Some(value) = &canon.value {
        write_value(out, value);
    }
    if let Some(at) = canon.at {
        write_int(out, at);
    }
    if has_changed(canon) {
        write_count(out, u64::from(canon.recent));
        out.push(canon.flips);
        write_int(out, canon.changed_at);
    }
    if canon.resisted_at != 0 {
        write_int(out, canon.resisted_at);
    }
}

fn has_changed(canon: &Canon) -> bool {
    canon.recent != 0 || canon.flips != 0 || canon.changed_at != 0
}

fn read_canon(bytes: &mut &[u8], endpoints: &[i64], newest: i64) -> Option<Canon> {
    let flags = read_byte(bytes)?;
    let mut canon = Canon { source: read_source(bytes, endpoints)?, ..Canon::default() };
    canon.lineage = newest.wrapping_sub(read_int(bytes)?);
    if flags & HAS_VALUE != 0 {
        canon.value = Some(read_value(bytes)?);
    }
    if flags & HAS_TIME != 0 {
        canon.at = Some(read_int(bytes)?);
    }
    if flags & HAS_CHANGED != 0 {
        canon.recent = u32::try_from(read_count(bytes)?).ok()?;
        canon.flips = read_byte(bytes)?;
        canon.changed_at = read_int(bytes)?;
    }
    if flags & HAS_RESISTED != 0 {
        canon.resisted_at = read_int(bytes)?;
    }
    canon.quarantined = flags & IS_QUARANTINED != 0;
    Some(canon)
}

const SHADOW_ABSENT: u8 = 0;
const SHADOW_AGREED: u8 = 1;
const SHADOW_VALUE: u8 = 2;
/// A form of the agreed value.
const SHADOW_FORM: u8 = 3;
const SHADOW_FORM_OF: u8 = 4;

const SIDE_HAS_MORE: u8 = 0x80;
const SIDE_IS_QUEUED: u8 = 0x40;

fn write_side(out: &mut Vec<u8>, side: &Side, canon: &[Canon]) {
    let (kind, remote) = match &side.link {
        Link::None => (0, None),
        Link::Linked(remote) => (1, Some(remote)),
        Link::Gone(remote) => (2, Some(remote)),
        Link::Left(remote) => (3, Some(remote)),
    };
    let has_more = side.sent.is_some()
        || side.late.is_some()
        || !side.fences.is_empty()
        || !side.held.is_empty()
        || side.delete_held
        || side.fenced_until != 0
        || side.missing.is_some()
        || side.unsure_until != 0;
    let flag = |is: bool, bit: u8| if is { bit } else { 0 };
    out.push(kind | flag(has_more, SIDE_HAS_MORE) | flag(side.is_queued, SIDE_IS_QUEUED));
    if let Some(remote) = remote {
        write_bytes(out, remote);
    }
    write_shadows(out, &side.shadow, canon);
    if has_more {
        write_more(out, side);
    }
}

/// Runs of equal kinds: mostly every field is as agreed.
fn write_shadows(out: &mut Vec<u8>, shadows: &[Shadow], canon: &[Canon]) {
    let kind = |(shadow, canon): (&Shadow, &Canon)| match shadow {
        Shadow::Absent => SHADOW_ABSENT,
        Shadow::Value(value) if canon.value.as_ref() == Some(value) => SHADOW_AGREED,
        Shadow::Value(_) => SHADOW_VALUE,
        Shadow::Form { of, .. } if canon.value.as_ref() == Some(of) => SHADOW_FORM,
        Shadow::Form { .. } => SHADOW_FORM_OF,
    };
    let mut pairs = shadows.iter().zip(canon);
    write_count(out, pairs.len() as u64);
    while let Some(first) = pairs.clone().next() {
        let this = kind(first);
        let run = pairs.clone().take_while(|pair| kind(*pair) == this).count();
        write_count(out, (run as u64) << 3 | u64::from(this));
        pairs.by_ref().take(run).for_each(|(shadow, _)| write_shadow(out, shadow, this));
    }
}

fn write_shadow(out: &mut Vec<u8>, shadow: &Shadow, kind: u8) {
    match (shadow, kind) {
        (Shadow::Value(value), SHADOW_VALUE) | (Shadow::Form { shows: value, .. }, SHADOW_FORM) => {
            write_value(out, value)
        }
        (Shadow::Form { shows, of }, SHADOW_FORM_OF) => {
            write_value(out, shows);
            write_value(out, of);
        }
        _ => {}
    }
}

fn read_shadows(bytes: &mut &[u8], canon: &[Canon], fields: usize) -> Option<Vec<Shadow>> {
    let count = usize::try_from(read_count(bytes)?).ok().filter(|count| *count <= FIELDS_MAX)?;
    let mut shadows = Vec::with_capacity(fields);
    while shadows.len() < count {
        let head = read_count(bytes)?;
        let (run, kind) = (usize::try_from(head >> 3).ok()?, (head & 7) as u8);
        if run == 0 || run > count - shadows.len() {
            return None;
        }
        for _ in 0..run {
            let agreed = canon.get(shadows.len()).and_then(|canon| canon.value.clone());
            shadows.push(match kind {
                SHADOW_ABSENT => Shadow::Absent,
                SHADOW_AGREED => Shadow::Value(agreed?),
                SHADOW_VALUE => Shadow::Value(read_value(bytes)?),
                SHADOW_FORM => Shadow::Form { shows: read_value(bytes)?, of: agreed? },
                SHADOW_FORM_OF => Shadow::Form { shows: read_value(bytes)?, of: read_value(bytes)? },
                _ => return None,
            });
        }
    }
    shadows.resize(fields.max(count), Shadow::Absent);
    shadows.truncate(fields);
    Some(shadows)
}

fn write_more(out: &mut Vec<u8>, side: &Side) {
    write_int(out, side.fenced_until);
    write_int(out, side.missing.map_or(0, |missing| missing.since));
    if let Some(missing) = side.missing {
        write_int(out, missing.last);
        write_int(out, missing.before);
    }
    let flag = |is: bool, bit: u8| if is { bit } else { 0 };
    let (is_sent, is_late) = (flag(side.sent.is_some(), 2), flag(side.late.is_some(), 8));
    out.push(flag(side.delete_held, 1) | is_sent | flag(side.unsure_until != 0, 4) | is_late);
    if side.unsure_until != 0 {
        write_int(out, side.unsure_until);
    }
    write_count(out, side.held.len() as u64);
    side.held.iter().for_each(|field| write_count(out, *field as u64));
    write_count(out, side.fences.len() as u64);
    for fence in &side.fences {
        write_count(out, fence.field as u64);
        write_int(out, fence.until);
        write_value(out, &fence.before);
    }
    for sent in side.sent.iter().chain(&side.late) {
        out.push(match sent.kind {
            SentKind::Create => 0,
            SentKind::Update => 1,
            SentKind::Delete => 2,
            SentKind::Question => 3,
            SentKind::Asked => 4,
            SentKind::Unseen => 5,
            SentKind::Shown => 6,
        });
        write_int(out, sent.at);
        write_pairs(out, &sent.patch);
        if sent.kind.is_question() {
            write_pairs(out, &sent.shown);
            out.push(u8::from(sent.shown_at.is_some()));
            write_int(out, sent.shown_at.unwrap_or_default());
        }
    }
}

fn write_pairs(out: &mut Vec<u8>, pairs: &[(usize, Value)]) {
    write_count(out, pairs.len() as u64);
    for (field, value) in pairs {
        write_count(out, *field as u64);
        write_value(out, value);
    }
}

fn read_pairs(bytes: &mut &[u8]) -> Option<Vec<(usize, Value)>> {
    let mut pairs: Vec<(usize, Value)> = Vec::new();
    for _ in 0..read_count(bytes)? {
        pairs.push((read_field(bytes)?, read_value(bytes)?));
    }
    Some(pairs)
}

fn read_side(bytes: &mut &[u8], canon: &[Canon], fields: usize) -> Option<Side> {
    let head = read_byte(bytes)?;
    let link = match head & !(SIDE_HAS_MORE | SIDE_IS_QUEUED) {
        0 => Link::None,
        1 => Link::Linked(read_bytes(bytes)?.into()),
        2 => Link::Gone(read_bytes(bytes)?.into()),
        3 => Link::Left(read_bytes(bytes)?.into()),
        _ => return None,
    };
    let shadow = read_shadows(bytes, canon, fields)?;
    let mut side = Side { link, shadow, is_queued: head & SIDE_IS_QUEUED != 0, ..Side::default() };
    if head & SIDE_HAS_MORE != 0 {
        read_more(bytes, &mut side)?;
    }
    Some(side)
}

fn read_more(bytes: &mut &[u8], side: &mut Side) -> Option<()> {
    side.fenced_until = read_int(bytes)?;
    side.missing = match read_int(bytes)? {
        0 => None,
        since => Some(Missing { since, last: read_int(bytes)?, before: read_int(bytes)? }),
    };
    let flags = read_byte(bytes)?;
    side.delete_held = flags & 1 != 0;
    if flags & 4 != 0 {
        side.unsure_until = read_int(bytes)?;
    }
    for _ in 0..read_count(bytes)? {
        side.held.push(read_field(bytes)?);
    }
    for _ in 0..read_count(bytes)? {
        let (field, until, before) = (read_field(bytes)?, read_int(bytes)?, read_value(bytes)?);
        side.fences.push(Fence { field, before, until });
    }
    if flags & 2 != 0 {
        side.sent = Some(Box::new(read_sent(bytes)?));
    }
    if flags & 8 != 0 {
        side.late = Some(Box::new(read_sent(bytes)?));
    }
    Some(())
}

fn read_sent(bytes: &mut &[u8]) -> Option<Sent> {
    let kind = match read_byte(bytes)? {
        0 => SentKind::Create,
        1 => SentKind::Update,
        2 => SentKind::Delete,
        3 => SentKind::Question,
        4 => SentKind::Asked,
        5 => SentKind::Unseen,
        6 => SentKind::Shown,
        _ => return None,
    };
    let at = read_int(bytes)?;
    let mut sent = Sent { kind, patch: read_pairs(bytes)?, at, shown: Vec::new(), shown_at: None };
    if kind.is_question() {
        sent.shown = read_pairs(bytes)?;
        let has_time = read_byte(bytes)? == 1;
        sent.shown_at = Some(read_int(bytes)?).filter(|_| has_time);
    }
    Some(sent)
}

fn read_field(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(read_count(bytes)?).ok()
}
