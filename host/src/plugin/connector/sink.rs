use async_trait::async_trait;
use wasmtime::component::ResourceAny;

use super::PluginConnector;
use crate::connector::{
    Effect, Evolve, Flushed, PrepareOptions, Prepared, Result, Sink, WriteMode, WriteRequest, WriteResults,
    WriteStatus, Writer,
};
use crate::plugin::bindings::convert::{self, ChangesParts, FieldParts};
use crate::plugin::bindings::exports;
use crate::plugin::bindings::lockstep::plugin::types as wit;
use crate::plugin::instance::Guest;
use crate::record::{Changes, Stream};

const DESCRIBE: &str = "sink.describe";
const PREPARE: &str = "sink.prepare";
const OPEN: &str = "sink.open";
const WRITE: &str = "sink.write";
const FLUSH: &str = "sink.flush";

#[async_trait]
impl Sink for PluginConnector {
    async fn describe(&self, name: &str) -> Result<Option<Stream>> {
        let indices = self.inner.interfaces.sink.as_ref().ok_or_else(|| self.missing("sink"))?;
        let mut guest = self.checkout().await?;
        let answer = guest
            .call(DESCRIBE, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                exports.call_describe(&mut *store, &self.inner.config, name).await
            })
            .await?;
        let stream = self.answer(answer)?.map(convert::stream).transpose();
        let stream = stream.map_err(|reason| guest.nonsense(DESCRIBE, reason))?;
        self.checkin(guest);
        Ok(stream)
    }

    async fn prepare(&self, wanted: &Stream, options: PrepareOptions) -> Result<Prepared> {
        let indices = self.inner.interfaces.sink.as_ref().ok_or_else(|| self.missing("sink"))?;
        let mut guest = self.checkout().await?;
        let parts = StreamParts::new(wanted);
        let fields = parts.fields.params();
        let flags = [("evolve", options.evolve == Evolve::AddFields), ("dry-run", options.effect == Effect::DryRun)];
        let flags: Vec<(&str, &str)> =
            flags.iter().map(|(name, on)| (*name, if *on { "true" } else { "false" })).collect();
        let answer = guest
            .call(PREPARE, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                exports.call_prepare(&mut *store, &self.inner.config, parts.stream(&fields), &flags).await
            })
            .await?;
        let prepared = self.answer(answer)?;
        let stream = convert::stream(prepared.stream).map_err(|reason| guest.nonsense(PREPARE, reason))?;
        self.checkin(guest);
        Ok(Prepared { stream, actions: prepared.actions })
    }

    async fn open(&self, request: WriteRequest) -> Result<Box<dyn Writer>> {
        let opened = self.open_writer(&request).await?;
        Ok(Box::new(PluginWriter { connector: self.clone(), request, opened, is_flushed: true }))
    }
}

impl PluginConnector {
    async fn open_writer(&self, request: &WriteRequest) -> Result<Opened> {
        let indices = self.inner.interfaces.sink.as_ref().ok_or_else(|| self.missing("sink"))?;
        let mut guest = self.checkout().await?;
        let parts = StreamParts::new(&request.stream);
        let fields = parts.fields.params();
        let options = convert::pairs(&request.options);
        let wanted =
            exports::sink::WriteRequest { stream: parts.stream(&fields), mode: request.mode.name(), options: &options };
        let (exports, answer) = guest
            .call(OPEN, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                let answer = exports.call_open(&mut *store, &self.inner.config, wanted).await?;
                Ok((exports, answer))
            })
            .await?;
        let handle = self.answer(answer)?;
        Ok(Opened { guest, exports, handle })
    }
}

/// A stream in the shape the contract wants.
pub(super) struct StreamParts<'a> {
    stream: &'a Stream,
    key: Vec<&'a str>,
    pub fields: FieldParts<'a>,
    properties: Vec<(&'a str, &'a str)>,
}

impl<'a> StreamParts<'a> {
    pub fn new(stream: &'a Stream) -> Self {
        Self {
            stream,
            key: convert::names(&stream.key),
            fields: FieldParts::new(&stream.fields),
            properties: convert::pairs(&stream.properties),
        }
    }

    pub fn stream<'b>(&'b self, fields: &'b [wit::FieldParam<'b>]) -> wit::StreamParam<'b> {
        wit::StreamParam { name: &self.stream.name, key: &self.key, fields, properties: &self.properties }
    }
}

/// A writer and the instance it lives in.
struct Opened {
    guest: Guest,
    exports: exports::sink::Guest,
    handle: ResourceAny,
}

struct PluginWriter {
    connector: PluginConnector,
    request: WriteRequest,
    opened: Opened,
    /// Nothing has been written since the last flush.
    is_flushed: bool,
}

#[async_trait]
impl Writer for PluginWriter {
    async fn write(&mut self, changes: &Changes) -> Result<WriteResults> {
        // Where all is durable another may go on; but a load begins with what is empty.
        if self.is_flushed && self.opened.guest.is_worn() && self.request.mode != WriteMode::Load {
            self.opened = self.connector.open_writer(&self.request).await?;
        }
        self.is_flushed = false;
        let Opened { guest, exports, handle } = &mut self.opened;
        let parts = ChangesParts::new(changes);
        let columns = parts.data.columns();
        let answer = guest
            .call(WRITE, async |store, _| {
                exports.writer().call_write(&mut *store, *handle, parts.changes(&columns)).await
            })
            .await?;
        let results = self.connector.answer(answer)?;
        self.results(results, changes.rows()).map_err(|reason| self.opened.guest.breach(WRITE, "results", reason))
    }

    async fn flush(&mut self) -> Result<Flushed> {
        let Opened { guest, exports, handle } = &mut self.opened;
        let answer =
            guest.call(FLUSH, async |store, _| exports.writer().call_flush(&mut *store, *handle).await).await?;
        let flushed = self.connector.answer(answer)?;
        self.is_flushed = true;
        Ok(Flushed { written: flushed.written, unchanged: flushed.unchanged, deleted: flushed.deleted })
    }
}

impl PluginWriter {
    fn results(&self, results: exports::sink::WriteResults, rows: usize) -> Result<WriteResults, convert::Nonsense> {
        let statuses = match results.statuses {
            Some(codes) if codes.len() != rows => return Err(format!("{} statuses for {rows} rows", codes.len())),
            Some(codes) => Some(codes.into_iter().map(write_status).collect::<Result<Vec<_>, _>>()?),
            None => None,
        };
        if let Some(error) = results.errors.iter().find(|error| error.row as usize >= rows) {
            return Err(format!("an error for row {} of {rows}", error.row));
        }
        let label = self.connector.label();
        let errors = results.errors.into_iter().map(|error| convert::row_error(label, error)).collect();
        let ids = results.ids.map(|ids| convert::byte_strings(ids, rows)).transpose()?;
        Ok(WriteResults { statuses, errors, ids })
    }
}

fn write_status(code: u8) -> Result<WriteStatus, convert::Nonsense> {
    Ok(match code {
        0 => WriteStatus::Ok,
        1 => WriteStatus::Conflict,
        2 => WriteStatus::Rejected,
        3 => WriteStatus::Retry,
        4 => WriteStatus::Unknown,
        other => return Err(format!("the write status {other} does not exist")),
    })
}
