//! What a system is told.

use std::sync::Arc;

use lockstep::connector::{Result, Sink, WriteMode, WriteRequest, WriteResults, WriteStatus, expected_name};
use lockstep::record::{ChangeKind, Changes, Field, Properties, Stream, Value, batch_of_values};

use super::{Bug, Record, Work};
use crate::plan::Key;

/// One row to be written.
struct Order {
    mode: WriteMode,
    kind: ChangeKind,
    fields: Vec<Field>,
    values: Vec<Option<Value>>,
}

impl Work {
    pub async fn deliver(&mut self, system: usize) -> Result<()> {
        let count = self.memory().records.len();
        for at in 0..count {
            let record = self.memory().records[at].clone();
            let Some(order) = self.order(system, &record) else { continue };
            let (kind, mode) = (order.kind, order.mode);
            let results = self.write(system, order).await?;
            if results.statuses.as_ref().is_some_and(|statuses| statuses[0] != WriteStatus::Ok) {
                continue;
            }
            self.written += 1;
            let mut memory = self.memory();
            let side = &mut memory.records[at].sides[system];
            if kind == ChangeKind::Delete {
                side.key = None;
                continue;
            }
            side.shadow = record.canon.iter().map(|value| value.clone().unwrap_or(Value::Null)).collect();
            side.was_there = true;
            if mode == WriteMode::Insert && !self.has(Bug::MakeTwice) {
                side.key = self.made_key(system, &record, &results);
            }
        }
        Ok(())
    }

    fn made_key(&self, system: usize, record: &Record, results: &WriteResults) -> Option<Value> {
        if self.plan.systems[system].key == Key::Client {
            return record.canon[self.plan.serial()].clone();
        }
        let ids = results.ids.as_ref()?;
        let texts: Vec<String> = serde_json::from_slice(ids.first()?).ok()?;
        texts.first()?.parse().ok().map(Value::Int)
    }

    fn order(&self, system: usize, record: &Record) -> Option<Order> {
        let side = &record.sides[system];
        let (profile, key) = (&self.plan.systems[system], self.key_field(system));
        let column = |field: usize| {
            let name = profile.columns[field].as_deref().filter(|name| *name != key.name)?;
            Some(Field::new(name, self.plan.fields[field].kind.logical()))
        };
        let all: Vec<usize> = (0..self.plan.fields.len()).filter(|field| column(*field).is_some()).collect();
        match (&side.key, record.is_deleted) {
            (None, true) => None,
            (None, false) if side.was_there && !self.has(Bug::MakeTwice) => None,
            (None, false) => {
                let all: Vec<usize> = all.into_iter().filter(|field| record.canon[*field].is_some()).collect();
                let value = |field: &usize| record.canon[*field].clone();
                let mut values: Vec<Option<Value>> = all.iter().map(value).collect();
                let mut fields: Vec<Field> = all.iter().filter_map(|field| column(*field)).collect();
                if profile.key == Key::Client {
                    fields.push(key);
                    values.push(record.canon[self.plan.serial()].clone());
                }
                Some(Order { mode: WriteMode::Insert, kind: ChangeKind::Upsert, fields, values })
            }
            (Some(remote), true) => Some(Order {
                mode: WriteMode::Update,
                kind: ChangeKind::Delete,
                fields: vec![key],
                values: vec![Some(remote.clone())],
            }),
            (Some(remote), false) => {
                let differs = |field: &&usize| side.shadow.get(**field) != record.canon[**field].as_ref();
                let changed: Vec<usize> = all
                    .iter()
                    .filter(|field| record.canon[**field].is_some())
                    .filter(|field| differs(field) || self.has(Bug::AlwaysWrite))
                    .copied()
                    .collect();
                if changed.is_empty() {
                    return None;
                }
                let (mut fields, mut values) = (vec![key.clone()], vec![Some(remote.clone())]);
                for field in changed {
                    let Some(known) = column(field) else { continue };
                    let is_bad = self.has(Bug::Nulls) && self.plan.fields[field].kind.may_be_null();
                    let Some(canon) = &record.canon[field] else { continue };
                    let value = if is_bad { Value::Null } else { canon.clone() };
                    let expected = side.shadow.get(field).filter(|_| !self.has(Bug::WriteBack)).cloned();
                    if let Some(expected) = expected {
                        fields.push(Field::new(expected_name(&known.name), known.logical));
                        values.push(Some(expected));
                    }
                    fields.push(known);
                    values.push(Some(value));
                }
                Some(Order { mode: WriteMode::Update, kind: ChangeKind::Upsert, fields, values })
            }
        }
    }

    async fn write(&self, system: usize, order: Order) -> Result<WriteResults> {
        let fields: Arc<[Field]> = order.fields.into();
        let key = self.key_field(system).name;
        let stream = Stream {
            name: "people".into(),
            key: vec![key],
            fields: fields.to_vec(),
            properties: Properties::default(),
        };
        let request = WriteRequest { stream, mode: order.mode, options: Properties::default() };
        let mut writer = Sink::open(&self.conns[system], request).await?;
        let batch = batch_of_values(&fields, &[&order.values]).expect("values of their fields' types");
        let mut changes = Changes::upserts(batch);
        changes.kinds = (order.kind != ChangeKind::Upsert).then(|| vec![order.kind as u8].into());
        let results = writer.write(&changes).await?;
        writer.flush().await?;
        let _ = &self.sim;
        Ok(results)
    }
}
