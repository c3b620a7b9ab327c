use std::sync::Arc;

use async_trait::async_trait;
use wasmtime::component::ResourceAny;

use super::PluginConnector;
use crate::connector::{
    Compare, Failure, Lookup, Page, PageLimits, ReadMode, ReadRequest, Reader, Rejection, Result, Source,
};
use crate::plugin::bindings::convert::{self, BatchParts, FieldParts};
use crate::plugin::bindings::exports;
use crate::plugin::bindings::lockstep::plugin::types as wit;
use crate::plugin::instance::Guest;
use crate::record::{Batch, Changes, Field, Stream};

const DISCOVER: &str = "source.discover";
const OPEN: &str = "source.open";
const NEXT: &str = "source.next";
const LOOKUP: &str = "lookup.lookup";

/// What a page can break, as the property `rule` of the failure says it.
const PAGE_ROWS: &str = "page-rows";
const COLUMNS: &str = "columns";
const CURSOR: &str = "cursor";
const STATUS: &str = "status";

#[async_trait]
impl Source for PluginConnector {
    async fn discover(&self, names: &[String]) -> Result<Vec<Stream>> {
        let indices = self.inner.interfaces.source.as_ref().ok_or_else(|| self.missing("source"))?;
        let mut guest = self.checkout().await?;
        let names = convert::names(names);
        let answer = guest
            .call(DISCOVER, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                exports.call_discover(&mut *store, &self.inner.config, &names).await
            })
            .await?;
        let streams = self.answer(answer)?.into_iter().map(convert::stream).collect::<Result<Vec<_>, _>>();
        let streams = streams.map_err(|reason| guest.breach(DISCOVER, "streams", reason))?;
        self.checkin(guest);
        Ok(streams)
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn Reader>> {
        let indices = self.inner.interfaces.source.as_ref().ok_or_else(|| self.missing("source"))?;
        let mut guest = self.checkout().await?;
        let parts = RequestParts::new(&request);
        let fields = parts.fields.params();
        let (exports, answer) = guest
            .call(OPEN, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                let answer =
                    exports.call_open(&mut *store, &self.inner.config, parts.request(&request, &fields)).await?;
                Ok((exports, answer))
            })
            .await?;
        let handle = self.answer(answer)?;
        let fields = request.fields.clone().into();
        Ok(Box::new(PluginReader { connector: self.clone(), guest, exports, handle, fields }))
    }

    fn compare(&self) -> Option<&dyn Compare> {
        self.inner.interfaces.compare.as_ref().map(|_| self as &dyn Compare)
    }

    fn lookup(&self) -> Option<&dyn Lookup> {
        self.inner.interfaces.lookup.as_ref().map(|_| self as &dyn Lookup)
    }
}

/// A read request in the shape the contract wants.
struct RequestParts<'a> {
    key: Vec<&'a str>,
    fields: FieldParts<'a>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> RequestParts<'a> {
    fn new(request: &'a ReadRequest) -> Self {
        Self {
            key: convert::names(&request.key),
            fields: FieldParts::new(&request.fields),
            options: convert::pairs(&request.options),
        }
    }

    fn request<'b>(&'b self, request: &'b ReadRequest, fields: &'b [wit::FieldParam<'b>]) -> wit::ReadRequest<'b> {
        wit::ReadRequest {
            stream: &request.stream,
            key: &self.key,
            fields,
            mode: match request.mode {
                ReadMode::Full => "full",
                ReadMode::Incremental => "incremental",
            },
            cursor: request.cursor.as_ref().map(|cursor| cursor.0.as_slice()),
            options: &self.options,
        }
    }
}

struct PluginReader {
    connector: PluginConnector,
    guest: Guest,
    exports: exports::source::Guest,
    handle: ResourceAny,
    fields: Arc<[Field]>,
}

#[async_trait]
impl Reader for PluginReader {
    async fn next(&mut self, limits: PageLimits) -> Result<Page> {
        let (exports, handle) = (&self.exports, self.handle);
        let wanted = wit::Limits { rows: limits.rows, bytes: limits.bytes };
        let answer = self
            .guest
            .call(NEXT, async |store, _| exports.reader().call_next(&mut *store, handle, wanted).await)
            .await?;
        let page = self.connector.answer(answer)?;
        self.check(page, limits).map_err(|(rule, reason)| self.guest.breach(NEXT, rule, reason))
    }
}

impl PluginReader {
    /// The page, or the rule it breaks and how.
    fn check(&self, page: wit::Page, limits: PageLimits) -> Result<Page, (&'static str, convert::Nonsense)> {
        let records = page.changes.data.rows as usize + page.rejected.len();
        if records > limits.rows.max(1) as usize {
            return Err((PAGE_ROWS, format!("a page of {records} records where {} were asked for", limits.rows)));
        }
        let cursor_max = self.connector.inner.blueprint.limits.cursor_bytes;
        Ok(Page {
            changes: convert::changes(page.changes, &self.fields).map_err(|reason| (COLUMNS, reason))?,
            rejected: page.rejected.into_iter().map(|rejection| self.rejection(rejection)).collect(),
            next_cursor: convert::cursor(page.next_cursor, cursor_max).map_err(|reason| (CURSOR, reason))?,
            status: convert::status(&page.status).map_err(|reason| (STATUS, reason))?,
        })
    }

    fn rejection(&self, rejection: wit::Rejection) -> Rejection {
        let error: Failure = convert::failure(self.connector.label(), rejection.error);
        Rejection { position: rejection.position, raw: rejection.raw, error }
    }
}

#[async_trait]
impl Lookup for PluginConnector {
    async fn lookup(&self, request: &ReadRequest, keys: &Batch) -> Result<Changes> {
        let indices = self.inner.interfaces.lookup.as_ref().ok_or_else(|| self.missing("lookup"))?;
        let mut guest = self.checkout().await?;
        let parts = RequestParts::new(request);
        let fields = parts.fields.params();
        let key_parts = BatchParts::new(keys);
        let columns = key_parts.columns();
        let answer = guest
            .call(LOOKUP, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                let request = parts.request(request, &fields);
                exports.call_lookup(&mut *store, &self.inner.config, request, key_parts.batch(&columns)).await
            })
            .await?;
        let found = self.answer(answer)?;
        let changes = convert::changes(found, &request.fields.clone().into());
        let changes = changes.map_err(|reason| guest.nonsense(LOOKUP, reason))?;
        self.checkin(guest);
        Ok(changes)
    }
}
