//! The invariants, by their numbers in the design. What is checked here comes from what systems accepted, what their users did and
//! what anybody can read from the store; nothing from inside the engine.

mod clocks;
mod equal;
mod finish;
mod lost;
mod reborn;
mod sums;
mod termination;

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;

use lockstep::project::{HubDeletes, OnExit};
use lockstep::record::Value;
use serde_json::json;

use crate::desk::Decided;
use crate::field::{Kind, email_key};
use crate::ledger::{Author, Change, Tokens};
use crate::plan::{Decides, MINUTE, Restores};
use crate::system::Values;
use crate::view::View;
use crate::world::Core;

use reborn::{is_delete_of, reborn_fairly};

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
    let is_outdated = process < core.ledger.run();
    match (before, after) {
        (None, Some(after)) => {
            if !is_outdated {
                one_record_only(core, system, key, after);
            }
            reborn_fairly(core, process, system, after);
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
        termination::begin_anew(core, class);
    }
}

fn is_serial(text: &str) -> bool {
    text.strip_prefix('S').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// After a run: invariant 5 about many deletes at once. Takes out of the systems with an approval those that needed it.
pub fn after_run(core: &mut Core, approved: &mut BTreeSet<usize>) {
    let (run, guard) = (core.ledger.run(), core.plan.def.guard);
    for system in 0..core.systems.len() {
        let is_ours = |change: &&Change| {
            change.run == run && change.system == system && change.author != Author::User && change.after.is_none()
        };
        let deletes = core.ledger.changes.iter().rev().take_while(|change| change.run == run).filter(is_ours).count();
        // The hub remembers deleted records for as long as they may come back.
        let is_here = |change: &&Change| change.system == system && change.before.is_none();
        let known = core.ledger.changes.iter().filter(is_here).map(|change| change.key).collect::<BTreeSet<_>>().len();
        let allowed = guard.deletes_max(known as u64);
        if deletes as u64 > allowed && !approved.remove(&system) {
            let name = core.plan.systems[system].name;
            core.fail("5 guard", format!("{name}: one run deleted {deletes} records; {allowed} pass without approval"));
        }
    }
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
