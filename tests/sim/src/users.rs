//! The people (and programs) who work in the systems. They see what their own system holds, change it, and know nothing of hubs.

use lockstep::record::Value;

use crate::chance::Chance;
use crate::field::{Kind, items};
use crate::ledger::Author;
use crate::plan::{Decides, Edit, Plan};
use crate::system::{Patch, Values};
use crate::world::Core;

/// No system has more records.
const RECORDS_MAX: usize = 30;

pub fn act(core: &mut Core, system: usize, edit: Edit, chance: &mut Chance) {
    match edit {
        Edit::Insert => insert(core, system, chance),
        Edit::Twin => twin(core, system, chance),
        Edit::Delete => delete(core, system, 1, chance),
        Edit::MassDelete => delete(core, system, usize::MAX, chance),
        Edit::Undelete => undelete(core, system, chance),
        Edit::Swap => swap(core, system, chance),
        Edit::Collide => collide(core, chance),
        Edit::Bot => bot(core, system, chance),
        Edit::Update | Edit::Email | Edit::Null | Edit::Revert | Edit::Poison => {
            if let Some(key) = any_key(core, system, chance) {
                update(core, system, key, edit, chance);
            }
        }
    }
}

fn any_key(core: &Core, system: usize, chance: &mut Chance) -> Option<i64> {
    let keys: Vec<i64> = core.systems[system].live().map(|(key, _)| key).collect();
    // People work on what they have worked on lately.
    let recent = keys.len().saturating_sub(if chance.coin() { 4 } else { keys.len() });
    (!keys.is_empty()).then(|| keys[recent + chance.index(keys.len() - recent)])
}

fn new_values(core: &mut Core, chance: &mut Chance) -> Patch {
    let plan = core.plan.clone();
    let field = |(at, field): (usize, &crate::plan::FieldPlan)| {
        let is_null = field.kind.may_be_null() && chance.permille(200);
        let token = core.ledger.next_token();
        (at, if is_null { Value::Null } else { field.kind.value(token, chance) })
    };
    plan.fields.iter().enumerate().map(field).collect()
}

/// The fields a system has, of those.
fn had(plan: &Plan, system: usize, patch: &[(usize, Value)]) -> Patch {
    patch.iter().filter(|(field, _)| plan.systems[system].has(*field)).cloned().collect()
}

fn insert(core: &mut Core, system: usize, chance: &mut Chance) {
    if core.systems[system].live().count() >= RECORDS_MAX {
        return;
    }
    let mut patch = new_values(core, chance);
    if let (Some(boss), Some(key), true) = (core.plan.field(Kind::Boss), any_key(core, system, chance), chance.coin()) {
        patch[boss].1 = Value::Int(key);
    }
    put(core, system, None, &patch, "inserts");
}

/// Two people make the same record in two systems, each with some values of their own.
fn twin(core: &mut Core, system: usize, chance: &mut Chance) {
    let readers: Vec<usize> =
        (0..core.systems.len()).filter(|at| *at != system && core.plan.systems[*at].reads).collect();
    if readers.is_empty() || core.systems[system].live().count() >= RECORDS_MAX {
        return;
    }
    let other = chance.pick(&readers);
    let patch = new_values(core, chance);
    let mut second = new_values(core, chance);
    let plan = core.plan.clone();
    for (field, value) in &mut second {
        let is_shared = match plan.fields[*field].kind {
            Kind::Serial => plan.serial_matches,
            Kind::Email => true,
            _ => chance.coin(),
        };
        if is_shared {
            *value = patch[*field].1.clone();
        }
    }
    // A group is shared or not.
    for unit in plan.units.iter().filter(|unit| unit.len() > 1) {
        unit.iter().for_each(|field| second[*field].1 = patch[*field].1.clone());
    }
    put(core, system, None, &patch, "inserts");
    put(core, other, None, &second, "inserts a twin");
}

/// Writes as a user does, and tells the ledger.
fn put(core: &mut Core, system: usize, key: Option<i64>, patch: &[(usize, Value)], verb: &'static str) {
    let patch = had(&core.plan, system, patch);
    let now = core.now;
    let done = match key {
        None => core.systems[system].insert(&patch, None, now).map(|(key, after)| (key, None, after)),
        Some(key) => {
            core.systems[system].update(key, &patch, &[], now).map(|(before, after)| (key, Some(before), after))
        }
    };
    let name = core.plan.systems[system].name;
    match done {
        Ok((_, Some(before), after)) if before == after => {}
        Ok((key, before, after)) => {
            core.trace.event(now, "user", &[system as i64, key], || format!("{name} {verb} {key}: {}", words(&patch)));
            core.ledger.user_change(system, key, before, Some(after), now);
        }
        Err(refusal) => {
            core.trace.event(now, "user", &[system as i64], || format!("{name} {verb}: refused, {refusal:?}"));
        }
    }
}

pub fn words(patch: &[(usize, Value)]) -> String {
    let word = |(field, value): &(usize, Value)| match value {
        Value::Text(text) => format!("{field}={text:?}"),
        Value::Int(value) => format!("{field}={value}"),
        other => format!("{field}={other:?}"),
    };
    patch.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn update(core: &mut Core, system: usize, key: i64, edit: Edit, chance: &mut Chance) {
    let plan = core.plan.clone();
    let fits = |field: &usize| {
        let kind = plan.fields[*field].kind;
        plan.systems[system].has(*field)
            && match edit {
                Edit::Email => kind == Kind::Email,
                Edit::Null => kind.may_be_null(),
                Edit::Poison => kind.poison(1).is_some(),
                Edit::Revert => kind.has_token() && kind != Kind::Email,
                _ => !matches!(kind, Kind::Serial | Kind::Email),
            }
    };
    let fields: Vec<usize> = (0..plan.fields.len()).filter(fits).collect();
    if fields.is_empty() {
        return;
    }
    let count = if edit == Edit::Update { 1 + chance.index(2.min(fields.len())) } else { 1 };
    let mut patch = Patch::new();
    for _ in 0..count {
        let field = chance.pick(&fields);
        patch.retain(|(other, _)| *other != field);
        patch.extend(new_value(core, (system, key), field, edit, chance).map(|value| (field, value)));
    }
    put(core, system, Some(key), &patch, "updates");
}

fn new_value(
    core: &mut Core,
    (system, key): (usize, i64),
    field: usize,
    edit: Edit,
    chance: &mut Chance,
) -> Option<Value> {
    let (kind, decides) = (core.plan.fields[field].kind, core.plan.fields[field].decides);
    let token = core.ledger.next_token();
    if kind == Kind::Boss && edit == Edit::Update {
        return any_key(core, system, chance).map(Value::Int);
    }
    let current = core.systems[system].get(key)?[field].clone();
    match (edit, decides) {
        (Edit::Null, _) => Some(Value::Null),
        (Edit::Poison, _) => kind.poison(token),
        (Edit::Revert, _) => {
            let versions = &core.systems[system].records[&key];
            let older: Vec<&Values> = versions.iter().rev().filter_map(|version| version.values.as_ref()).collect();
            older.get(1 + chance.index(3)).map(|values| values[field].clone())
        }
        (_, Decides::Counter) => match current {
            Value::Int(count) => Some(Value::Int(count + chance.between(1, 5))),
            _ => Some(kind.value(token, chance)),
        },
        (_, Decides::Set) => {
            let mut items: Vec<String> = items(&current).into_iter().map(str::to_owned).collect();
            match chance.below(3) {
                0 if !items.is_empty() => drop(items.remove(chance.index(items.len()))),
                _ => items.push(format!("t{token}")),
            }
            Some(Value::text(&items.join(";")))
        }
        _ => Some(kind.value(token, chance)),
    }
}

fn delete(core: &mut Core, system: usize, at_most: usize, chance: &mut Chance) {
    let mut keys: Vec<i64> = core.systems[system].live().map(|(key, _)| key).collect();
    let now = core.now;
    for _ in 0..at_most.min(keys.len()) {
        let key = keys.remove(chance.index(keys.len()));
        if at_most > 1 && chance.permille(200) {
            continue;
        }
        if let Ok(Some(before)) = core.systems[system].delete(key, &[], now) {
            let name = core.plan.systems[system].name;
            core.trace.event(now, "user", &[system as i64, key], || format!("{name} deletes {key}"));
            core.ledger.user_change(system, key, Some(before), None, now);
        }
    }
}

fn undelete(core: &mut Core, system: usize, chance: &mut Chance) {
    // People bring back what they have deleted themselves, or what they miss.
    let trash: Vec<i64> = core.systems[system].trash().map(|(key, _)| key).collect();
    if trash.is_empty() {
        return;
    }
    let (key, now) = (chance.pick(&trash), core.now);
    if let Some(after) = core.systems[system].undelete(key, now) {
        let name = core.plan.systems[system].name;
        core.trace.event(now, "user", &[system as i64, key], || format!("{name} undeletes {key}"));
        core.ledger.user_change(system, key, None, Some(after), now);
    }
}

fn swap(core: &mut Core, system: usize, chance: &mut Chance) {
    let Some(email) = core.plan.field(Kind::Email) else { return };
    let (Some(left), Some(right)) = (any_key(core, system, chance), any_key(core, system, chance)) else { return };
    if left == right || core.plan.systems[system].unique_email {
        return;
    }
    let value = |core: &Core, key| core.systems[system].get(key).map(|values| values[email].clone());
    let (Some(of_left), Some(of_right)) = (value(core, left), value(core, right)) else { return };
    put(core, system, Some(left), &[(email, of_right)], "swaps");
    put(core, system, Some(right), &[(email, of_left)], "swaps");
}

/// People in every system that has a record edit the same field of it, not knowing of each other.
fn collide(core: &mut Core, chance: &mut Chance) {
    let plan = core.plan.clone();
    let serial = plan.serial();
    let first = chance.index(core.systems.len());
    let Some(key) = any_key(core, first, chance) else { return };
    let Some(wanted) = core.systems[first].get(key).map(|values| values[serial].clone()) else { return };
    let may_differ = |at: &usize| !matches!(plan.fields[*at].kind, Kind::Serial | Kind::Email | Kind::Boss);
    let fields: Vec<usize> = (0..plan.fields.len()).filter(may_differ).collect();
    let field = chance.pick(&fields);
    for system in 0..core.systems.len() {
        let Some(key) = core.systems[system].by_serial(&wanted) else { continue };
        if !plan.systems[system].has(field) || !plan.systems[system].reads {
            continue;
        }
        if let Some(value) = new_value(core, (system, key), field, Edit::Update, chance) {
            put(core, system, Some(key), &[(field, value)], "collides");
        }
    }
}

/// Two programs that each insist on a value of their own.
fn bot(core: &mut Core, system: usize, chance: &mut Chance) {
    let plan = core.plan.clone();
    let serial = plan.serial();
    let Some(field) = plan.field(Kind::Note).or(plan.field(Kind::Name)) else { return };
    let Some(key) = any_key(core, system, chance) else { return };
    let Some(wanted) = core.systems[system].get(key).map(|values| values[serial].clone()) else { return };
    for other in 0..core.systems.len() {
        let Some(key) = core.systems[other].by_serial(&wanted) else { continue };
        if plan.systems[other].has(field) && plan.systems[other].reads {
            let token = core.ledger.next_token();
            let value = plan.systems[other].form(field, &plan.fields[field].kind.value(token, chance));
            core.ledger.bots.insert((other, key, field), value.clone());
            put(core, other, Some(key), &[(field, value)], "is a bot and insists on");
        }
    }
    if let Some(values) = core.systems[system].get(key) {
        let class = core.ledger.class(values);
        core.ledger.fought_over.insert((class, field));
    }
}

/// What programs do at once when the hub has changed what they insist on.
pub fn react(core: &mut Core, system: usize, key: i64, author: Author) {
    if core.is_calm || author == Author::User || core.ledger.bots.is_empty() {
        return;
    }
    let held: Vec<(usize, Value)> = core
        .ledger
        .bots
        .range((system, key, 0)..=(system, key, usize::MAX))
        .map(|((_, _, field), value)| (*field, value.clone()))
        .collect();
    for (field, value) in held {
        let now = core.now;
        core.ledger.insisted.entry((system, key, field)).or_default().push(now);
        put(core, system, Some(key), &[(field, value)], "insists on");
    }
}
