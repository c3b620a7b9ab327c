//! Writing: everything is changed in memory, and saved by a flush.

use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{EXPECTED_PREFIX, PrepareOptions, Prepared, WriteMode};
use lockstep_plugin_sdk::types::BytesColumn;

use crate::store::{Row, Store};
use crate::{Config, Twin, noted, stream};

const OK: u8 = 0;
const CONFLICT: u8 = 1;
const REJECTED: u8 = 2;

pub struct Target {
    config: Config,
    mode: WriteMode,
    stream: String,
    store: Store,
    flushed: Flushed,
    rows: u64,
    flushes: usize,
}

impl Sink for Twin {
    type Config = Config;
    type Writer = Target;

    fn describe(config: Config, name: String) -> Result<Option<Stream>> {
        let store = Store::load()?;
        let found = store.streams.get(&name).map(|rows| stream(&config, &name, rows.is_empty()));
        match config.breach.as_str() {
            "write.describes" if name == "scratch" => Err(Error::permanent("the target cannot be described")),
            "write.missing" if found.is_none() && name != "scratch" => Err(Error::permanent("there is no such target")),
            _ => Ok(found),
        }
    }

    fn prepare(config: Config, wanted: Stream, options: PrepareOptions) -> Result<Prepared> {
        let mut store = Store::load()?;
        let is_there = store.streams.contains_key(&wanted.name);
        if options.dry_run && config.breaks("errors.kind") {
            return Err(Error { kind: "oops".to_owned(), ..Error::permanent("that is not done here") });
        }
        if !is_there && (!options.dry_run || config.breaks("write.dry-run")) {
            store.streams.insert(wanted.name.clone(), Vec::new());
            store.save()?;
        }
        let acts = !is_there || config.breaks("write.prepared");
        let actions = if acts { vec![format!("make `{}`", wanted.name)] } else { Vec::new() };
        Ok(Prepared { stream: wanted, actions })
    }

    fn open(config: Config, request: WriteRequest) -> Result<Target> {
        if config.breaks("write.options") && request.option("x-lockstep-check").is_some() {
            return Err(Error::config("there is no option `x-lockstep-check`"));
        }
        let (mode, stream) = (request.write_mode(), request.stream.name);
        Ok(Target { config, mode, stream, store: Store::load()?, flushed: Flushed::new(0, 0, 0), rows: 0, flushes: 0 })
    }
}

/// One row of a page.
struct Change<'a> {
    view: BatchView<'a>,
    row: usize,
    id: i64,
    deletes: bool,
}

impl Change<'_> {
    fn text(&self, name: &str) -> Option<Option<String>> {
        Some(self.view.column(name)?.text(self.row).map(str::to_owned))
    }

    fn number(&self, name: &str) -> Option<Option<i64>> {
        Some(self.view.column(name)?.int64(self.row))
    }

    /// The record as it would be.
    fn applied(&self, config: &Config, upserts: bool, old: &Row) -> Row {
        let keeps_null = config.breaks("write.null") && upserts;
        let forgets = config.breaks("write.partial") && upserts;
        let text = |name: &str, old: &Option<String>| match self.text(name) {
            Some(None) if keeps_null => old.clone(),
            Some(new) => new,
            None if forgets => None,
            None => old.clone(),
        };
        let number = |name: &str, old: Option<i64>| match self.number(name) {
            Some(None) if keeps_null => old,
            Some(new) => new,
            None if forgets => None,
            None => old,
        };
        Row {
            id: self.id,
            name: text("name", &old.name),
            amount: number("amount", old.amount),
            changed: number("changed", old.changed),
            note: text("note", &old.note),
        }
    }

    /// Whether the record is what it is expected to be.
    fn is_expected(&self, config: &Config, old: &Row) -> bool {
        let column = |name: &str| format!("{EXPECTED_PREFIX}{name}");
        let texts = [("name", &old.name), ("note", &old.note)];
        let numbers = [("amount", old.amount), ("changed", old.changed)];
        let fits = |wanted_is_null: bool, equal: bool| match config.breach.as_str() {
            "update.expected" if !self.deletes && !wanted_is_null => true,
            "update.expected-null" if !self.deletes && wanted_is_null => true,
            "update.delete" if self.deletes => true,
            _ => equal,
        };
        texts
            .iter()
            .all(|(name, is)| self.text(&column(name)).is_none_or(|wanted| fits(wanted.is_none(), wanted == **is)))
            && numbers
                .iter()
                .all(|(name, is)| self.number(&column(name)).is_none_or(|wanted| fits(wanted.is_none(), wanted == *is)))
    }
}

impl Target {
    fn rows(&mut self) -> &mut Vec<Row> {
        self.store.streams.entry(self.stream.clone()).or_default()
    }

    fn found(&mut self, id: i64) -> Option<usize> {
        self.rows().iter().position(|row| row.id == id)
    }

    fn apply(&mut self, change: &Change<'_>, page_rows: usize) -> Result<u8> {
        let at = self.found(change.id);
        match self.mode {
            WriteMode::Upsert if change.deletes => Ok(self.delete(change, at)),
            WriteMode::Upsert => Ok(self.upsert(change, at)),
            WriteMode::Load if at.is_some() => Err(match self.config.breaks("write.load") {
                true => Error::permanent("there is a record already"),
                false => Error::conflict("there is a record already"),
            }),
            WriteMode::Insert if at.is_some() && !self.config.breaks("insert.existing") => Ok(CONFLICT),
            WriteMode::Load | WriteMode::Insert => Ok(self.upsert(change, at)),
            WriteMode::Update => Ok(self.update(change, at, page_rows)),
        }
    }

    fn upsert(&mut self, change: &Change<'_>, at: Option<usize>) -> u8 {
        let upserts = self.mode == WriteMode::Upsert;
        let old = at.and_then(|at| self.rows().get(at).cloned());
        let new = change.applied(&self.config, upserts, &old.clone().unwrap_or_default());
        let Some((at, old)) = at.zip(old) else {
            self.rows().push(new);
            self.flushed.written += 1;
            return OK;
        };
        if old == new && !self.config.breaks("write.unchanged") {
            self.flushed.unchanged += 1;
            if self.config.breaks("write.idempotent") {
                self.rows().push(new);
            }
            return OK;
        }
        self.flushed.written += 1;
        if self.config.breaks("write.change")
            && let Some(neighbour) = self.found(change.id + 1)
        {
            self.rows()[neighbour].name = new.name.clone();
        }
        self.rows()[at] = new;
        OK
    }

    fn delete(&mut self, change: &Change<'_>, at: Option<usize>) -> u8 {
        if at.is_none() {
            return if self.config.breaks("write.delete-again") { REJECTED } else { OK };
        }
        self.flushed.deleted += 1;
        if !(self.config.breaks("write.delete") && self.rows < 2) {
            let id = change.id;
            self.rows().retain(|row| row.id != id);
        }
        OK
    }

    fn update(&mut self, change: &Change<'_>, at: Option<usize>, page_rows: usize) -> u8 {
        let Some(at) = at else {
            if self.config.breaks("update.missing") && !change.deletes {
                return self.upsert(change, None);
            }
            return if change.deletes { OK } else { CONFLICT };
        };
        let old = self.rows()[at].clone();
        if !change.is_expected(&self.config, &old) {
            return CONFLICT;
        }
        if change.deletes {
            self.rows().remove(at);
            self.flushed.deleted += 1;
        } else {
            if !(self.config.breaks("update.changes") && page_rows == 1) {
                self.rows()[at] = change.applied(&self.config, false, &old);
            }
            self.flushed.written += 1;
        }
        OK
    }
}

impl Writer for Target {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        let view = BatchView::new(&changes.data);
        let rows = view.rows();
        self.rows += rows as u64;
        let mut statuses = Vec::new();
        for row in 0..rows {
            let deletes = changes.kinds.as_ref().is_some_and(|kinds| kinds[row] == 1);
            let id = view.column("id").and_then(|ids| ids.int64(row)).unwrap_or_default();
            let change = Change { view, row, id, deletes };
            statuses.push(self.apply(&change, rows)?);
        }
        let loses = match self.config.breach.as_str() {
            "write.upsert" => self.mode == WriteMode::Upsert && statuses == [OK; 3] && noted("upserts")? == 1,
            "insert.creates" => self.mode == WriteMode::Insert && noted("inserts")? == 1,
            "write.flush-twice" => self.flushes > 0,
            _ => false,
        };
        if loses {
            self.store = Store::load()?;
        }
        let ids = (self.mode == WriteMode::Insert).then(|| self.ids(view, &statuses));
        if self.config.breaks("write.answers") {
            statuses.push(OK);
        }
        Ok(WriteResults { statuses: Some(statuses), ids, ..WriteResults::all_ok() })
    }

    fn flush(&mut self) -> Result<Flushed> {
        self.store.save()?;
        self.flushes += 1;
        let (rows, mut flushed) =
            (std::mem::take(&mut self.rows), std::mem::replace(&mut self.flushed, Flushed::new(0, 0, 0)));
        if self.config.breaks("write.counts") && rows > 0 {
            flushed.deleted += 1;
        }
        if self.config.breaks("write.flush-nothing") && rows == 0 {
            flushed.written += 1;
        }
        Ok(flushed)
    }
}

impl Target {
    fn ids(&self, view: BatchView<'_>, statuses: &[u8]) -> BytesColumn {
        let mut column = BytesColumn { offsets: vec![0], data: Vec::new() };
        for (row, status) in statuses.iter().enumerate() {
            let id = view.column("id").and_then(|ids| ids.int64(row)).unwrap_or_default();
            if *status == OK {
                let text = if self.config.breaks("insert.ids") { format!("{id}") } else { format!("[\"{id}\"]") };
                column.data.extend(text.as_bytes());
            }
            column.offsets.push(column.data.len() as u32);
        }
        column
    }
}
