//! What follows from what a system shows.

use std::collections::BTreeSet;

use lockstep::project::HubDeletes;
use lockstep::record::Value;

use super::{Bug, Memory, Record, Row, Side, Work};
use crate::field::items;
use crate::plan::{Decides, Plan};
use crate::view::Dispute;

impl Work {
    pub fn decide(&self, system: usize, rows: Vec<Row>, is_complete: bool) {
        let mut memory = self.memory();
        let mut seen: BTreeSet<Value> = BTreeSet::new();
        for (key, values) in rows {
            seen.insert(key.clone());
            let record = find(&mut memory, &self.plan, system, &key, &values);
            self.merge(&mut memory, record, system, values);
        }
        if !is_complete && !self.has(Bug::TrustEveryScan) {
            return;
        }
        let is_gone = |side: &Side| side.key.as_ref().is_some_and(|key| !seen.contains(key));
        for at in 0..memory.records.len() {
            if !is_gone(&memory.records[at].sides[system]) {
                continue;
            }
            let record = &mut memory.records[at];
            record.sides[system].key = None;
            if self.has(Bug::Resurrect) {
                record.sides[system].was_there = false;
            } else if self.plan.def.deletes == HubDeletes::Propagate && !record.is_deleted {
                record.is_deleted = true;
                // What the deleter had not seen is kept where it can be read.
                let body = format!("{:?}", texts(&self.plan, &known(record)));
                memory.disputes.push(dispute(at, "delete", body));
            }
        }
    }

    fn merge(&self, memory: &mut Memory, at: usize, system: usize, values: Vec<Value>) {
        let Memory { records, disputes } = memory;
        let record = &mut records[at];
        let is_first = record.sides[system].shadow.is_empty();
        for unit in &self.plan.units {
            let parts: Vec<&[usize]> =
                if self.has(Bug::TornGroups) { unit.chunks(1).collect() } else { vec![unit.as_slice()] };
            for fields in parts {
                let of =
                    |values: &[Value]| -> Vec<Value> { fields.iter().map(|field| values[*field].clone()).collect() };
                if !fields.iter().all(|field| self.plan.systems[system].has(*field)) {
                    continue;
                }
                let incoming = of(&values);
                let known: Option<Vec<Value>> = fields.iter().map(|field| record.canon[*field].clone()).collect();
                let Some(current) = known else {
                    fields.iter().zip(incoming).for_each(|(field, value)| record.canon[*field] = Some(value));
                    continue;
                };
                let base = if is_first { None } else { Some(of(&record.sides[system].shadow)) };
                // Two who count the same have counted twice.
                let is_counter = self.plan.fields[fields[0]].decides == Decides::Counter && base.is_some();
                if base.as_ref() == Some(&incoming) || (incoming == current && !is_counter) {
                    continue;
                }
                if record.is_deleted {
                    // Too late: what is deleted stays deleted, and who wrote can read that.
                    disputes.push(dispute(at, "delete", format!("{:?}", texts_of(&self.plan, fields, &incoming))));
                    continue;
                }
                let is_clear = base.as_ref() == Some(&current) || self.has(Bug::BlindMerge);
                let ruled = match is_clear {
                    true => incoming.clone(),
                    false => self.rule(fields, base.as_deref(), &current, &incoming),
                };
                if !is_clear {
                    let body = format!(
                        "{:?} {:?}",
                        texts_of(&self.plan, fields, &current),
                        texts_of(&self.plan, fields, &incoming)
                    );
                    disputes.push(dispute(at, "field", body));
                }
                for (field, value) in fields.iter().zip(ruled) {
                    record.canon[*field] = Some(value);
                }
            }
        }
        record.sides[system].shadow = values;
    }

    fn rule(&self, fields: &[usize], base: Option<&[Value]>, current: &[Value], incoming: &[Value]) -> Vec<Value> {
        match (self.plan.fields[fields[0]].decides, base) {
            (Decides::Counter, Some([Value::Int(base)])) if !self.has(Bug::NoSums) => match (current, incoming) {
                ([Value::Int(current)], [Value::Int(incoming)]) => vec![Value::Int(current + incoming - base)],
                _ => current.to_vec(),
            },
            (Decides::Set, Some(base)) => {
                let of = |values: &[Value]| -> BTreeSet<String> {
                    items(&values[0]).into_iter().map(str::to_owned).collect()
                };
                let (base, current, incoming) = (of(base), of(current), of(incoming));
                let kept = current.iter().filter(|item| incoming.contains(*item) || !base.contains(*item));
                let added = incoming.difference(&base);
                let all: BTreeSet<&String> = kept.chain(added).collect();
                vec![Value::text(&all.into_iter().cloned().collect::<Vec<_>>().join(";"))]
            }
            _ => current.to_vec(),
        }
    }
}

/// The record a row is, by its key, else by its serial; a new one if there is none.
fn find(memory: &mut Memory, plan: &Plan, system: usize, key: &Value, values: &[Value]) -> usize {
    let serial = plan.serial();
    let by_key = memory.records.iter().position(|record| record.sides[system].key.as_ref() == Some(key));
    if let Some(at) = by_key {
        return at;
    }
    let fits = |record: &Record| {
        record.sides[system].key.is_none()
            && !record.is_deleted
            && record.canon[serial].as_ref() == Some(&values[serial])
    };
    let at = memory.records.iter().position(fits).unwrap_or_else(|| {
        let sides = vec![Side::default(); plan.systems.len()];
        memory.records.push(Record { canon: vec![None; values.len()], sides, is_deleted: false });
        memory.records.len() - 1
    });
    let side = &mut memory.records[at].sides[system];
    *side = Side { key: Some(key.clone()), shadow: Vec::new(), was_there: true };
    at
}

fn known(record: &Record) -> Vec<Value> {
    record.canon.iter().map(|value| value.clone().unwrap_or(Value::Null)).collect()
}

fn dispute(record: usize, kind: &'static str, body: String) -> Dispute {
    Dispute { record: record as i64, kind, is_open: false, subject: String::new(), body, resolution: String::new() }
}

fn texts(plan: &Plan, values: &[Value]) -> Vec<String> {
    texts_of(plan, &(0..values.len()).collect::<Vec<_>>(), values)
}

fn texts_of(plan: &Plan, fields: &[usize], values: &[Value]) -> Vec<String> {
    let json = |(field, value): (&usize, &Value)| value.to_json(plan.fields[*field].kind.logical());
    fields.iter().zip(values).map(json).map(|json| json.to_string().trim_matches('"').to_owned()).collect()
}
