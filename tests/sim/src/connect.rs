//! The connectors to the simulated systems: correct ones, over a network and to systems that are not.

mod reader;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lockstep::connector::{
    Failure, FailureKind, Lookup, PrepareOptions, Prepared, ReadMode, ReadRequest, Reader, Result, Sink, Source,
    WriteMode, WriteRequest, Writer,
};
use lockstep::error::codes;
use lockstep::record::{Batch, Changes, Field, LogicalType, Properties, Stream, Value, values_of};

use crate::cover::{Mark, Op};
use crate::field::Kind;
use crate::plan::{Key, ORIGIN, Position, SECOND};
use crate::process::{Moment, Power};
use crate::quirks::Quirk;
use crate::system::Cursor;
use crate::world::{Core, Sim};

use reader::Column;

/// The name of the only stream.
const STREAM: &str = "people";

/// Why a whole batch is refused.
pub const BATCH_REFUSED: &str = "a row of this batch is not allowed";

/// A connection of one process to one system.
#[derive(Clone)]
pub struct Conn {
    pub sim: Sim,
    pub system: usize,
    pub power: Power,
}

pub fn failure(kind: FailureKind, what: &str) -> Failure {
    Failure::new(kind, &codes::PLUGIN_ERROR, "sim@1", what)
}

impl Conn {
    /// The way there: takes time, and may be the end of it.
    async fn arrive(&self, op: Op) -> Result<()> {
        self.power.point(op, Moment::Before).await;
        let latency = {
            let mut core = self.sim.core();
            core.calls += 1;
            let latency = core.plan.systems[self.system].latency;
            let slow = core.weather[self.system].permille(20);
            latency / 2 + core.weather[self.system].between(0, latency) + if slow { 5 * SECOND } else { 0 }
        };
        self.sim.sleep(latency).await;
        self.befall(op)
    }

    fn befall(&self, op: Op) -> Result<()> {
        let mut core = self.sim.core();
        if core.is_calm {
            core.hit(Mark::Fine, op);
            return Ok(());
        }
        let is_down = core.systems[self.system].down_until > core.now;
        let faults = core.plan.systems[self.system].faults;
        let weather = &mut core.weather[self.system];
        let (dice, wait) = (weather.below(1000), weather.between(1, 60));
        const FATES: &[(Quirk, Mark, FailureKind)] = &[
            (Quirk::LostRequests, Mark::LostRequest, FailureKind::Transient),
            (Quirk::RateLimits, Mark::RateLimit, FailureKind::RateLimited),
            (Quirk::RateLimits, Mark::RetryAfter, FailureKind::RateLimited),
            (Quirk::ServerErrors, Mark::ServerError, FailureKind::Transient),
            (Quirk::PluginFaults, Mark::PluginFault, FailureKind::Fault),
        ];
        let fate = FATES.get((dice / 12) as usize).filter(|(quirk, _, _)| faults.has(*quirk));
        let fate = if is_down { Some((Mark::Down, FailureKind::Transient)) } else { fate.map(|f| (f.1, f.2)) };
        let Some((mark, kind)) = fate else {
            core.hit(Mark::Fine, op);
            return Ok(());
        };
        core.hit(mark, op);
        let (now, name) = (core.now, core.plan.systems[self.system].name);
        core.trace.event(now, "trouble", &[self.system as i64, op as i64], || format!("{name} {op:?}: {mark:?}"));
        let mut failure = failure(kind, "it did not work");
        if mark == Mark::RetryAfter {
            failure.retry_after = Some(Duration::from_secs(wait.unsigned_abs()));
        }
        Err(failure)
    }

    /// The way back.
    async fn answer(&self, op: Op) -> Result<()> {
        self.power.point(op, Moment::After).await;
        let mut core = self.sim.core();
        let may_be_lost = core.plan.systems[self.system].faults.has(Quirk::LostAnswers) && !core.is_calm;
        if core.weather[self.system].permille(15) && may_be_lost {
            core.hit(Mark::LostAnswer, op);
            let (now, name) = (core.now, core.plan.systems[self.system].name);
            core.trace
                .event(now, "trouble", &[self.system as i64, op as i64], || format!("{name} {op:?}: answer lost"));
            return Err(failure(FailureKind::Transient, "the connection was reset"));
        }
        Ok(())
    }

    async fn call<T>(&self, op: Op, work: impl FnOnce(&mut Core) -> Result<T> + Send) -> Result<T>
    where
        T: Send,
    {
        self.arrive(op).await?;
        let result = work(&mut self.sim.core());
        self.answer(op).await?;
        result
    }
}

/// The stream as the system describes it.
pub fn stream(core: &Core, system: usize) -> Stream {
    let (plan, profile) = (&core.plan, &core.plan.systems[system]);
    let field = |name: &str, logical: LogicalType| Field::new(name, logical);
    let mut fields = vec![];
    if profile.key == Key::Generated {
        fields.push(Field { nullable: false, ..field("id", LogicalType::Int64) });
    }
    for (at, planned) in plan.fields.iter().enumerate() {
        if let Some(column) = &profile.columns[at] {
            let logical = match (planned.kind, profile.key) {
                (Kind::Boss, Key::Client) => LogicalType::Text,
                (kind, _) => profile.dialects[at].logical(kind),
            };
            fields.push(field(column, logical));
        }
    }
    if profile.has_origin {
        fields.push(field(ORIGIN, LogicalType::Text));
    }
    fields.push(field("updated", LogicalType::Timestamp));
    let modes = if profile.conditional { "upsert,delete,insert,update" } else { "upsert,delete" };
    let mut properties = Properties::default()
        .with("write", modes)
        .with("empty", (core.systems[system].live().next().is_none()).to_string())
        .with("reports-deletes", profile.tombstones.to_string());
    if profile.lag > 0 {
        properties.set("visibility-lag-ms", ((profile.lag + 999) / 1000).to_string());
    }
    if profile.position != Position::None {
        properties.set("modified", "updated");
    }
    let key = vec![profile.key_column(plan.serial()).to_string()];
    Stream { name: STREAM.into(), key, fields, properties }
}

#[async_trait]
impl Source for Conn {
    async fn discover(&self, names: &[String]) -> Result<Vec<Stream>> {
        let is_wanted = names.is_empty() || names.iter().any(|name| name == STREAM);
        self.call(Op::Discover, |core| Ok(if is_wanted { vec![stream(core, self.system)] } else { Vec::new() })).await
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn Reader>> {
        let op = if request.mode == ReadMode::Full { Op::OpenFull } else { Op::OpenChanges };
        let reader = self.call(op, |core| reader::PageReader::begin(self, request, core)).await?;
        Ok(Box::new(reader))
    }

    fn lookup(&self) -> Option<&dyn Lookup> {
        Some(self)
    }
}

#[async_trait]
impl Lookup for Conn {
    async fn lookup(&self, request: &ReadRequest, keys: &Batch) -> Result<Changes> {
        self.call(Op::Lookup, |core| Ok(find(core, self.system, request, keys))).await
    }
}

/// The records whose fields equal a row of `keys`, as this system shows them now.
fn find(core: &mut Core, system: usize, request: &ReadRequest, keys: &Batch) -> Changes {
    let now = core.now;
    let Core { systems, weather, plan, .. } = &mut *core;
    let (table, chance) = (&systems[system], &mut weather[system]);
    let columns: Vec<(Option<Column>, Vec<Option<Value>>)> =
        keys.iter().map(|(field, column)| (Column::of(plan, system, &field.name), values_of(field, column))).collect();
    let mut found = table.look_at_all(now, chance);
    found.retain(|shown| {
        let has = |(column, values): &(Option<Column>, Vec<Option<Value>>), row: usize| {
            let wanted = values[row].as_ref().filter(|value| !value.is_null());
            wanted.is_some() && column.map(|column| column.value(table, shown)).as_ref() == wanted
        };
        (0..keys.rows()).any(|row| columns.iter().all(|column| has(column, row)))
    });
    let stale = found.iter().filter(|shown| table.is_old(shown)).count();
    let changes = reader::changes(table, &found, &request.fields, None);
    for _ in 0..stale {
        core.hit(Mark::Stale, Op::Lookup);
    }
    let name = core.plan.systems[system].name;
    core.trace.event(now, "lookup", &[system as i64, found.len() as i64], || {
        format!("{name} finds {:?}", found.iter().map(|shown| shown.key).collect::<Vec<_>>())
    });
    changes
}

#[async_trait]
impl Sink for Conn {
    async fn describe(&self, name: &str) -> Result<Option<Stream>> {
        let is_there = name == STREAM;
        self.call(Op::Describe, |core| Ok(is_there.then(|| stream(core, self.system)))).await
    }

    async fn prepare(&self, _: &Stream, _: PrepareOptions) -> Result<Prepared> {
        let stream = self.call(Op::Prepare, |core| Ok(stream(core, self.system))).await?;
        Ok(Prepared { stream, actions: Vec::new() })
    }

    async fn open(&self, request: WriteRequest) -> Result<Box<dyn Writer>> {
        let known: Arc<Stream> = self.call(Op::OpenWriter, |core| Ok(Arc::new(stream(core, self.system)))).await?;
        let is_known = |mode: WriteMode| {
            let modes = known.properties.get("write").unwrap_or_default();
            modes.split(',').any(|known| known == mode.name())
        };
        if !is_known(request.mode) {
            self.sim.core().fail("contract", format!("a writer was opened in mode `{}`", request.mode.name()));
            return Err(failure(FailureKind::Config, "there is no such mode"));
        }
        Ok(Box::new(writer::RowWriter::new(self, request)))
    }
}

impl Conn {
    fn cursor(bytes: &[u8], core: &Core, system: usize) -> Result<Cursor> {
        let cursor = Cursor::read(bytes).ok_or_else(|| failure(FailureKind::Config, "this is no cursor of mine"))?;
        if cursor.epoch != core.systems[system].epoch {
            return Err(failure(FailureKind::StaleCursor, "the position has expired"));
        }
        Ok(cursor)
    }
}
