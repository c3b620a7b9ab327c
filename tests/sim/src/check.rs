//! The invariants, by their numbers in the design. What is checked here comes from what systems accepted, what their users did and
//! what anybody can read from the store; nothing from inside the engine.

mod clocks;
mod equal;
mod finish;
mod lost;
mod sums;
mod termination;

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;

use lockstep::project::{DeleteConflict, HubDeletes, OnExit};
use lockstep::record::Value;
use serde_json::json;

use crate::desk::Decided;
use crate::field::{Kind, email_key};
use crate::ledger::{Author, Change, Tokens};
use crate::plan::{Decides, HOUR, MINUTE, Restores};
use crate::system::Values;
use crate::view::View;
use crate::world::Core;

pub use finish::{finish, is_settled};

type Touched<'a> = (i64, &'a Option<Values>, &'a Option<Values>);

/// Something of the hub's is accepted by a system; the ledger does not know it yet.
pub fn on_write(
    core: &mut Core,
    process: u32,
    system: usize,
    (key, before, after): Touched<'_>,
    patch: &[(usize, Value)],
) {
    // A process that stood still inside a call, while another took over, does what the call was for: nobody can stop that.
    let is_outdated = process < core.ledger.run;
    match (before, after) {
        (None, Some(after)) => {
            if !is_outdated {
                one_record_only(core, system, key, after);
            }
            reborn_fairly(core, system, after);
            nothing_invented(core, (system, key), after, after, patch);
        }
        (Some(before), Some(after)) => {
            owners_rule(core, (system, key), before, after);
            nothing_invented(core, (system, key), before, after, patch);
            nothing_older(core, (system, key), before, after, is_outdated);
        }
        (Some(before), None) => delete_was_asked_for(core, system, key, before),
        (None, None) => {}
    }
}

/// Invariant 6: at most one remote record per record and endpoint.
fn one_record_only(core: &mut Core, system: usize, key: i64, after: &Values) {
    let serial = core.plan.serial();
    if core.is_parted(core.ledger.class_of(&after[serial])) {
        // A person has said that there are two.
        return;
    }
    let by_us = |change: &&Change| {
        change.system == system
            && change.author != Author::User
            && change.before.is_none()
            && change.after.as_ref().is_some_and(|made| made[serial] == after[serial])
    };
    // Where records are matched by e-mail address alone, one whose address was changed before the hub heard of it is anybody's.
    let email = core.plan.field(Kind::Email).filter(|_| !core.plan.serial_matches);
    let is_same = |live: &Values| {
        live[serial] == after[serial] && email.is_none_or(|field| email_key(&live[field]) == email_key(&after[field]))
    };
    // Whom a user has just brought back nobody can see yet.
    let since = core.now - core.plan.systems[system].lag;
    let is_hidden = |key: i64| {
        let of_it = |change: &&Change| change.system == system && change.key == key;
        let mut births = core.ledger.changes.iter().filter(of_it).filter(|change| change.before.is_none());
        births.next_back().is_some_and(|birth| birth.author == Author::User && birth.at > since)
    };
    let twin = core.ledger.changes.iter().filter(by_us).find(|change| {
        change.key != key && core.systems[system].get(change.key).is_some_and(is_same) && !is_hidden(change.key)
    });
    if let Some(twin) = twin.map(|twin| twin.key) {
        let name = core.plan.systems[system].name;
        core.fail(
            "6 one remote record",
            format!("{name}: {:?} was made as {key} though {twin} is there", after[serial]),
        );
    }
}

/// Invariant 4: what was deleted in a system comes back only for a reason.
fn reborn_fairly(core: &mut Core, system: usize, after: &Values) {
    let serial = core.plan.serial();
    let of_this = |values: &Option<Values>| values.as_ref().is_some_and(|values| values[serial] == after[serial]);
    let changes = &core.ledger.changes;
    let gone = changes.iter().rev().find(|change| change.system == system && of_this(&change.before));
    let Some(gone) = gone.filter(|change| change.after.is_none()) else { return };
    let class = core.ledger.class(after);
    let deletes: Vec<&Change> = changes.iter().filter(|c| is_delete_of(core, c, class)).collect();
    let Some(deletion) = deletes.last() else { return };
    if core.is_forgotten(deletion.at) || core.may_be_out(system, class) {
        return;
    }
    // Of a later delete elsewhere nobody may have heard yet.
    let is_fair =
        has_objection(core, class, deletion) || (gone.author == Author::User && has_objection(core, class, gone));
    // What can only be upserted may have been deleted since we looked.
    let is_raced = !core.plan.systems[system].conditional && gone.at + race_window(core, system) > core.now;
    if !is_fair && !is_raced && !core.is_hand_decided(class) && !has_fixed_copy(core, class) {
        let (name, at) = (core.plan.systems[system].name, crate::trace::time(gone.at));
        core.fail("4 no resurrection", format!("{name}: {:?} was deleted at {at} and made again", after[serial]));
    }
}

/// Whether a user did something with a record that a delete does not undo: changed it without the deleter's having seen that, where edits
/// count more; made it, wherever they do not. A delete of one of two copies takes nothing with it.
fn has_objection(core: &Core, class: usize, deletion: &Change) -> bool {
    let edits_count = core.plan.def.delete_conflict == DeleteConflict::EditWins;
    let is_of_class = |values: &Values| core.ledger.class(values) == class;
    let others = core.systems[deletion.system].records.iter().filter(|(key, _)| **key != deletion.key);
    let mut others = others.filter_map(|(_, versions)| versions.iter().rfind(|version| version.since <= deletion.at));
    if others.any(|version| version.values.as_ref().is_some_and(is_of_class)) {
        return true;
    }
    core.ledger.changes.iter().any(|change| {
        let is_unseen =
            change.at >= deletion.at || (change.system != deletion.system && !seen_by(core, change, deletion));
        let is_objection = change.author == Author::User && is_unseen && (edits_count || change.before.is_none());
        is_objection && change.after.as_ref().is_some_and(is_of_class)
    })
}

/// Whether the record is where the hub may not delete it, as far as it knows, and edits count more than deletes.
fn has_fixed_copy(core: &Core, class: usize) -> bool {
    let is_fixed = |system: usize| !core.plan.systems[system].writes;
    let fixed = (0..core.systems.len()).filter(|system| is_fixed(*system));
    let is_there = |system: usize| core.systems[system].live().any(|(_, values)| core.ledger.class(values) == class);
    // Of a delete there that was just made it may not have heard.
    let was_there =
        core.ledger.changes.iter().any(|change| {
            is_fixed(change.system) && is_delete_of(core, change, class) && change.at + 12 * HOUR > core.now
        });
    (was_there || fixed.into_iter().any(is_there)) && core.plan.def.delete_conflict == DeleteConflict::EditWins
}

fn is_delete_of(core: &Core, change: &Change, class: usize) -> bool {
    change.author == Author::User
        && change.after.is_none()
        && change.before.as_ref().is_some_and(|values| core.ledger.class(values) == class)
}

/// Whether whoever deleted a record had seen this change of it.
fn seen_by(core: &Core, change: &Change, deletion: &Change) -> bool {
    let (Some(after), Some(last)) = (&change.after, &deletion.before) else { return false };
    (0..core.plan.units.len()).all(|unit| {
        let field = core.plan.units[unit][0];
        if core.plan.fields[field].kind == Kind::Boss {
            let is_same = core.target(change.system, &after[field]) == core.target(deletion.system, &last[field]);
            return is_same || (change.at + 12 * HOUR < deletion.at && !points_elsewhere(core, deletion, field));
        }
        let (wrote, saw) = (core.ledger.unit_tokens(unit, after), core.ledger.unit_tokens(unit, last));
        // Of what was made twice, who spells it otherwise has not seen the other's: nobody has said that it is the same.
        let is_spelled = wrote == saw && core.plan.units[unit].iter().any(|at| after[*at] != last[*at]);
        if is_spelled && is_twin(core, deletion) {
            return false;
        }
        match core.ledger.is_traced(unit) && !core.ledger.is_ambiguous(unit, &wrote) {
            true => core.ledger.had_seen(unit, &saw, &wrote),
            // Counters and sets do not tell: what is long ago was seen, unless somebody still has to decide about it.
            false => change.at + 12 * HOUR < deletion.at && !is_disputed(core, unit, last),
        }
    })
}

/// Whether users made what was deleted there, and not the hub.
fn is_twin(core: &Core, deletion: &Change) -> bool {
    let of_it = |change: &&Change| change.system == deletion.system && change.key == deletion.key;
    let mut births = core.ledger.changes.iter().filter(of_it).filter(|change| change.before.is_none());
    births.any(|birth| birth.author == Author::User)
}

/// Whether somebody shows something else.
fn is_disputed(core: &Core, unit: usize, last: &Values) -> bool {
    let class = core.ledger.class(last);
    let copies = core.systems.iter().flat_map(crate::system::System::live);
    let mut copies = copies.filter(|(_, copy)| core.ledger.class(copy) == class);
    let is_plain = |field: &&usize| core.plan.fields[**field].kind != Kind::Boss;
    copies.any(|(_, copy)| core.plan.units[unit].iter().filter(is_plain).any(|field| copy[*field] != last[*field]))
}

/// Whether somebody's copy points to another record than the one that was deleted did.
fn points_elsewhere(core: &Core, deletion: &Change, field: usize) -> bool {
    let Some(last) = &deletion.before else { return false };
    let (class, target) = (core.ledger.class(last), core.target(deletion.system, &last[field]));
    let mut copies = (0..core.systems.len()).flat_map(|at| core.systems[at].live().map(move |copy| (at, copy)));
    copies.any(|(at, (_, copy))| core.ledger.class(copy) == class && core.target(at, &copy[field]) != target)
}

/// Invariants 13 and 14: every value the hub writes is one that a user gave this record, and nothing is null that nobody nulled.
fn nothing_invented(
    core: &mut Core,
    (system, key): (usize, i64),
    before: &Values,
    after: &Values,
    patch: &[(usize, Value)],
) {
    let plan = core.plan.clone();
    let class = core.ledger.class(after);
    let by_user = |change: &Change| change.author == Author::User;
    let lately = core.now - race_window(core, system)..=core.now;
    for (unit, fields) in plan.units.iter().enumerate() {
        if !fields.iter().any(|field| patch.iter().any(|(patched, _)| patched == field)) {
            continue;
        }
        let sent = |field: &usize| {
            let sent = patch.iter().find(|(patched, _)| patched == field);
            sent.map_or_else(|| before[*field].clone(), |(_, value)| value.clone())
        };
        // A system that has only a part of a group shows nothing of the rest.
        let is_whole = fields.iter().all(|field| plan.systems[system].has(*field));
        let values: Vec<Value> = fields.iter().map(sent).collect();
        let is_merged = matches!(plan.fields[fields[0]].decides, Decides::Counter | Decides::Set);
        let is_reference = plan.fields[fields[0]].kind == Kind::Boss && !values[0].is_null();
        let is_fine = match () {
            () if is_reference => points_somewhere(core, system, &values[0]),
            () if !is_whole => true,
            () if values[0].is_null() && points_to_dead(core, class, fields[0]) => true,
            () if is_owners_null(core, class, fields, &values) => true,
            () if fields.len() > 1 && was_raced(core, (system, key), unit, lately.clone(), &by_user) => true,
            () => {
                (is_merged && values.iter().all(|value| !value.is_null())) || core.ledger.is_known(class, unit, &values)
            }
        };
        let is_null = values.iter().any(Value::is_null);
        if !is_fine {
            let name = plan.systems[system].name;
            let invariant = if is_null { "14 absent is not null" } else { "13 nothing invented" };
            let words = crate::users::words(&fields.iter().copied().zip(values).collect::<Vec<_>>());
            core.fail(invariant, format!("{name}: {:?} was given {words}, which nobody wrote", after[plan.serial()]));
        }
        core.ledger.learn_form(unit, after);
    }
}

/// Invariant 15: what the hub writes into a reference is a record of this system, or was one.
fn points_somewhere(core: &Core, system: usize, value: &Value) -> bool {
    let Value::Int(key) = value else { return false };
    core.ledger.changes.iter().any(|change| change.system == system && change.key == *key)
}

/// Whether a record points, or pointed, to one that was deleted.
fn points_to_dead(core: &Core, class: usize, field: usize) -> bool {
    if core.plan.fields[field].kind != Kind::Boss {
        return false;
    }
    let class_of = |change: &Change| change.values().map(|values| core.ledger.class(values));
    let own = core.ledger.changes.iter().filter(|change| class_of(change) == Some(class));
    let targets: Vec<(usize, i64)> = own
        .filter_map(|change| match change.values()?.get(field) {
            Some(Value::Int(key)) => Some((change.system, *key)),
            _ => None,
        })
        .collect();
    let pointed = core.ledger.changes.iter().filter(|change| targets.contains(&(change.system, change.key)));
    let pointed: Vec<usize> = pointed.filter_map(class_of).collect();
    let mut gone = core.ledger.changes.iter().filter(|change| change.after.is_none());
    gone.any(|change| class_of(change).is_some_and(|class| pointed.contains(&class)))
}

/// How long our look at a system may be over when our write arrives.
fn race_window(core: &Core, system: usize) -> i64 {
    core.plan.systems[system].lag + 5 * MINUTE
}

/// Without conditional writes nobody can help it if a user writes between our look and our write: whether somebody else
/// did so with this record, around the time of the other.
fn was_raced(
    core: &Core,
    (system, key): (usize, i64),
    unit: usize,
    time: RangeInclusive<i64>,
    other: &dyn Fn(&Change) -> bool,
) -> bool {
    let is_race =
        |change: &Change| change.system == system && change.key == key && other(change) && time.contains(&change.at);
    !core.plan.systems[system].guards(&core.plan.units[unit]) && core.ledger.changes.iter().any(is_race)
}

/// Whether the owner of a field that is to be restored has nothing there either.
fn is_owners_null(core: &Core, class: usize, fields: &[usize], values: &[Value]) -> bool {
    let owner = core.plan.fields[fields[0]].owner.filter(|(_, restores)| *restores == Restores::Yes);
    let Some((owner, _)) = owner.filter(|_| values.iter().all(Value::is_null)) else { return false };
    let mut live = core.systems[owner].live();
    live.any(|(_, copy)| core.ledger.class(copy) == class && fields.iter().all(|field| copy[*field].is_null()))
}

/// Invariant 9: nobody changes what a system owns but the system itself, once it is there.
fn owners_rule(core: &mut Core, (system, key): (usize, i64), before: &Values, after: &Values) {
    let plan = core.plan.clone();
    let is_own = |field: &usize| plan.fields[*field].owner.is_some_and(|(owner, _)| owner == system);
    let by_user = |change: &&Change| {
        change.system == system && change.key == key && change.author == Author::User && change.after.is_some()
    };
    let class = core.ledger.class(after);
    // What points to a record that was not there yet is written as soon as it is.
    let is_late = |field: &usize| plan.fields[*field].kind == Kind::Boss && before[*field].is_null();
    // What can only be upserted may have been made there since we looked.
    let lately = core.now - race_window(core, system)..=core.now;
    let is_new = || {
        core.ledger.changes.iter().any(|change| {
            let is_it = (change.system, change.key) == (system, key) && change.before.is_none();
            is_it && change.author == Author::User && lately.contains(&change.at)
        })
    };
    let is_raced = |field: &usize| !plan.systems[system].guards(&[*field]) && is_new();
    let owned = (0..plan.fields.len()).filter(|field| is_own(field) && before[*field] != after[*field]);
    for field in owned.filter(|field| !is_late(field) && !is_raced(field)).collect::<Vec<_>>() {
        let said = core.ledger.changes.iter().rev().filter(by_user).find_map(|change| change.after.as_ref());
        if said.is_some_and(|said| said[field] == before[field]) && !core.is_hand_decided(class) {
            let (name, kind) = (plan.systems[system].name, plan.fields[field].kind.name());
            let what =
                format!("{name} owns `{kind}`; of {key} it was {:?} and became {:?}", before[field], after[field]);
            core.fail("9 ownership", what);
        }
    }
}

/// Invariants 3, 7 and 8: a value is never replaced by one that whoever wrote it had seen.
fn nothing_older(core: &mut Core, (system, key): (usize, i64), before: &Values, after: &Values, is_outdated: bool) {
    let plan = core.plan.clone();
    let class = core.ledger.class(after);
    for unit in 0..plan.units.len() {
        let (was, is) = (core.ledger.unit_tokens(unit, before), core.ledger.unit_tokens(unit, after));
        let ledger = &core.ledger;
        if is_outdated && !plan.systems[system].guards(&plan.units[unit]) {
            continue;
        }
        if was == is || !ledger.is_traced(unit) || ledger.is_ambiguous(unit, &was) || ledger.is_ambiguous(unit, &is) {
            continue;
        }
        let field = plan.units[unit][0];
        let is_fought_over = ledger.fought_over.iter().any(|(c, f)| ledger.class_now(*c) == class && *f == field);
        let writer = ledger.writes.iter().rev().find(|write| write.unit == unit && write.tokens == was);
        let is_foreign = plan.fields[field].owner.is_some_and(|(owner, _)| writer.is_some_and(|w| w.system != owner));
        if is_fought_over
            || is_foreign
            || is_owners_word(core, class, unit, &is)
            || ledger.is_doubtful((system, key), unit, &is)
            || may_be_asked(core, (system, key), unit, before, after)
            || core.is_hand_decided(class)
            || !ledger.had_seen(unit, &was, &is)
        {
            continue;
        }
        let (name, kind) = (plan.systems[system].name, plan.fields[field].kind.name());
        let what = format!("{name}: `{kind}` of {key} was {:?} and became {:?}, which is older", was, is);
        core.fail("3 no lost update", what);
    }
}

/// Whether a system that owns a field has a copy with this value: what its copies say counts, be it the older of two.
fn is_owners_word(core: &Core, class: usize, unit: usize, tokens: &Tokens) -> bool {
    let Some((owner, _)) = core.plan.fields[core.plan.units[unit][0]].owner else { return false };
    let mut live = core.systems[owner].live();
    live.any(|(_, copy)| core.ledger.class(copy) == class && core.ledger.unit_tokens(unit, copy) == *tokens)
}

/// Whether a system is given once more what it was given last, because what it shows instead may be what it makes of that: a number
/// rounded. What a user has written is put back then, which is for `lost` to find.
fn may_be_asked(core: &Core, (system, key): (usize, i64), unit: usize, before: &Values, after: &Values) -> bool {
    let is_near = |field: &usize| match (&before[*field], &after[*field]) {
        (Value::Int(shown), Value::Int(given)) => shown.abs_diff(*given) * 100 <= given.unsigned_abs(),
        _ => false,
    };
    let tokens = |values: &Values| core.ledger.unit_tokens(unit, values);
    let is_ours = |change: &&Change| {
        let place = change.system == system && change.key == key && change.author != Author::User;
        place && change.before.as_ref().map(tokens) != change.after.as_ref().map(tokens)
    };
    let given = core.ledger.changes.iter().rev().find(is_ours).and_then(|change| change.after.as_ref());
    core.plan.units[unit].iter().all(is_near) && given.is_some_and(|given| tokens(given) == tokens(after))
}

/// Invariant 5: nothing is deleted that nobody deleted.
fn delete_was_asked_for(core: &mut Core, system: usize, key: i64, before: &Values) {
    let class = core.ledger.class(before);
    let is_asked = core.ledger.changes.iter().any(|change| is_delete_of(core, change, class));
    let name = core.plan.systems[system].name;
    if core.may_be_out(system, class) && core.plan.def.endpoints[system].on_exit == OnExit::Delete {
        return;
    }
    if !is_asked {
        core.fail("5 no inferred delete", format!("{name}: {key} was deleted, and nobody had deleted it anywhere"));
    } else if core.plan.def.deletes == HubDeletes::Ignore {
        core.fail("5 no inferred delete", format!("{name}: {key} was deleted, and deletes are to be ignored"));
    }
}

/// All copies there ever were of records that a user has deleted somewhere, as holds name them.
pub fn wanted_deletes(core: &Core) -> HashSet<String> {
    let changes = &core.ledger.changes;
    let class = |change: &Change| change.values().map(|values| core.ledger.class(values));
    let by_user = |change: &&Change| change.author == Author::User && change.after.is_none();
    let deleted: HashSet<usize> = changes.iter().filter(by_user).filter_map(class).collect();
    // What left a segment may be deleted there as well.
    let is_wanted = |system: usize, class: usize| deleted.contains(&class) || core.may_be_out(system, class);
    let copies = changes.iter().filter(|change| class(change).is_some_and(|class| is_wanted(change.system, class)));
    let serial = |change: &Change| {
        let serial = core.plan.serial();
        Some(change.values()?[serial].to_json(core.plan.fields[serial].kind.logical()))
    };
    let keys = copies.flat_map(|change| {
        let name = core.plan.systems[change.system].name;
        [Some(change.key.to_string().into()), serial(change)].map(|key| Some(format!("{name} {}", json!([key?]))))
    });
    keys.flatten().collect()
}

/// A person has decided: from now on older values of the record may come back.
pub fn after_decision(core: &mut Core, view: &View, decided: &Decided) {
    let now = core.now;
    let Decided::Conflict { record, body, words, parts } = decided else {
        core.trace.event(now, "person", &[], || "decides about held deletes".to_owned());
        return;
    };
    core.trace.event(now, "person", &[*record], || format!("decides about record {record}: {words}"));
    let named = body.split('"').filter(|part| is_serial(part)).map(Value::text);
    let linked = equal::records(core, view).remove(record).unwrap_or_default();
    let serial = core.plan.serial();
    let serials: Vec<Value> = named.chain(linked.iter().map(|(_, _, values)| values[serial].clone())).collect();
    for serial in serials {
        let class = core.ledger.class_of(&serial);
        core.hand_decided.push(class);
        core.parted.extend(parts.then_some(class));
    }
}

fn is_serial(text: &str) -> bool {
    text.strip_prefix('S').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// After a run: invariant 5 about many deletes at once. Answers whether it needed approval.
pub fn after_run(core: &mut Core, approved: bool) -> bool {
    let mut needed = false;
    let (run, guard) = (core.ledger.run, core.plan.def.guard);
    for system in 0..core.systems.len() {
        let is_ours = |change: &&Change| {
            change.run == run && change.system == system && change.author != Author::User && change.after.is_none()
        };
        let deletes = core.ledger.changes.iter().rev().take_while(|change| change.run == run).filter(is_ours).count();
        // The hub remembers deleted records for as long as they may come back.
        let is_here = |change: &&Change| change.system == system && change.before.is_none();
        let known = core.ledger.changes.iter().filter(is_here).map(|change| change.key).collect::<BTreeSet<_>>().len();
        let allowed = guard.deletes_max(known as u64);
        needed |= deletes as u64 > allowed;
        if deletes as u64 > allowed && !approved {
            let name = core.plan.systems[system].name;
            core.fail("5 guard", format!("{name}: one run deleted {deletes} records; {allowed} pass without approval"));
        }
    }
    needed
}

impl Core {
    /// Whether the hub may have forgotten what was deleted then.
    pub fn is_forgotten(&self, deleted_at: i64) -> bool {
        let horizon = i64::try_from(self.plan.def.tombstones.as_micros()).unwrap_or(i64::MAX);
        self.now.saturating_sub(deleted_at) >= horizon
    }

    /// The class of the record a reference points to; none if it is empty or nothing is left of the other.
    pub fn target(&self, system: usize, value: &Value) -> Option<usize> {
        let Value::Int(key) = value else { return None };
        self.systems[system].last_values(*key).map(|values| self.ledger.class(values))
    }

    /// Whether a record may have been one that this system is not to have.
    pub fn may_be_out(&self, system: usize, class: usize) -> bool {
        self.plan.segment == Some(system) && self.ledger.has_strayed(class)
    }

    /// Whether a person has decided about this record: then older values may come back.
    pub fn is_parted(&self, class: usize) -> bool {
        self.parted.iter().any(|parted| self.ledger.class_now(*parted) == class)
    }

    pub fn is_hand_decided(&self, class: usize) -> bool {
        self.hand_decided.iter().any(|decided| self.ledger.class_now(*decided) == class)
    }
}

/// The kinds of fields whose values are merged rather than chosen.
fn is_plain(core: &Core, unit: usize) -> bool {
    let field = core.plan.units[unit][0];
    !matches!(core.plan.fields[field].kind, Kind::Visits | Kind::Tags)
}
