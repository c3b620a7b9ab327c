use std::sync::Arc;

use async_trait::async_trait;
use wasmtime::component::ResourceAny;

use super::PluginConnector;
use crate::connector::{BucketDigests, Compare, CompareRequest, EntryPage, EntryReader, PageLimits, Result};
use crate::plugin::bindings::convert::{self, FieldParts};
use crate::plugin::bindings::exports;
use crate::plugin::bindings::lockstep::plugin::types as wit;
use crate::plugin::instance::Guest;
use crate::record::Field;

const METHODS: &str = "compare.methods";
const DIGEST: &str = "compare.digest";
const ENTRIES: &str = "compare.entries";
const NEXT: &str = "compare.next";

/// A compare request in the shape the contract wants.
struct RequestParts<'a> {
    request: &'a CompareRequest,
    key: Vec<&'a str>,
    fields: FieldParts<'a>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> RequestParts<'a> {
    fn new(request: &'a CompareRequest) -> Self {
        Self {
            request,
            key: convert::names(&request.key),
            fields: FieldParts::new(&request.fields),
            options: convert::pairs(&request.options),
        }
    }

    fn request<'b>(&'b self, fields: &'b [wit::FieldParam<'b>]) -> exports::compare::CompareRequest<'b> {
        exports::compare::CompareRequest {
            stream: &self.request.stream,
            key: &self.key,
            fields,
            method: &self.request.method,
            options: &self.options,
        }
    }
}

#[async_trait]
impl Compare for PluginConnector {
    async fn methods(&self, request: &CompareRequest) -> Result<Vec<String>> {
        let indices = self.inner.interfaces.compare.as_ref().ok_or_else(|| self.missing("compare"))?;
        let mut guest = self.checkout().await?;
        let parts = RequestParts::new(request);
        let fields = parts.fields.params();
        let answer = guest
            .call(METHODS, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                exports.call_methods(&mut *store, &self.inner.config, parts.request(&fields)).await
            })
            .await?;
        let methods = self.answer(answer)?;
        self.checkin(guest);
        Ok(methods)
    }

    async fn digest(&self, request: &CompareRequest, buckets: u32) -> Result<BucketDigests> {
        let indices = self.inner.interfaces.compare.as_ref().ok_or_else(|| self.missing("compare"))?;
        let mut guest = self.checkout().await?;
        let parts = RequestParts::new(request);
        let fields = parts.fields.params();
        let answer = guest
            .call(DIGEST, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                exports.call_digest(&mut *store, &self.inner.config, parts.request(&fields), buckets).await
            })
            .await?;
        let digests = self.answer(answer)?;
        if digests.rows.len() != buckets as usize || digests.sums.len() != buckets as usize {
            let found = digests.rows.len().min(digests.sums.len());
            return Err(guest.nonsense(DIGEST, format!("{found} digests for {buckets} buckets")));
        }
        self.checkin(guest);
        Ok(BucketDigests { rows: digests.rows, sums: digests.sums })
    }

    async fn entries(&self, request: &CompareRequest, buckets: u32, wanted: &[u32]) -> Result<Box<dyn EntryReader>> {
        let indices = self.inner.interfaces.compare.as_ref().ok_or_else(|| self.missing("compare"))?;
        let mut guest = self.checkout().await?;
        let parts = RequestParts::new(request);
        let fields = parts.fields.params();
        let (exports, answer) = guest
            .call(ENTRIES, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                let request = parts.request(&fields);
                let answer = exports.call_entries(&mut *store, &self.inner.config, request, buckets, wanted).await?;
                Ok((exports, answer))
            })
            .await?;
        let handle = self.answer(answer)?;
        let is_key = |field: &&Field| request.key.contains(&field.name);
        let keys = request.fields.iter().filter(is_key).cloned().collect();
        Ok(Box::new(PluginEntryReader { connector: self.clone(), guest, exports, handle, keys }))
    }
}

struct PluginEntryReader {
    connector: PluginConnector,
    guest: Guest,
    exports: exports::compare::Guest,
    handle: ResourceAny,
    /// The key fields.
    keys: Arc<[Field]>,
}

#[async_trait]
impl EntryReader for PluginEntryReader {
    async fn next(&mut self, limits: PageLimits) -> Result<Option<EntryPage>> {
        let (exports, handle) = (&self.exports, self.handle);
        let wanted = wit::Limits { rows: limits.rows, bytes: limits.bytes };
        let answer = self
            .guest
            .call(NEXT, async |store, _| exports.entry_reader().call_next(&mut *store, handle, wanted).await)
            .await?;
        let Some(page) = self.connector.answer(answer)? else { return Ok(None) };
        let keys = convert::batch(page.keys, &self.keys).map_err(|reason| self.guest.nonsense(NEXT, reason))?;
        if page.digests.len() != keys.rows() {
            let reason = format!("{} digests for {} keys", page.digests.len(), keys.rows());
            return Err(self.guest.nonsense(NEXT, reason));
        }
        Ok(Some(EntryPage { keys, digests: page.digests }))
    }
}
