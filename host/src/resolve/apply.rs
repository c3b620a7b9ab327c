//! One event of one endpoint, applied to one record.

use super::merge::{Merged, Statement, merge_group};
use super::news::fenced;
use super::policy::{Dispute, Ruling};
use super::revive::{forget_values, revive};
use super::{
    DeleteConflict, Deletes, Life, Link, Mechanism, RecordState, Rules, Sent, SentKind, Shadow, Side, Source, Why,
};
use crate::record::Value;

/// What an endpoint says about a record.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    pub endpoint: usize,
    pub kind: EventKind,
    /// The remote id it says it under.
    pub remote: &'a [u8],
    /// One per field; none where it says nothing.
    pub values: &'a [Option<Value>],
    /// Fields whose agreed values lead to records that are no more.
    pub void: &'a [usize],
    /// When the change was made, by the system's own clock: microseconds since 1970.
    pub at: Option<i64>,
    /// By ours.
    pub now: i64,
    /// When the endpoint was read before, by our clock.
    pub read_before: i64,
    /// The entry of the lineage that will tell of it.
    pub lineage: i64,
    /// It is about one of two copies the endpoint has had until now: the one that goes takes nothing with it before a person has said so
    /// or the other is the record's, and what was agreed without the one that stays stands.
    pub is_double: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Upsert,
    Undelete,
    Delete,
}

/// What came of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// One per group that was decided about.
    pub verdicts: Vec<Why>,
    /// Groups whose conflict is over without anybody's help.
    pub settled: Vec<usize>,
    /// It cannot be decided before: ask again then.
    pub unsettled: Option<i64>,
    /// The record was deleted, everywhere or for this endpoint.
    pub deleted: Option<Deletion>,
    /// A record that was deleted lives again.
    pub revived: bool,
    /// It is what we made ourselves and did not hear of.
    pub is_found: bool,
    /// The state is no longer what it was.
    pub is_touched: bool,
    /// The resolver has to be asked about these, and the event applied again to the state as it was.
    pub asked: Vec<Dispute>,
}

/// How a delete was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Everywhere.
    Everywhere,
    /// Only this endpoint's copy.
    Here,
    /// Another endpoint has changed it meanwhile: a person decides.
    Held,
    /// Another endpoint has changed it meanwhile, and that counts.
    EditWins,
    /// Another endpoint has changed it meanwhile, and that does not count.
    DeleteWins,
}

impl Facts {
    /// Whether anything is worth telling.
    pub fn is_news(&self) -> bool {
        !self.verdicts.is_empty() || self.deleted.is_some() || self.revived
    }
}

/// Applies an event. `resolver` answers disputes of groups that a plugin decides about; none = it has to be asked first.
pub fn apply(
    state: &mut RecordState,
    event: &Event<'_>,
    rules: &Rules,
    resolver: &dyn Fn(&Dispute) -> Option<Ruling>,
) -> Facts {
    forget_fences(state, event);
    match event.kind {
        EventKind::Delete => delete(state, event, rules),
        EventKind::Upsert | EventKind::Undelete => upsert(state, event, rules, resolver),
    }
}

fn forget_fences(state: &mut RecordState, event: &Event<'_>) {
    state.sides.iter_mut().for_each(|side| side.fences.retain(|fence| event.now < fence.until));
    if let Some(side) = state.sides.get_mut(event.endpoint)
        && side.unsure_until <= event.now
    {
        side.unsure_until = 0;
    }
}

fn delete(state: &mut RecordState, event: &Event<'_>, rules: &Rules) -> Facts {
    let mut facts = Facts::default();
    let Some(side) = state.sides.get_mut(event.endpoint) else { return facts };
    let Link::Linked(remote) = &side.link else {
        // It was never ours, or is known to be gone.
        return facts;
    };
    if **remote != *event.remote {
        // An earlier copy, which was made anew since.
        return facts;
    }
    let was_ours = side.may_be_deleted(event.now);
    // Who does not show it may be behind those who did.
    let until = side.fenced_until.max(side.unsure_until);
    if until > event.now && !was_ours && rules.safety.has(Mechanism::CreateFence) {
        facts.unsettled = Some(until);
        return facts;
    }
    facts.is_touched = true;
    side.link = Link::Gone(remote.clone());
    side.missing = None;
    side.held.clear();
    side.delete_held = false;
    if was_ours {
        (side.sent, side.late) = (None, None);
        side.fenced_until = event.now.saturating_add(rules.lag(event.endpoint));
        if state.is_live() {
            // It came back to life while the delete was under way: it is made anew.
            forget_copy(state, event.endpoint);
        }
        return facts;
    }
    side.sent = None;
    side.fenced_until = event.now.saturating_add(rules.lag(event.endpoint));
    if !state.is_live() {
        return facts;
    }
    facts.deleted = Some(decide_delete(state, event, rules));
    facts
}

fn decide_delete(state: &mut RecordState, event: &Event<'_>, rules: &Rules) -> Deletion {
    if rules.deletes == Deletes::Ignore {
        return Deletion::Here;
    }
    if event.is_double {
        return Deletion::Held;
    }
    let collides = rules.safety.has(Mechanism::EditAgainstDelete)
        && (has_unseen(state, event, rules) || has_fixed_copy(state, event.endpoint, rules));
    let deletion = match (collides, rules.delete_conflict) {
        (false, _) => Deletion::Everywhere,
        (true, DeleteConflict::Manual) => Deletion::Held,
        (true, DeleteConflict::EditWins) => Deletion::EditWins,
        (true, DeleteConflict::DeleteWins) => Deletion::DeleteWins,
    };
    match deletion {
        Deletion::Everywhere | Deletion::DeleteWins => bury(state, event),
        Deletion::EditWins => forget_copy(state, event.endpoint),
        Deletion::Held | Deletion::Here => {}
    }
    deletion
}

/// Whether the record holds something the endpoint had not seen when it deleted it: another value than it showed, or of a field it
/// does not have, or where its own value was overruled, one that was changed since it was read last.
fn has_unseen(state: &RecordState, event: &Event<'_>, rules: &Rules) -> bool {
    let endpoint = event.endpoint;
    state.canon.iter().enumerate().any(|(field, canon)| {
        let seen = state.seen(endpoint, field);
        // What leads nowhere is nothing to who has never been told where.
        let is_void = event.void.contains(&field) && seen.is_none_or(Value::is_null);
        let is_overruled = canon.resisted_at > canon.changed_at && rules.owner(field).is_some_and(|at| at != endpoint);
        match !is_overruled && (rules.reads(endpoint, field) || rules.writes(endpoint, field)) {
            true => canon.value.is_some() && seen != canon.value.as_ref() && !is_void,
            false => canon.changed_at > event.read_before,
        }
    })
}

/// Whether somebody has the record from whom it cannot be taken. Who no longer shows it has none, though its delete may wait for a yes.
fn has_fixed_copy(state: &RecordState, endpoint: usize, rules: &Rules) -> bool {
    let others = state.sides.iter().zip(&rules.endpoints).enumerate().filter(|(other, _)| *other != endpoint);
    let has_it = |side: &Side| side.link.is_linked() && side.missing.is_none();
    others.into_iter().any(|(_, (side, rule))| has_it(side) && rule.is_read && !rule.is_written)
}

fn bury(state: &mut RecordState, event: &Event<'_>) {
    state.life = Life::Deleted { at: event.now, by: Source::Endpoint(event.endpoint) };
    state.version += 1;
    // Nobody has to decide about fields of what is gone.
    state.sides.iter_mut().for_each(|side| side.held.clear());
}

/// The endpoint's copy is gone and is to be made anew.
pub(super) fn forget_copy(state: &mut RecordState, endpoint: usize) {
    if let Some(side) = state.sides.get_mut(endpoint) {
        side.forget_copy();
        (side.late, side.sent) = (None, None);
        side.unsure_until = 0;
    }
}

fn upsert(
    state: &mut RecordState,
    event: &Event<'_>,
    rules: &Rules,
    resolver: &dyn Fn(&Dispute) -> Option<Ruling>,
) -> Facts {
    let mut facts = Facts::default();
    let Some(side) = state.sides.get(event.endpoint) else { return facts };
    match &side.link {
        Link::Left(_) => return facts,
        Link::Gone(_) | Link::None if side.fenced_until > event.now && rules.safety.has(Mechanism::DeleteFence) => {
            // A list may still show what is deleted.
            facts.unsettled = Some(side.fenced_until);
            return facts;
        }
        Link::Gone(_) | Link::None => {
            facts.is_touched = true;
            relink(state, event, rules, &mut facts);
        }
        Link::Linked(_) => {}
    }
    if !facts.revived && !state.is_live() && !edit_of_deleted(state, event, rules, &mut facts) {
        return facts;
    }
    if let Some(side) = state.sides.get_mut(event.endpoint) {
        facts.is_touched |= side.missing.take().is_some();
        facts.is_touched |= see_written(side, event);
    }
    merge_all(state, event, rules, resolver, &mut facts);
    facts
}

/// A remote record that is this one from now on: found by matching, or made anew under an id that was gone.
fn relink(state: &mut RecordState, event: &Event<'_>, rules: &Rules, facts: &mut Facts) {
    let was_deleted = !state.is_live();
    let fields = state.canon.len();
    let Some(side) = state.sides.get_mut(event.endpoint) else { return };
    side.link = Link::Linked(event.remote.into());
    // It may be new there: who does not show it may be behind.
    side.fenced_until = event.now.saturating_add(rules.lag(event.endpoint));
    side.shadow = vec![Shadow::Absent; fields];
    let late = side.late.take().filter(|late| late.kind == SentKind::Create && late.may_arrive(event.now));
    if let Some(sent) = side.sent.take().filter(|sent| sent.kind == SentKind::Create) {
        let found = found_create(*sent, side, event, rules);
        side.sent = found.sent;
        facts.is_found = found.is_ours;
    } else if let Some(late) = late.filter(|late| is_mostly_ours(late, event, rules)) {
        found_late(&late, side, event, rules);
        facts.is_found = true;
    }
    if facts.is_found {
        see_empty(side, event);
    }
    if std::mem::take(&mut side.delete_held) {
        side.held.clear();
    }
    // Our own create that was under way when the record was deleted brings nothing back: it is deleted in turn.
    if was_deleted && !facts.is_found {
        facts.revived = true;
        side.sent = None;
        let edited = revive(state, event.lineage, |field| rules.owner(field));
        forget_values(state, event, &edited, rules);
    }
}

/// Whether a value is nothing like what was sent: somebody's.
fn is_foreign(event: &Event<'_>, field: usize, given: &Value, rules: &Rules) -> bool {
    let shown = event.values.get(field).and_then(Option::as_ref);
    shown.is_some_and(|shown| !rules.is_form(field, shown, given))
}

/// Whether most of a record is what was sent: who has changed the rest has changed ours, else they have made the same record.
fn is_mostly_ours(sent: &Sent, event: &Event<'_>, rules: &Rules) -> bool {
    let given = sent.patch.iter().filter(|(_, value)| !value.is_null());
    given.clone().filter(|(field, value)| !is_foreign(event, *field, value, rules)).count() * 2 > given.count()
}

/// What we made ourselves and did not hear of is found: it shows what was sent, or what the endpoint makes of it. What is nothing
/// like it is somebody's, and news like any other.
fn found_create(mut sent: Sent, side: &mut Side, event: &Event<'_>, rules: &Rules) -> Found {
    let is_ours = is_mostly_ours(&sent, event, rules);
    let foreign = sent.patch.iter().filter(|(field, given)| is_foreign(event, *field, given, rules));
    let foreign: Vec<usize> = foreign.map(|(field, _)| *field).collect();
    let moved = sent.patch.extract_if(.., |(field, _)| rules.moves_with(*field, &foreign));
    for (field, value) in moved.filter(|_| is_ours) {
        side.set_shadow(field, Shadow::Value(value));
    }
    sent.kind = SentKind::Update;
    match sent.patch.is_empty() {
        true => Found::default(),
        false => Found { sent: Some(Box::new(sent)), is_ours },
    }
}

/// What we made, had given up and may have decided about anew since has arrived after all. Nobody waits for its outcome: whatever
/// is like what was sent is taken for the endpoint's form of it.
fn found_late(late: &Sent, side: &mut Side, event: &Event<'_>, rules: &Rules) {
    for (field, given) in &late.patch {
        let shows = event.values.get(*field).and_then(Option::as_ref);
        let shadow = match shows.filter(|shows| *shows != given && rules.is_form(*field, shows, given)) {
            Some(shows) => Shadow::Form { shows: shows.clone(), of: given.clone() },
            None => Shadow::Value(given.clone()),
        };
        side.set_shadow(*field, shadow);
    }
}

/// What we made without a value has none: nobody has emptied it.
fn see_empty(side: &mut Side, event: &Event<'_>) {
    for (field, _) in event.values.iter().enumerate().filter(|(_, value)| **value == Some(Value::Null)) {
        if *side.shadow(field) == Shadow::Absent && side.sent_value(field).is_none() {
            side.set_shadow(field, Shadow::Value(Value::Null));
        }
    }
}

/// What came of a create that was found.
#[derive(Default)]
struct Found {
    /// What the endpoint may show in a form of its own.
    sent: Option<Box<Sent>>,
    is_ours: bool,
}

/// A change to a record that was deleted elsewhere and is still there. Answers whether it is to be merged.
fn edit_of_deleted(state: &mut RecordState, event: &Event<'_>, rules: &Rules, facts: &mut Facts) -> bool {
    let Some(side) = state.side(event.endpoint) else { return false };
    let is_news = |field: usize, value: &Value| {
        // Null from who was never given anything else is no edit.
        let shown = side.shadow(field).shown();
        rules.reads(event.endpoint, field)
            && shown != Some(value)
            && (shown.is_some() || !value.is_null())
            && side.sent_value(field).is_none_or(|sent| !rules.is_form(field, value, sent))
            && !side.is_in_question(field, value)
    };
    let values = event.values.iter().enumerate();
    let said = values.filter_map(|(field, value)| Some((field, value.as_ref()?)));
    let news: Vec<(usize, &Value)> = said.filter(|(field, value)| is_news(*field, value)).collect();
    // That it was made again is said as often as it is read; it says something if our delete may have been there before.
    let was_gone = side.sent.as_ref().is_some_and(|sent| sent.kind == SentKind::Delete);
    let is_undelete = event.kind == EventKind::Undelete && was_gone && !facts.is_found;
    if news.is_empty() && !is_undelete {
        return false;
    }
    if !is_undelete && let Some(until) = fenced(state, event.endpoint, &news, event.now, rules) {
        // A list may still show what was there before we wrote.
        facts.unsettled = Some(until);
        return false;
    }
    let news: Vec<usize> = news.into_iter().map(|(field, _)| field).collect();
    facts.is_touched = true;
    if !rules.safety.has(Mechanism::TombstoneCheck) {
        revive(state, event.lineage, |field| rules.owner(field));
        facts.revived = true;
        return true;
    }
    match rules.delete_conflict {
        // Invariant 4: only a decision brings it back.
        DeleteConflict::EditWins => {
            revive(state, event.lineage, |field| rules.owner(field));
            facts.revived = true;
            facts.deleted = Some(Deletion::EditWins);
            true
        }
        DeleteConflict::Manual => {
            note_edit(state, event, &news, rules);
            state.sides.get_mut(event.endpoint).into_iter().for_each(|side| side.delete_held = true);
            facts.deleted = Some(Deletion::Held);
            false
        }
        DeleteConflict::DeleteWins => {
            note_edit(state, event, &news, rules);
            facts.deleted = Some(Deletion::DeleteWins);
            false
        }
    }
}

/// What was edited counts should the record live again.
fn note_edit(state: &mut RecordState, event: &Event<'_>, news: &[usize], rules: &Rules) {
    see_all(state, event);
    let Some(side) = state.sides.get_mut(event.endpoint) else { return };
    let edited = (0..side.shadow.len()).filter(|field| rules.moves_with(*field, news) && !side.is_held(*field));
    let edited: Vec<usize> = edited.collect();
    side.held.extend(edited);
}

fn see_all(state: &mut RecordState, event: &Event<'_>) {
    if let Some(side) = state.sides.get_mut(event.endpoint) {
        for (field, value) in event.values.iter().enumerate() {
            if let Some(value) = value {
                side.set_shadow(field, Shadow::Value(value.clone()));
            }
        }
    }
}

/// What is shown as it was written has arrived: whatever is shown later is somebody's, and no form of it. Answers whether there was
/// anything of the kind.
fn see_written(side: &mut Side, event: &Event<'_>) -> bool {
    let Some(sent) = side.sent.as_mut().filter(|sent| sent.kind == SentKind::Unseen) else { return false };
    let unseen = sent.patch.len();
    sent.patch.retain(|(field, given)| event.values.get(*field).and_then(Option::as_ref) != Some(given));
    sent.patch.len() < unseen
}

/// Whether the endpoint seems to have lost the record and got it back with nothing but what was written last: at least half of what it
/// showed before that is empty at once. Nobody has emptied that. A single field may well be emptied, but hardly just after a write.
fn is_remade(state: &RecordState, event: &Event<'_>, rules: &Rules) -> bool {
    let remakes = rules.endpoints.get(event.endpoint).is_some_and(|rule| rule.remakes);
    let Some(side) = state.side(event.endpoint).filter(|_| remakes) else { return false };
    let is_written =
        |field: usize, shown: &Value| side.fences.iter().any(|fence| fence.field == field && fence.before != *shown);
    let is_filled =
        |field: &usize| side.shadow(*field).shown().is_some_and(|shown| !shown.is_null() && !is_written(*field, shown));
    let is_empty = |field: &usize| matches!(event.values.get(*field), Some(Some(value)) if value.is_null());
    let filled: Vec<usize> = (0..side.shadow.len()).filter(is_filled).collect();
    let emptied = filled.iter().filter(|field| is_empty(field)).count();
    let is_just_written = || side.fences.iter().any(|fence| event.now < fence.until);
    emptied * 2 >= filled.len() && (emptied >= 2 || (emptied == 1 && is_just_written()))
}

fn merge_all(
    state: &mut RecordState,
    event: &Event<'_>,
    rules: &Rules,
    resolver: &dyn Fn(&Dispute) -> Option<Ruling>,
    facts: &mut Facts,
) {
    let statement = Statement {
        endpoint: event.endpoint,
        values: event.values,
        at: event.at,
        now: event.now,
        lineage: event.lineage,
        is_remade: is_remade(state, event, rules),
        is_found: facts.is_found,
        is_spare: event.is_double,
    };
    let mut is_news = false;
    for group in 0..rules.groups.len() {
        match merge_group(state, group, &statement, rules, resolver) {
            Merged::Nothing => {}
            Merged::Echo => facts.is_touched = true,
            Merged::Agreed { settled } => {
                is_news = true;
                facts.is_touched = true;
                facts.settled.extend(settled.then_some(group));
            }
            Merged::Unsettled(until) => {
                facts.unsettled = Some(facts.unsettled.map_or(until, |other: i64| other.max(until)));
            }
            Merged::Decided { why, settled } => {
                is_news = true;
                facts.is_touched = true;
                facts.settled.extend(settled.then_some(group));
                facts.verdicts.push(why);
            }
            Merged::Ask(dispute) => facts.asked.push(dispute),
        }
    }
    let lag = rules.lag(event.endpoint);
    if let Some(side) = state.sides.get_mut(event.endpoint).filter(|_| is_news && lag > 0) {
        side.unsure_until = event.now.saturating_add(lag);
    }
}
