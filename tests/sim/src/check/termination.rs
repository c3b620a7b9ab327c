//! What the hub does comes to an end (invariant 2).

use crate::ledger::Author;
use crate::plan::HOUR;
use crate::world::Core;

/// What goes on and on, for people.
pub fn wrong(core: &Core) -> Vec<String> {
    let mut found = fights(core);
    found.extend(amplification(core));
    found
}

/// Edits cause so many writes and no more.
fn amplification(core: &Core) -> Option<String> {
    let by_user = |change: &&crate::ledger::Change| change.author == Author::User;
    let edits = core.ledger.changes.iter().filter(by_user).count();
    let writes = core.ledger.changes.len() - edits;
    let allowed = 4 * edits * (core.systems.len() - 1) + 20;
    let is_much = writes > allowed;
    is_much.then(|| format!("{edits} edits caused {writes} writes; {allowed} would have been much already"))
}

/// How often within an hour a program may have to insist on a value of its own before the hub gives in.
const FIGHTS_MAX: usize = 16;

/// A person has decided about a record: if its programs go on insisting, that is another fight.
pub fn begin_anew(core: &mut Core, class: usize) {
    let systems = &core.systems;
    let ledger = &mut core.ledger;
    let fought: Vec<(usize, i64, usize)> = ledger.insisted.keys().copied().collect();
    for (system, key, field) in fought {
        let is_it = systems[system].last_values(key).is_some_and(|values| ledger.class(values) == class);
        let times = ledger.insisted.get_mut(&(system, key, field)).filter(|times| is_it && most(times) <= FIGHTS_MAX);
        times.into_iter().for_each(Vec::clear);
    }
}

/// How often it was insisted within an hour.
fn most(times: &[i64]) -> usize {
    let within = |from: &i64| times.iter().filter(|at| (*from..*from + HOUR).contains(at)).count();
    times.iter().map(within).max().unwrap_or_default()
}

/// What goes back and forth is left alone.
fn fights(core: &Core) -> Vec<String> {
    let mut found = Vec::new();
    for ((system, key, field), times) in &core.ledger.insisted {
        let most = most(times);
        if most > FIGHTS_MAX {
            let (name, field) = (core.plan.systems[*system].name, core.plan.fields[*field].kind.name());
            found.push(format!("{name}: `{field}` of {key} was fought over {most} times within an hour"));
        }
    }
    found
}
