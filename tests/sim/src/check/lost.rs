//! Invariant 3: every edit is there in the end, or was replaced by somebody who had seen it, or is named where a decision was made.

use std::collections::{HashMap, HashSet};

use lockstep::record::Value;

use super::{is_delete_of, race_window, was_raced};
use crate::ledger::{Author, Change, Tokens, Write};
use crate::view::View;
use crate::world::Core;

/// Edits that are lost, for people.
pub fn lost(core: &Core, view: &View) -> Vec<String> {
    let present = present(core);
    // Whatever somebody who had seen it did with it is that person's decision.
    let mut accounted: HashSet<(usize, Tokens)> = HashSet::new();
    let mut found = Vec::new();
    for write in core.ledger.writes.iter().rev() {
        let unit = write.unit;
        if !core.ledger.is_traced(unit) {
            continue;
        }
        let name = (unit, write.tokens.clone());
        let is_fine = accounted.contains(&name)
            || core.ledger.is_ambiguous(unit, &write.tokens)
            || present.get(&unit).is_some_and(|tokens| tokens.contains(&write.tokens))
            || is_not_theirs(core, write)
            || is_named(core, view, write)
            || was_deleted_knowingly(core, write)
            || is_overwritten(core, write)
            || was_taken(core, write)
            || is_torn(core, write);
        if is_fine {
            accounted.insert(name);
            accounted.extend(write.before.clone().map(|before| (unit, before)));
            continue;
        }
        let kind = core.plan.fields[core.plan.units[unit][0]].kind.name();
        let system = core.plan.systems[write.system].name;
        let at = crate::trace::time(write.at);
        found.push(format!("`{kind}` of {} {}: {:?}, written at {at}, is lost", system, write.key, write.values));
    }
    found
}

/// What is there, by unit.
fn present(core: &Core) -> HashMap<usize, HashSet<Tokens>> {
    let mut present: HashMap<usize, HashSet<Tokens>> = HashMap::new();
    for system in &core.systems {
        for (_, values) in system.live() {
            for unit in 0..core.plan.units.len() {
                present.entry(unit).or_default().insert(core.ledger.unit_tokens(unit, values));
            }
        }
    }
    // A value that is only where it was written has not been lost, but it has not arrived either: that is for `equal` to find.
    present
}

fn is_not_theirs(core: &Core, write: &Write) -> bool {
    let field = core.plan.units[write.unit][0];
    core.plan.fields[field].owner.is_some_and(|(owner, _)| owner != write.system)
        || core.ledger.fought_over.iter().any(|(_, fought)| *fought == field)
}

fn is_named(core: &Core, view: &View, write: &Write) -> bool {
    let fields = &core.plan.units[write.unit];
    let text = |(field, value): (&usize, &Value)| {
        let json = value.to_json(core.plan.fields[*field].kind.logical()).to_string();
        json.trim_matches('"').to_owned()
    };
    let texts: Vec<String> = fields.iter().zip(&write.values).map(text).collect();
    let has = |body: &str| texts.iter().all(|text| body.contains(text.as_str()));
    view.disputes.iter().any(|dispute| has(&dispute.body) || has(&dispute.resolution))
        || view.letters.iter().any(|letter| letter.is_open && has(&letter.body))
}

/// The record was deleted by somebody who had seen this, or in a system that has nothing of the kind.
fn was_deleted_knowingly(core: &Core, write: &Write) -> bool {
    let class = core.ledger.class_now(write.class);
    let fields = &core.plan.units[write.unit];
    core.ledger.changes.iter().any(|change| {
        let is_shown = fields.iter().any(|field| core.plan.systems[change.system].has(*field));
        is_delete_of(core, change, class)
            && change.before.as_ref().is_some_and(|last| match is_shown {
                true => core.ledger.had_seen(write.unit, &core.ledger.unit_tokens(write.unit, last), &write.tokens),
                false => write.at <= change.at,
            })
    })
}

/// Whether it was in a copy that left a segment while somebody deleted another copy: nobody can tell that the one is the last.
fn was_taken(core: &Core, write: &Write) -> bool {
    let class = core.ledger.class_now(write.class);
    core.may_be_out(write.system, class) && core.ledger.changes.iter().any(|change| is_delete_of(core, change, class))
}

/// Whether we wrote without having seen it, soon after it or in a process that had stood still.
fn is_overwritten(core: &Core, write: &Write) -> bool {
    let soon = write.at..=write.at + race_window(core, write.system);
    let later = write.at..=i64::MAX;
    let race =
        |time, other: &dyn Fn(&Change) -> bool| was_raced(core, (write.system, write.key), write.unit, time, other);
    let is_outdated = |change: &Change| matches!(change.author, Author::Hub(process) if process < change.run);
    race(soon, &|change| change.author != Author::User) || race(later, &is_outdated)
}

/// Whether we wrote a part of it into a group somebody had just changed, where nothing could be expected of the rest.
fn is_torn(core: &Core, write: &Write) -> bool {
    let shares = |tokens: &Tokens| tokens != &write.tokens && tokens.iter().zip(&write.tokens).any(|(a, b)| a == b);
    core.ledger.changes.iter().any(|change| {
        let Some(after) = change.after.as_ref().filter(|_| change.author != Author::User) else { return false };
        let tokens = core.ledger.unit_tokens(write.unit, after);
        let lately = change.at - race_window(core, change.system)..=change.at;
        shares(&tokens)
            && !core.ledger.was_written(write.unit, &tokens)
            && core.ledger.class(after) == core.ledger.class_now(write.class)
            && was_raced(core, (change.system, change.key), write.unit, lately, &|change| change.author == Author::User)
    })
}
