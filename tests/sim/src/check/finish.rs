//! What has to hold when users have stopped, nothing goes wrong any more and the hub has had time.

use lockstep::project::HubDeletes;

use super::equal::{Open, differences, is_out, records};
use super::reborn::{has_fixed_copy, has_objection, is_delete_of};
use super::{clocks, lost, sums, termination};
use crate::connect::BATCH_REFUSED;
use crate::field::has_poison;
use crate::ledger::Change;
use crate::view::{Letter, View};
use crate::world::Core;

/// Whether everything agrees and nothing is on its way.
pub fn is_settled(core: &Core, view: &View) -> bool {
    view.pending == 0 && differences(core, view).is_empty()
}

/// The invariants of the end.
pub fn finish(core: &mut Core, view: &View) {
    for what in differences(core, view) {
        core.fail("1 convergence", what);
    }
    if view.pending > 0 {
        core.fail("2 termination", format!("{} writes are still on their way", view.pending));
    }
    for what in lost::lost(core, view) {
        core.fail("3 no lost update", what);
    }
    for what in sums::wrong(core, view) {
        core.fail("3 no lost update", what);
    }
    for what in clocks::wrong(core, view) {
        core.fail("8 newest", what);
    }
    for what in undead(core, view) {
        core.fail("4 no resurrection", what);
    }
    for what in blameless(core, view) {
        core.fail("1 convergence", what);
    }
    for what in termination::wrong(core) {
        core.fail("2 termination", what);
    }
}

/// Writes that were refused though nothing is wrong with them: they were in a batch with one that is.
fn blameless(core: &Core, view: &View) -> Vec<String> {
    let refuses_values = |name: &str| {
        let system = core.plan.systems.iter().find(|system| system.name == name);
        system.is_some_and(|system| !system.unique_email)
    };
    let is_blameless = |letter: &&Letter| {
        let body: serde_json::Value = serde_json::from_str(&letter.body).unwrap_or_default();
        let name = body.get("endpoint").and_then(serde_json::Value::as_str).unwrap_or_default();
        letter.cause.contains(BATCH_REFUSED) && refuses_values(name) && !has_poison(&letter.body)
    };
    let letters = view.letters.iter().filter(is_blameless);
    letters.map(|letter| format!("{} was refused for the sake of another: {}", letter.key, letter.body)).collect()
}

/// Records that are there though somebody deleted them and nobody objected.
fn undead(core: &Core, view: &View) -> Vec<String> {
    if core.plan.def.deletes != HubDeletes::Propagate || view.holds_open > 0 {
        return Vec::new();
    }
    let open = Open::of(view);
    let mut found = Vec::new();
    for (record, copies) in records(core, view) {
        let Some((_, _, first)) = copies.first() else { continue };
        let class = core.ledger.class(first);
        // Who has passed on their e-mail address may not be who was deleted.
        let is_same = |change: &&Change| {
            change.before.as_ref().is_some_and(|before| before[core.plan.serial()] == first[core.plan.serial()])
        };
        // What a system was not to have it could delete without anybody's caring.
        let counts = |change: &&Change| is_delete_of(core, change, class) && !core.may_be_out(change.system, class);
        let mut deletes = core.ledger.changes.iter().rev().filter(counts);
        let last = deletes.find(is_same);
        let Some(deletion) = last.filter(|change| core.plan.systems[change.system].reads) else { continue };
        let is_open = open.names(record, &first[core.plan.serial()])
            || core.is_hand_decided(class)
            || has_fixed_copy(core, class);
        let is_open = is_open || core.is_forgotten(deletion.at);
        let may_delete = |system: usize| core.plan.systems[system].writes && !is_out(core, &copies, system);
        let is_anywhere = copies.iter().any(|(system, ..)| may_delete(*system));
        if !has_objection(core, class, deletion) && !is_open && is_anywhere {
            let at = crate::trace::time(deletion.at);
            let serial = &first[core.plan.serial()];
            found.push(format!("record {record} ({serial:?}) is still there, but was deleted at {at}"));
        }
    }
    found
}
