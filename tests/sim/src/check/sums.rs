//! Counters add up and sets unite (part of invariant 3).

use std::collections::{BTreeMap, BTreeSet};

use lockstep::record::Value;

use super::equal::Open;
use crate::field::{Kind, items};
use crate::ledger::{Author, Change};
use crate::system::Values;
use crate::view::View;
use crate::world::Core;

/// What does not add up, for people.
pub fn wrong(core: &Core, view: &View) -> Vec<String> {
    let mut found = Vec::new();
    let fields = [Kind::Visits, Kind::Tags].into_iter().filter_map(|kind| core.plan.field(kind));
    for field in fields {
        let mut classes: BTreeMap<usize, Vec<&Change>> = BTreeMap::new();
        for change in core.ledger.changes.iter().filter(|change| change.author == Author::User) {
            if let Some(values) = change.values() {
                classes.entry(core.ledger.class(values)).or_default().push(change);
            }
        }
        for (class, changes) in classes {
            check(core, view, field, class, &changes, &mut found);
        }
    }
    found
}

fn check(core: &Core, view: &View, field: usize, class: usize, changes: &[&Change], found: &mut Vec<String>) {
    let inserts = changes.iter().filter(|change| change.before.is_none()).count();
    let deletes = changes.iter().filter(|change| change.after.is_none()).count();
    let all_have_it = core.plan.systems.iter().all(|system| system.has(field) && system.conditional);
    // Of what a person has said that it is two, each has its own count; and a person may say what the count is.
    let is_decided = core.is_parted(class) || core.is_hand_decided(class);
    let is_out = core.plan.segment.is_some_and(|system| core.may_be_out(system, class));
    // Two copies in one system have each a count of their own; whether they may be there is said elsewhere.
    let is_class = |(_, values): &(i64, &Values)| core.ledger.class(values) == class;
    let is_double = core.systems.iter().any(|system| system.live().filter(is_class).count() > 1);
    if inserts != 1 || deletes > 0 || !all_have_it || is_decided || is_out || is_double {
        return;
    }
    let open = Open::of(view);
    let final_values: BTreeSet<Value> = core
        .systems
        .iter()
        .flat_map(crate::system::System::live)
        .filter(|(_, values)| core.ledger.class(values) == class && !open.names(i64::MIN, &values[core.plan.serial()]))
        .map(|(_, values)| values[field].clone())
        .collect();
    let [value] = Vec::from_iter(&final_values)[..] else { return };
    let what = match value {
        Value::Int(count) => counter(core, field, class, changes, *count),
        set => set_of(core, field, changes, set),
    };
    found.extend(what);
}

fn counter(core: &Core, field: usize, class: usize, changes: &[&Change], count: i64) -> Option<String> {
    let number = |values: &Option<Values>| match values.as_ref().map(|values| &values[field]) {
        Some(Value::Int(count)) => *count,
        _ => 0,
    };
    let sum: i64 = changes.iter().map(|change| number(&change.after) - number(&change.before)).sum();
    // Nobody can tell a write whose answer was lost from somebody who counted up to the same number.
    let is_twice = |change: &&&Change| {
        let is_same = |other: &&&Change| other.system != change.system && number(&other.after) == number(&change.after);
        let is_reached = changes.iter().any(|other| is_same(&other)) || core.ledger.is_foreseen(change, field);
        core.plan.quirks.loses_answers() && is_reached
    };
    let delta = |change: &Change| number(&change.after) - number(&change.before);
    let mut doubtful = changes.iter().filter(is_twice).map(|change| delta(change));
    // Nor, of somebody who counted on, whether they had it before them.
    let is_unheard = |(number, change): &(usize, &Change)| {
        let is_ours = change.author != Author::User && !core.ledger.is_confirmed(*number);
        is_ours && change.after.as_ref().is_some_and(|after| core.ledger.class(after) == class)
    };
    let mut unheard = core.ledger.changes.iter().enumerate().filter(is_unheard).map(|(_, change)| delta(change));
    let is_fine =
        sum == count || doubtful.any(|delta| sum - delta == count) || unheard.any(|delta| sum + delta == count);
    (!is_fine).then(|| format!("a counter is {count}, but all that was counted is {sum}"))
}

fn set_of(core: &Core, field: usize, changes: &[&Change], set: &Value) -> Option<String> {
    let (mut added, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for change in changes {
        let (before, after) = (items_of(&change.before, field), items_of(&change.after, field));
        added.extend(after.difference(&before).cloned());
        removed.extend(before.difference(&after).cloned());
    }
    let doubtful = taken_back(core, field, changes);
    let sure = |items: BTreeSet<String>| -> BTreeSet<String> { items.difference(&doubtful).cloned().collect() };
    let expected = sure(added.difference(&removed).cloned().collect());
    let is = sure(items(set).into_iter().map(str::to_owned).collect());
    (expected != is).then(|| format!("a set is {is:?}, but what was added and not removed is {expected:?}"))
}

/// Items that somebody has put back as they were before a write whose answer was lost: nobody can tell that from a write that was.
fn taken_back(core: &Core, field: usize, changes: &[&Change]) -> BTreeSet<String> {
    let delta = |change: &Change| -> BTreeSet<String> {
        items_of(&change.before, field).symmetric_difference(&items_of(&change.after, field)).cloned().collect()
    };
    let mut found = BTreeSet::new();
    for change in changes {
        let before = core.ledger.changes.iter().enumerate().rev();
        let mut before = before.skip_while(|(_, known)| !std::ptr::eq(*known, *change)).skip(1);
        let is_same = |known: &Change| (known.system, known.key) == (change.system, change.key);
        let last = before.find(|(_, known)| is_same(known) && known.author != Author::User);
        if let Some((number, write)) = last
            && !core.ledger.is_confirmed(number)
        {
            found.extend(delta(write).intersection(&delta(change)).cloned());
        }
    }
    found
}

fn items_of(values: &Option<Values>, field: usize) -> BTreeSet<String> {
    values.iter().flat_map(|values| items(&values[field])).map(str::to_owned).collect()
}
