//! What a plugin that was just built does: its streams, its first records, its verdicts.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::dev::DevArgs;
use crate::assembly::Assembly;
use crate::cli::output::{Align, Block, Table, shortened, shown};
use crate::cli::{CliError, Context};
use crate::connector::{
    Effect, Evolve, Page, PageLimits, PageStatus, PrepareOptions, ReadMode, ReadRequest, RowError, Sink, Source,
    WriteMode, WriteRequest, WriteStatus,
};
use crate::error::{Error, Result};
use crate::kit::{Built, KitError};
use crate::plugin::{Access, Grants, PluginConnector, Tape};
use crate::project::{ConnectionName, MirrorDef, PluginRef, Project};
use crate::record::{Batch, Changes, Properties, Stream, batch_from_json, row_to_json};

/// Columns of a table that fit beside each other.
const COLUMNS_MAX: usize = 8;
const CELL_CHARS: usize = 24;

/// One look at a plugin.
pub(super) struct Round<'a> {
    pub args: &'a DevArgs,
    pub context: &'a Context,
    pub project: Arc<Project>,
    pub built: &'a Built,
}

impl Round<'_> {
    pub async fn show(&self) -> Result<()> {
        if let Some(path) = &self.args.replay {
            return self.replay(path).await;
        }
        let access = if self.args.write.is_some() { Access::ReadWrite } else { Access::ReadOnly };
        let mut assembly = self.context.assemble((*self.project).clone(), access)?;
        let report = &self.built.binary.report;
        if report.exports_interface("transform") {
            self.transform(&mut assembly).await?;
        }
        if !report.exports_interface("source") && !report.exports_interface("sink") {
            return Ok(());
        }
        let connector = assembly.connector(&self.connection()?)?;
        if report.exports_interface("source") {
            self.source(&connector, None).await?;
        }
        if report.exports_interface("sink") {
            self.sink(&connector).await?;
        }
        Ok(())
    }

    /// Reads from a recording, in its pages: others were not asked for then.
    async fn replay(&self, path: &Path) -> Result<()> {
        let recording = super::replay::read(path)?;
        let (head, tape) = (&recording.head, Tape::play(&recording));
        let (runtime, clock) = (self.context.plugin_runtime()?, self.context.world.clock.clone());
        let (grants, limits) = (Grants::replayed(&recording, &tape), runtime.limits().clone());
        let connector = PluginConnector::system(&runtime, &self.built.binary, &head.config, grants, limits, clock)?;
        connector.require_source()?;
        let shown = self.source(&connector, Some(head.page_rows)).await;
        for gap in tape.gaps() {
            self.context.output.note(&format!("asks for what was not recorded: {gap}"));
        }
        shown
    }

    /// The connection that was named, or the first that uses what was built.
    fn connection(&self) -> Result<ConnectionName, CliError> {
        let connections = || self.project.connections_in_order();
        let known = || connections().map(|connection| connection.name.to_string()).collect();
        let found = match &self.args.connection {
            Some(name) => connections().find(|connection| connection.name.as_str() == name),
            None => connections().find(|connection| self.is_built(&connection.plugin)),
        };
        found.map(|connection| connection.name.clone()).ok_or_else(|| match &self.args.connection {
            Some(name) => {
                CliError::UnknownName { kind: "connection", name: name.clone(), nearest: None, known: known() }
            }
            None => CliError::NotThere {
                what: "no connection of the project uses this plugin".to_owned(),
                hints: vec![format!(
                    "add to lockstep.toml: `[connection.mine]` with `plugin = \"./{}.wasm\"`",
                    self.built.binary.manifest.name
                )],
            },
        })
    }

    fn is_built(&self, plugin: &PluginRef) -> bool {
        let same = |path: &Path| {
            std::fs::canonicalize(self.project.dir.join(path)).ok() == std::fs::canonicalize(&self.built.path).ok()
        };
        matches!(plugin, PluginRef::Path(path) if same(path))
    }

    async fn source(&self, connector: &PluginConnector, page_rows: Option<u32>) -> Result<()> {
        let names: Vec<String> = self.args.stream.iter().cloned().collect();
        let streams = connector.discover(&names).await?;
        if streams.is_empty() {
            self.context.output.note("it offers no stream");
        }
        for stream in streams {
            self.heading("reads", &stream);
            self.read(connector, &stream, page_rows, |page| self.page(&stream, page)).await?;
        }
        Ok(())
    }

    fn heading(&self, verb: &str, stream: &Stream) {
        let fields = stream.fields.len();
        let key = if stream.key.is_empty() { "no key".to_owned() } else { format!("key {}", stream.key.join(", ")) };
        self.context.output.line(&format!("\n{verb} {}: {fields} fields, {key}", stream.name));
    }

    /// The first records of a stream, page by page; of pages of a size of their own the last one is shown whole.
    async fn read(
        &self,
        connector: &PluginConnector,
        stream: &Stream,
        page_rows: Option<u32>,
        show: impl Fn(&Page),
    ) -> Result<()> {
        let request = ReadRequest {
            stream: stream.name.clone(),
            key: stream.key.clone(),
            fields: stream.fields.clone(),
            mode: ReadMode::Full,
            cursor: None,
            options: Properties::default(),
        };
        let mut reader = Source::open(connector, request).await?;
        let mut left = self.args.limit;
        loop {
            let page = reader.next(PageLimits { rows: page_rows.unwrap_or(left), bytes: 1 << 20 }).await?;
            show(&page);
            let taken = page.changes.rows() + page.rejected.len();
            left = left.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
            if page.status != PageStatus::More || left == 0 {
                return Ok(());
            }
        }
    }

    fn page(&self, stream: &Stream, page: &Page) {
        self.rows(&stream.name, &page.changes.data);
        for rejection in &page.rejected {
            self.context.output.line(&format!("{}: {}", rejection.position, rejection.error));
        }
    }

    fn rows(&self, stream: &str, batch: &Batch) {
        let rows: Vec<_> = (0..batch.rows()).map(|row| row_to_json(batch, row)).collect();
        for row in &rows {
            self.context.output.event(&json!({"event": "record", "stream": stream, "values": row}));
        }
        let names: Vec<&str> = batch.fields().iter().map(|field| field.name.as_str()).take(COLUMNS_MAX).collect();
        let columns: Vec<(&str, Align)> = names.iter().map(|name| (*name, Align::Left)).collect();
        let mut table = Table::new(&columns);
        for row in &rows {
            table.row(names.iter().map(|name| shortened(&shown(row.get(*name)), CELL_CHARS)));
        }
        if !table.is_empty() {
            self.context.output.show(&Block::Table(table));
        }
        if let Some(more) = batch.fields().len().checked_sub(COLUMNS_MAX).filter(|more| *more > 0) {
            self.context.output.note(&format!("{more} more columns; `--json` shows them"));
        }
    }

    async fn sink(&self, connector: &PluginConnector) -> Result<()> {
        let (Some(file), Some(name)) = (&self.args.write, &self.args.stream) else {
            self.context.output.note("nothing is written; with `--stream NAME --write rows.jsonl` these rows are");
            return Ok(());
        };
        let missing =
            || CliError::NotThere { what: format!("the plugin has no stream `{name}` to write to"), hints: Vec::new() };
        let found = Sink::describe(connector, name).await?.ok_or_else(missing)?;
        let rows = rows_of(file)?;
        let wanted = Stream { fields: fields_of(&found, &rows), ..found };
        let options = PrepareOptions { evolve: Evolve::LeaveFields, effect: Effect::Real };
        let stream = Stream { fields: wanted.fields.clone(), ..connector.prepare(&wanted, options).await?.stream };
        self.heading("writes", &stream);
        let batch = batch_from_json(&stream.fields.clone().into(), &rows)
            .map_err(|error| not_rows(file, &error.to_string()))?;
        let modes = stream.properties.get("write").unwrap_or("upsert");
        let mode = if modes.contains("upsert") { WriteMode::Upsert } else { WriteMode::Insert };
        let mut writer = Sink::open(connector, WriteRequest { stream, mode, options: Properties::default() }).await?;
        let results = writer.write(&Changes::upserts(batch)).await?;
        let flushed = writer.flush().await?;
        self.verdicts(&rows, results.statuses.as_deref(), &results.errors);
        let counts = format!("{} written, {} unchanged", flushed.written, flushed.unchanged);
        self.context.output.line(&counts);
        self.context
            .output
            .event(&json!({"event": "flushed", "written": flushed.written, "unchanged": flushed.unchanged}));
        Ok(())
    }

    fn verdicts(&self, rows: &[Value], statuses: Option<&[WriteStatus]>, errors: &[RowError]) {
        let mut table = Table::new(&[("row", Align::Left), ("", Align::Left), ("why", Align::Left)]);
        for (at, row) in rows.iter().enumerate() {
            let status = statuses.and_then(|statuses| statuses.get(at)).map_or("ok", |status| status.name());
            let why = errors.iter().find(|error| error.row as usize == at).map(|error| error.error.to_string());
            self.context.output.event(&json!({"event": "verdict", "row": row, "status": status, "why": why}));
            table.row([shortened(&row.to_string(), 60), status.to_owned(), why.unwrap_or_default()]);
        }
        self.context.output.show(&Block::Table(table));
    }

    /// Records of the first sync that uses the transform, as they come out of it.
    async fn transform(&self, assembly: &mut Assembly) -> Result<()> {
        let mirrors = || self.project.syncs_in_order().filter_map(|sync| sync.as_mirror());
        let place =
            |mirror: &MirrorDef| mirror.transforms.iter().position(|transform| self.is_built(&transform.plugin));
        let Some((mirror, at)) = mirrors().find_map(|mirror| Some((mirror, place(mirror)?))) else {
            self.context.output.note("no mirror of the project uses this transform");
            return Ok(());
        };
        let end = assembly.mirror(mirror)?;
        let source = assembly.connector(&mirror.source.connection)?;
        let streams = source.discover(std::slice::from_ref(&mirror.source.stream)).await?;
        let (Some(stream), Some(transform)) = (streams.into_iter().next(), end.transforms.get(at)) else {
            return Ok(());
        };
        let out = transform.connector.describe(&stream).await?;
        self.heading("makes", &out);
        let pages = std::sync::Mutex::new(Vec::new());
        self.read(&source, &stream, None, |page| {
            pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(page.changes.clone())
        })
        .await?;
        let mut transformer = transform.connector.open(&stream).await?;
        for changes in pages.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            let made = transformer.apply(&changes).await?;
            self.rows(&out.name, &made.changes.data);
            for rejected in &made.rejected {
                self.context.output.line(&format!("record {}: {}", rejected.row, rejected.error));
            }
        }
        Ok(())
    }
}

fn rows_of(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).map_err(|source| KitError::Read { path: file.to_owned(), source })?;
    let parse = |(at, line): (usize, &str)| {
        let row: Value =
            serde_json::from_str(line).map_err(|error| not_rows(file, &format!("line {}: {error}", at + 1)))?;
        if row.is_object() { Ok(row) } else { Err(not_rows(file, &format!("line {}: it is no object", at + 1))) }
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

fn not_rows(file: &Path, reason: &str) -> Error {
    let message = format!("`{}` holds no rows: {reason}", file.display());
    CliError::Usage { message, hints: vec!["one JSON object a line, with the stream's fields".to_owned()] }.into()
}

/// The fields of a stream that the rows have.
fn fields_of(stream: &Stream, rows: &[Value]) -> Vec<crate::record::Field> {
    let has = |name: &str| rows.iter().any(|row| row.get(name).is_some());
    stream.fields.iter().filter(|field| has(&field.name)).cloned().collect()
}
