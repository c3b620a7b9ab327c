//! Invariant 1: what is one record says the same everywhere, each system in its own form.

use std::collections::{BTreeMap, BTreeSet};

use lockstep::project::HubDeletes;
use lockstep::record::Value;

use super::{is_delete_of, is_plain};
use crate::field::Kind;
use crate::plan::{Key, Restores};
use crate::system::Values;
use crate::view::View;
use crate::world::Core;

/// What is there of one record: systems with keys and values.
pub type Copies = Vec<(usize, i64, Values)>;

/// Live remote records by the record they belong to.
pub fn records(core: &Core, view: &View) -> BTreeMap<i64, Copies> {
    let mut records: BTreeMap<i64, Copies> = BTreeMap::new();
    for link in &view.links {
        let copies = records.entry(link.record).or_default();
        if let Some(key) = key_of(core, link.system, &link.key)
            && let Some(values) = core.systems[link.system].get(key)
        {
            copies.push((link.system, key, values.clone()));
        }
    }
    records
}

fn key_of(core: &Core, system: usize, key: &Value) -> Option<i64> {
    match (core.plan.systems[system].key, key) {
        (Key::Generated, Value::Int(key)) => Some(*key),
        (Key::Client, serial) => core.systems[system].by_serial(serial),
        _ => None,
    }
}

/// Records about which something is open, and remote records likewise.
pub struct Open {
    records: BTreeSet<i64>,
    texts: Vec<String>,
    has_holds: bool,
}

impl Open {
    pub fn of(view: &View) -> Self {
        let mut records = BTreeSet::new();
        let mut texts = Vec::new();
        for dispute in view.disputes.iter().filter(|dispute| dispute.is_open) {
            records.insert(dispute.record);
            texts.push(format!("{} {}", dispute.subject, dispute.body));
        }
        for letter in view.letters.iter().filter(|letter| letter.is_open) {
            let body: serde_json::Value = serde_json::from_str(&letter.body).unwrap_or_default();
            records.extend(body.get("record").and_then(serde_json::Value::as_i64));
            texts.push(format!("{} {}", letter.key, letter.body));
        }
        Self { records, texts, has_holds: view.holds_open > 0 }
    }

    /// Whether something about this record waits for a person.
    pub fn names(&self, record: i64, serial: &Value) -> bool {
        self.records.contains(&record) || self.mentions(serial)
    }

    fn mentions(&self, serial: &Value) -> bool {
        let Value::Text(serial) = serial else { return false };
        let wanted = format!("\"{serial}\"");
        self.texts.iter().any(|text| text.contains(&wanted))
    }

    pub fn names_remote(&self, name: &str, key: i64, serial: &Value) -> bool {
        let wanted = format!("[\"{key}\"]");
        self.mentions(serial) || self.texts.iter().any(|text| text.contains(name) && text.contains(&wanted))
    }
}

/// Everything that differs, for people.
pub fn differences(core: &Core, view: &View) -> Vec<String> {
    let open = Open::of(view);
    let records = records(core, view);
    let mut found = Vec::new();
    for (record, copies) in &records {
        let Some((_, _, first)) = copies.first() else { continue };
        if open.names(*record, &first[core.plan.serial()]) {
            continue;
        }
        missing(core, *record, copies, &open, &mut found);
        for unit in 0..core.plan.units.len() {
            match core.plan.fields[core.plan.units[unit][0]].kind {
                Kind::Boss => pointing(core, *record, unit, copies, &open, &mut found),
                _ => differing(core, *record, unit, copies, &mut found),
            }
        }
    }
    unlinked(core, view, &records, &open, &mut found);
    found
}

fn missing(core: &Core, record: i64, copies: &Copies, open: &Open, found: &mut Vec<String>) {
    let (plan, serial) = (&core.plan, core.plan.serial());
    let class = core.ledger.class(&copies[0].2);
    let may_stay = plan.def.deletes == HubDeletes::Ignore
        && core.ledger.changes.iter().any(|change| is_delete_of(core, change, class));
    // What was deleted stays where nobody may delete it.
    let is_kept = |system: usize| !plan.systems[system].writes || is_out(core, copies, system);
    let is_fixed = copies.iter().all(|(system, ..)| is_kept(*system))
        && core.ledger.changes.iter().any(|change| is_delete_of(core, change, class));
    // Nor is what no longer concerns the hub.
    let is_left = copies.iter().all(|(system, ..)| is_out(core, copies, *system));
    if may_stay || is_fixed || is_left || open.has_holds {
        return;
    }
    for (system, profile) in plan.systems.iter().enumerate().filter(|(system, _)| !is_out(core, copies, *system)) {
        let count = copies.iter().filter(|(copy, ..)| *copy == system).count();
        let name = profile.name;
        if count == 0 && profile.writes {
            found.push(format!("record {record} ({:?}) is not in {name}", copies[0].2[serial]));
        }
        if count > 1 {
            found.push(format!("record {record} ({:?}) is in {name} {count} times", copies[0].2[serial]));
        }
    }
}

/// Whether a record is one that this system is not to have, or nobody can tell: the first system shows what is agreed.
pub fn is_out(core: &Core, copies: &Copies, system: usize) -> bool {
    let Some(active) = core.plan.field(Kind::Active) else { return false };
    let Some((_, _, first)) = copies.first() else { return false };
    let mut agreed = copies.iter().filter(|(system, ..)| *system == 0).map(|(_, _, values)| &values[active]);
    let is_inside = agreed.next().is_some_and(|active| *active != Value::Bool(false));
    core.may_be_out(system, core.ledger.class(first)) && !is_inside
}

/// Whether a system has to say about a unit what the others say.
fn counts(core: &Core, copies: &Copies, unit: usize, system: usize) -> bool {
    let (plan, fields) = (&core.plan, &core.plan.units[unit]);
    let owner = plan.fields[fields[0]].owner;
    let keeps_own = owner.is_some_and(|(owner, restores)| owner != system && restores == Restores::No);
    plan.systems[system].writes
        && fields.iter().all(|field| plan.systems[system].has(*field))
        && !keeps_own
        && !is_out(core, copies, system)
}

/// Copies whose references lead to different records. What leads to something that is gone says nothing, nor does what a system
/// says that does not have the other record.
fn pointing(core: &Core, record: i64, unit: usize, copies: &Copies, open: &Open, found: &mut Vec<String>) {
    let field = core.plan.units[unit][0];
    let serial = core.plan.serial();
    let leads = |owner: usize, values: &Values| match &values[field] {
        Value::Int(key) => core.systems[owner].get(*key).is_some_and(|to| {
            let class = core.ledger.class(to);
            !was_forgotten(core, class) && !core.may_be_out(owner, class)
        }),
        _ => true,
    };
    let says = |owner: usize| copies.iter().any(|(system, _, values)| *system == owner && leads(owner, values));
    if core.plan.fields[field].owner.is_some_and(|(owner, _)| !says(owner) || is_out(core, copies, owner)) {
        // Nobody is left who could say where it leads.
        return;
    }
    let mut targets: Vec<(usize, Option<(usize, &Value)>)> = Vec::new();
    for (system, _, values) in copies.iter().filter(|(system, ..)| counts(core, copies, unit, *system)) {
        match &values[field] {
            Value::Int(key) => match core.systems[*system].get(*key) {
                Some(target) if open.mentions(&target[serial]) => return,
                // Who was brought back once nobody knew of them any more is somebody new: no reference from before leads there.
                Some(target) if was_forgotten(core, core.ledger.class(target)) => {}
                // What is nobody's business cannot be pointed to elsewhere.
                Some(target) if core.may_be_out(*system, core.ledger.class(target)) => {}
                Some(target) => targets.push((*system, Some((core.ledger.class(target), &target[serial])))),
                None => {}
            },
            _ => targets.push((*system, None)),
        }
    }
    let has = |system: usize, wanted: &Value| {
        let is_there = core.systems[system].by_serial(wanted).is_some();
        is_there && !core.may_be_out(system, core.ledger.class_of(wanted))
    };
    let is_it = |wanted: Option<(usize, &Value)>| {
        let class = |target: Option<(usize, &Value)>| target.map(|(class, _)| class);
        targets.iter().all(|(system, target)| {
            class(*target) == class(wanted) || wanted.is_some_and(|(_, wanted)| !has(*system, wanted))
        })
    };
    // Where deletes stay what they are, it may be a record that none of these has.
    let elsewhere = core.systems.iter().filter(|_| core.plan.def.deletes == HubDeletes::Ignore);
    let mut elsewhere = elsewhere.flat_map(|system| system.live()).map(|(_, values)| values);
    if !targets.is_empty()
        && !targets.iter().any(|(_, target)| is_it(*target))
        && !elsewhere.any(|values| is_it(Some((core.ledger.class(values), &values[serial]))))
    {
        found.push(format!("`boss` of record {record} leads to different records: {targets:?}"));
    }
}

fn was_forgotten(core: &Core, class: usize) -> bool {
    core.ledger.changes.iter().any(|change| is_delete_of(core, change, class) && core.is_forgotten(change.at))
}

fn differing(core: &Core, record: i64, unit: usize, copies: &Copies, found: &mut Vec<String>) {
    let plan = &core.plan;
    let fields = &plan.units[unit];
    let shown: Vec<(usize, Vec<Value>)> = copies
        .iter()
        .filter(|(system, ..)| counts(core, copies, unit, *system))
        .map(|(system, _, values)| (*system, fields.iter().map(|field| values[*field].clone()).collect()))
        .collect();
    let Some((_, first)) = shown.first() else { return };
    let has_owner = |owner: usize| copies.iter().any(|(system, ..)| *system == owner) && !is_out(core, copies, owner);
    let is_empty = |values: &Vec<Value>| values.iter().all(Value::is_null);
    if plan.fields[fields[0]].owner.is_some_and(|(owner, _)| !has_owner(owner))
        && shown.iter().any(|(_, values)| is_empty(values))
    {
        // Its owner had never said anything when it lost the record: there is nothing to restore.
        return;
    }
    let class = core.ledger.class(&copies[0].2);
    // Who always puts back the same at once looks like a system with a form of its own.
    let is_fought_over = |(at, field): &(usize, usize)| core.ledger.class_now(*at) == class && fields.contains(field);
    if shown.iter().all(|(_, values)| values == first) || core.ledger.fought_over.iter().any(is_fought_over) {
        return;
    }
    let fits = |candidate: &Vec<Value>| {
        shown.iter().all(|(system, values)| {
            let formed = fields.iter().zip(candidate).map(|(field, value)| plan.systems[*system].form(*field, value));
            formed.eq(values.iter().cloned())
        })
    };
    let is_one = shown.iter().any(|(_, values)| fits(values))
        || (is_plain(core, unit) && core.ledger.known_values(class, unit).any(fits));
    if !is_one {
        let kind = plan.fields[fields[0]].kind.name();
        let words: Vec<String> =
            shown.iter().map(|(system, values)| format!("{} {values:?}", plan.systems[*system].name)).collect();
        found.push(format!("`{kind}` of record {record} differs: {}", words.join(", ")));
    }
}

/// Records nobody knows of.
fn unlinked(core: &Core, view: &View, records: &BTreeMap<i64, Copies>, open: &Open, found: &mut Vec<String>) {
    let linked: BTreeSet<(usize, i64)> = records.values().flatten().map(|(system, key, _)| (*system, *key)).collect();
    let _ = view;
    for (system, profile) in core.plan.systems.iter().enumerate().filter(|(_, profile)| profile.reads) {
        for (key, values) in core.systems[system].live() {
            let serial = &values[core.plan.serial()];
            let is_nobodys = core.may_be_out(system, core.ledger.class(values));
            if !is_nobodys && !linked.contains(&(system, key)) && !open.names_remote(profile.name, key, serial) {
                found.push(format!("{} has {key} ({serial:?}), which belongs to no record", profile.name));
            }
        }
    }
}
