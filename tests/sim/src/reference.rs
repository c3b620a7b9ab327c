//! A simple engine that keeps systems in agreement as long as hardly anything goes wrong. It is there to test the simulation: with
//! it the invariants hold, and with any of its bugs switched on one of them fails.

mod decide;
mod deliver;

use std::sync::{Arc, Mutex, MutexGuard};

use lockstep::connector::{PageLimits, PageStatus, ReadMode, ReadRequest, Result, Source};
use lockstep::record::{Field, LogicalType, Properties, Value, values_of};

use crate::connect::Conn;
use crate::desk::Desk;
use crate::engine::{Ended, Engine, Running};
use crate::plan::{Key, Plan};
use crate::process::Power;
use crate::view::{Dispute, Linked, View};
use crate::world::Sim;

/// Something it can do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Whoever is read last wins, and nobody hears of it.
    BlindMerge,
    /// Records that were made are made again.
    MakeTwice,
    /// What was deleted is made again.
    Resurrect,
    /// What a reading does not show is gone, complete or not.
    TrustEveryScan,
    /// Everything is written in every run.
    AlwaysWrite,
    /// One system gets nothing.
    ForgetSystem,
    /// Fields of a group are decided about one by one.
    TornGroups,
    /// Conditions are left out, and what was read long ago is written back.
    WriteBack,
    /// Some fields are given null.
    Nulls,
    /// One of two changes to a counter is lost.
    NoSums,
}

impl Bug {
    pub const ALL: &[Self] = &[
        Self::BlindMerge,
        Self::MakeTwice,
        Self::Resurrect,
        Self::TrustEveryScan,
        Self::AlwaysWrite,
        Self::ForgetSystem,
        Self::TornGroups,
        Self::WriteBack,
        Self::Nulls,
        Self::NoSums,
    ];
}

/// One system's copy of a record.
#[derive(Clone, Debug, Default)]
struct Side {
    /// The value of its key; none = there is none.
    key: Option<Value>,
    shadow: Vec<Value>,
    /// It was there once.
    was_there: bool,
}

#[derive(Clone, Debug)]
struct Record {
    /// None = nobody has said anything yet.
    canon: Vec<Option<Value>>,
    sides: Vec<Side>,
    is_deleted: bool,
}

#[derive(Default)]
struct Memory {
    records: Vec<Record>,
    disputes: Vec<Dispute>,
}

pub struct Reference {
    memory: Arc<Mutex<Memory>>,
    bug: Option<Bug>,
}

impl Reference {
    pub fn new(bug: Option<Bug>) -> Self {
        Self { memory: Arc::default(), bug }
    }
}

/// One run.
struct Work {
    sim: Sim,
    plan: Arc<Plan>,
    conns: Vec<Conn>,
    memory: Arc<Mutex<Memory>>,
    bug: Option<Bug>,
    written: u64,
}

/// A row that was read: the value of its key, and values by field.
type Row = (Value, Vec<Value>);

impl Engine for Reference {
    fn run(&self, sim: &Sim, power: &Power) -> Running {
        let plan = sim.core().plan.clone();
        let conn = |system| Conn { sim: sim.clone(), system, power: power.clone() };
        let mut work = Work {
            sim: sim.clone(),
            conns: (0..plan.systems.len()).map(conn).collect(),
            plan,
            memory: self.memory.clone(),
            bug: self.bug,
            written: 0,
        };
        Box::pin(async move {
            let error = work.run().await.err().map(|failure| failure.to_string());
            Ended { error, written: work.written, ..Ended::default() }
        })
    }

    fn view(&self, plan: &Plan) -> View {
        let memory = self.memory.lock().expect("nobody panicked");
        let mut view = View { disputes: memory.disputes.clone(), ..View::default() };
        for (record, known) in memory.records.iter().enumerate() {
            for (system, side) in known.sides.iter().enumerate().take(plan.systems.len()) {
                let link = |key: &Value| Linked { system, key: key.clone(), record: record as i64 };
                view.links.extend(side.key.as_ref().map(link));
            }
        }
        view
    }

    fn decide(&self, _: &Sim, _: &mut Desk) {}
}

impl Work {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("nobody panicked")
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    async fn run(&mut self) -> Result<()> {
        for system in 0..self.conns.len() {
            if self.plan.systems[system].reads {
                let (rows, is_complete) = self.read(system).await?;
                self.decide(system, rows, is_complete);
            }
        }
        for system in 0..self.conns.len() {
            let is_forgotten = self.has(Bug::ForgetSystem) && system == self.conns.len() - 1;
            if self.plan.systems[system].writes && !is_forgotten {
                self.deliver(system).await?;
            }
        }
        Ok(())
    }

    fn key_field(&self, system: usize) -> Field {
        let profile = &self.plan.systems[system];
        let logical = if profile.key == Key::Generated { LogicalType::Int64 } else { LogicalType::Text };
        Field::new(profile.key_column(self.plan.serial()).as_ref(), logical)
    }

    /// Everything a system shows.
    async fn read(&self, system: usize) -> Result<(Vec<Row>, bool)> {
        let profile = &self.plan.systems[system];
        let key = self.key_field(system);
        let columns = |field: usize| {
            let name = profile.columns[field].as_deref()?;
            Some(Field::new(name, self.plan.fields[field].kind.logical()))
        };
        let mut fields: Vec<Field> = (0..self.plan.fields.len()).filter_map(columns).collect();
        if !fields.iter().any(|field| field.name == key.name) {
            fields.push(key.clone());
        }
        let request = ReadRequest {
            stream: "people".into(),
            key: vec![key.name.clone()],
            fields,
            mode: ReadMode::Full,
            cursor: None,
            options: Properties::default(),
        };
        let mut reader = Source::open(&self.conns[system], request).await?;
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let page = reader.next(PageLimits { rows: self.plan.page_rows, bytes: 1 << 20 }).await?;
            let columns: Vec<(String, Vec<Option<Value>>)> =
                page.changes.data.iter().map(|(f, column)| (f.name.clone(), values_of(f, column))).collect();
            for row in 0..page.changes.rows() {
                let value = |name: &str| {
                    let column = columns.iter().find(|(known, _)| known == name)?;
                    column.1[row].clone()
                };
                let of_field = |column: &Option<Arc<str>>| column.as_ref().and_then(|name| value(name));
                let values = profile.columns.iter().map(|column| of_field(column).unwrap_or(Value::Null)).collect();
                rows.push((value(&key.name).unwrap_or(Value::Null), values));
            }
            if page.status != PageStatus::More {
                return Ok((rows, page.status == PageStatus::EnumerationComplete));
            }
        }
    }
}
