//! What was deleted comes back only for a reason (invariant 4), and what that may be.

use lockstep::project::DeleteConflict;

use super::race_window;
use crate::field::Kind;
use crate::ledger::{Author, Change};
use crate::plan::HOUR;
use crate::system::Values;
use crate::world::Core;

/// Invariant 4: what was deleted in a system comes back only for a reason.
pub fn reborn_fairly(core: &mut Core, process: u32, system: usize, after: &Values) {
    let serial = core.plan.serial();
    let of_this = |values: &Option<Values>| values.as_ref().is_some_and(|values| values[serial] == after[serial]);
    let changes = &core.ledger.changes;
    let gone = changes.iter().rev().find(|change| change.system == system && of_this(&change.before));
    let Some(gone) = gone.filter(|change| change.after.is_none()) else { return };
    let class = core.ledger.class(after);
    // Of what was deleted since it began to read a run has not heard.
    let began = core.ledger.began.get((process as usize).saturating_sub(1)).copied().unwrap_or(core.now);
    let is_told = |change: &&Change| change.at + core.plan.systems[change.system].lag < began;
    let mut deletes = changes.iter().filter(|change| is_delete_of(core, change, class)).filter(is_told);
    let Some(deletion) = deletes.next_back() else { return };
    if core.is_forgotten(deletion.at) || core.may_be_out(system, class) || points_to_forgotten(core, class) {
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

/// Whether a record points to one that was deleted, and so long ago that it is another if it comes back: then it points elsewhere,
/// as far as anybody knows.
fn points_to_forgotten(core: &Core, class: usize) -> bool {
    let Some(boss) = core.plan.field(Kind::Boss) else { return false };
    let is_forgotten = |target: usize| {
        let mut deletes = core.ledger.changes.iter().filter(|change| is_delete_of(core, change, target));
        deletes.any(|change| core.is_forgotten(change.at))
    };
    let mut copies = (0..core.systems.len()).flat_map(|at| core.systems[at].live().map(move |copy| (at, copy)));
    copies.any(|(at, (_, copy))| {
        core.ledger.class(copy) == class && core.target(at, &copy[boss]).is_some_and(is_forgotten)
    })
}

/// Whether a user did something with a record that a delete does not undo: changed it without the deleter's having seen that, where edits
/// count more; made it, wherever they do not. A delete of one of two copies takes nothing with it.
pub fn has_objection(core: &Core, class: usize, deletion: &Change) -> bool {
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
pub fn has_fixed_copy(core: &Core, class: usize) -> bool {
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

pub fn is_delete_of(core: &Core, change: &Change, class: usize) -> bool {
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
