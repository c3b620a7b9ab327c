use std::sync::Arc;

use async_trait::async_trait;
use wasmtime::component::ResourceAny;

use super::PluginConnector;
use super::sink::StreamParts;
use crate::connector::{Result, Transform, Transformed, Transformer};
use crate::plugin::bindings::convert::{self, ChangesParts};
use crate::plugin::bindings::exports;
use crate::plugin::instance::Guest;
use crate::record::{Changes, Field, Stream};

const DESCRIBE: &str = "transform.describe";
const OPEN: &str = "transform.open";
const APPLY: &str = "transform.apply";

#[async_trait]
impl Transform for PluginConnector {
    async fn describe(&self, input: &Stream) -> Result<Stream> {
        let indices = self.inner.interfaces.transform.as_ref().ok_or_else(|| self.missing("transform"))?;
        let mut guest = self.checkout().await?;
        let parts = StreamParts::new(input);
        let fields = parts.fields.params();
        let answer = guest
            .call(DESCRIBE, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                exports.call_describe(&mut *store, &self.inner.config, parts.stream(&fields)).await
            })
            .await?;
        let output = convert::stream(self.answer(answer)?).map_err(|reason| guest.nonsense(DESCRIBE, reason))?;
        self.checkin(guest);
        Ok(output)
    }

    async fn open(&self, input: &Stream) -> Result<Box<dyn Transformer>> {
        let output = self.describe(input).await?;
        let opened = self.open_transformer(input).await?;
        Ok(Box::new(PluginTransformer {
            connector: self.clone(),
            input: input.clone(),
            opened,
            fields: output.fields.into(),
        }))
    }
}

impl PluginConnector {
    async fn open_transformer(&self, input: &Stream) -> Result<Opened> {
        let indices = self.inner.interfaces.transform.as_ref().ok_or_else(|| self.missing("transform"))?;
        let mut guest = self.checkout().await?;
        let parts = StreamParts::new(input);
        let fields = parts.fields.params();
        let (exports, answer) = guest
            .call(OPEN, async |store, instance| {
                let exports = indices.load(&mut *store, instance)?;
                let answer = exports.call_open(&mut *store, &self.inner.config, parts.stream(&fields)).await?;
                Ok((exports, answer))
            })
            .await?;
        let handle = self.answer(answer)?;
        Ok(Opened { guest, exports, handle })
    }
}

/// A transformer and the instance it lives in.
struct Opened {
    guest: Guest,
    exports: exports::transform::Guest,
    handle: ResourceAny,
}

struct PluginTransformer {
    connector: PluginConnector,
    input: Stream,
    opened: Opened,
    /// Of the output.
    fields: Arc<[Field]>,
}

#[async_trait]
impl Transformer for PluginTransformer {
    async fn apply(&mut self, changes: &Changes) -> Result<Transformed> {
        // It is a function: what it has been told before changes nothing.
        if self.opened.guest.is_worn() {
            self.opened = self.connector.open_transformer(&self.input).await?;
        }
        let Opened { guest, exports, handle } = &mut self.opened;
        let parts = ChangesParts::new(changes);
        let columns = parts.data.columns();
        let answer = guest
            .call(APPLY, async |store, _| {
                exports.transformer().call_apply(&mut *store, *handle, parts.changes(&columns)).await
            })
            .await?;
        let output = self.connector.answer(answer)?;
        self.check(output, changes.rows()).map_err(|reason| self.opened.guest.breach(APPLY, "transformed", reason))
    }
}

impl PluginTransformer {
    fn check(&self, output: exports::transform::Transformed, rows: usize) -> Result<Transformed, convert::Nonsense> {
        let changes = convert::changes(output.changes, &self.fields)?;
        let outside = |row: &u32| *row as usize >= rows;
        match &output.origins {
            Some(origins) if origins.len() != changes.rows() || origins.iter().any(outside) => {
                return Err("origins that do not fit its rows".to_owned());
            }
            None if changes.rows() != rows => {
                return Err(format!("{} rows for {rows} without saying where they come from", changes.rows()));
            }
            _ => {}
        }
        if output.rejected.iter().any(|error| outside(&error.row)) {
            return Err("a rejected row that does not exist".to_owned());
        }
        let label = self.connector.label();
        let rejected = output.rejected.into_iter().map(|error| convert::row_error(label, error)).collect();
        Ok(Transformed { changes, origins: output.origins, rejected })
    }
}
