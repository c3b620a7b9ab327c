use std::sync::Arc;

use wasmtime::component::Resource;

use super::super::bindings::convert::{batch, batch_for_plugin, field, field_for_plugin, row_error_for_plugin};
use super::super::bindings::lockstep::plugin::sql as wit;
use super::super::bindings::lockstep::plugin::types::{BatchResult, FieldResult};
use super::{HostResult, answer, not_granted, table_error};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::{Ingest, RowPage, Rows, Session};
use crate::plugin::instance::State;
use crate::record::{Batch, Field, LogicalType};

/// An ingest with the types its batches come in.
pub struct TypedIngest {
    ingest: Ingest,
    fields: Arc<[Field]>,
}

/// For values that make no sense: the plugin passed them, so the plugin gets the error.
fn misuse(reason: String) -> Failure {
    Failure::new(FailureKind::Permanent, &codes::PLUGIN_NONSENSE, "sql", reason)
}

fn parse_types(types: &[String]) -> Result<Vec<LogicalType>, Failure> {
    types.iter().map(|name| name.parse().map_err(|error| misuse(format!("{error}")))).collect()
}

/// Parameters are matched by position; their columns' names do not matter.
fn parameters(parameters: Option<wit::Parameters>) -> Result<Option<Batch>, Failure> {
    let Some(wit::Parameters { types, mut rows }) = parameters else { return Ok(None) };
    let types = parse_types(&types)?;
    if types.len() != rows.columns.len() {
        return Err(misuse(format!("{} types for {} parameters", types.len(), rows.columns.len())));
    }
    let mut fields = Vec::with_capacity(types.len());
    for (index, (logical, column)) in types.into_iter().zip(&mut rows.columns).enumerate() {
        column.name = format!("${}", index + 1);
        fields.push(Field::new(column.name.clone(), logical));
    }
    batch(rows, &fields.into()).map(Some).map_err(misuse)
}

fn row_page(page: RowPage) -> wit::RowPage {
    wit::RowPage {
        data: batch_for_plugin(&page.data),
        problems: page.problems.into_iter().map(row_error_for_plugin).collect(),
    }
}

impl wit::Host for State {
    async fn open(&mut self, alias: String) -> HostResult<Resource<Session>> {
        let Some(database) = self.grants.sql.get(&alias).cloned() else {
            return Ok(answer(Err(not_granted(self, "sql", &alias, "{ url = \"env:DATABASE_URL\" }"))));
        };
        if let Some(failure) = self.grants.trouble.strikes() {
            return Ok(answer(Err(failure)));
        }
        match database.open().await {
            Ok(session) => Ok(Ok(self.table.push(session).map_err(table_error)?)),
            Err(failure) => Ok(answer(Err(failure))),
        }
    }
}

impl wit::HostSession for State {
    async fn server(&mut self, session: Resource<Session>) -> wasmtime::Result<String> {
        Ok(self.table.get(&session).map_err(table_error)?.server())
    }

    async fn query(
        &mut self,
        session: Resource<Session>,
        statement: String,
        given: Option<wit::Parameters>,
        types: Vec<String>,
    ) -> HostResult<Resource<Rows>> {
        if let Some(failure) = self.grants.trouble.strikes() {
            return Ok(answer(Err(failure)));
        }
        let session = self.table.get_mut(&session).map_err(table_error)?;
        let outcome = match (parameters(given), parse_types(&types)) {
            (Ok(given), Ok(types)) => session.query(&statement, given.as_ref(), &types).await,
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        };
        match outcome {
            Ok(rows) => Ok(Ok(self.table.push(rows).map_err(table_error)?)),
            Err(failure) => Ok(answer(Err(failure))),
        }
    }

    async fn execute(
        &mut self,
        session: Resource<Session>,
        statement: String,
        given: Option<wit::Parameters>,
    ) -> HostResult<u64> {
        let change = match self.grants.trouble.change() {
            Ok(change) => change,
            Err(failure) => return Ok(answer(Err(failure))),
        };
        let session = self.table.get_mut(&session).map_err(table_error)?;
        let outcome = match parameters(given) {
            Ok(given) => session.execute(&statement, given.as_ref()).await,
            Err(failure) => Err(failure),
        };
        Ok(answer(change.answer(outcome)))
    }

    async fn script(&mut self, session: Resource<Session>, statements: String) -> HostResult<()> {
        let change = match self.grants.trouble.change() {
            Ok(change) => change,
            Err(failure) => return Ok(answer(Err(failure))),
        };
        let session = self.table.get_mut(&session).map_err(table_error)?;
        Ok(answer(change.answer(session.script(&statements).await)))
    }

    async fn ingest(
        &mut self,
        session: Resource<Session>,
        table: Vec<String>,
        columns: Vec<FieldResult>,
    ) -> HostResult<Resource<TypedIngest>> {
        let fields: Result<Vec<Field>, _> = columns.into_iter().map(field).collect();
        let fields: Arc<[Field]> = match fields {
            Ok(fields) => fields.into(),
            Err(reason) => return Ok(answer(Err(misuse(reason)))),
        };
        let session = self.table.get_mut(&session).map_err(table_error)?;
        match session.ingest(&table, &fields).await {
            Ok(ingest) => Ok(Ok(self.table.push(TypedIngest { ingest, fields }).map_err(table_error)?)),
            Err(failure) => Ok(answer(Err(failure))),
        }
    }

    async fn drop(&mut self, session: Resource<Session>) -> wasmtime::Result<()> {
        self.table.delete(session).map(drop).map_err(table_error)
    }
}

impl wit::HostRows for State {
    async fn fields(&mut self, rows: Resource<Rows>) -> wasmtime::Result<Vec<FieldResult>> {
        let rows = self.table.get(&rows).map_err(table_error)?;
        Ok(rows.fields().iter().map(field_for_plugin).collect())
    }

    async fn next(&mut self, rows: Resource<Rows>, rows_max: u32, bytes_max: u64) -> HostResult<Option<wit::RowPage>> {
        let rows_max = rows_max.min(self.limits.page_rows);
        let bytes_max = bytes_max.min(self.limits.page_bytes);
        if let Some(failure) = self.grants.trouble.strikes() {
            return Ok(answer(Err(failure)));
        }
        let rows = self.table.get_mut(&rows).map_err(table_error)?;
        Ok(answer(rows.next(rows_max, bytes_max).await.map(|page| page.map(row_page))))
    }

    async fn drop(&mut self, rows: Resource<Rows>) -> wasmtime::Result<()> {
        self.table.delete(rows).map(drop).map_err(table_error)
    }
}

impl wit::HostIngest for State {
    async fn append(&mut self, ingest: Resource<TypedIngest>, rows: BatchResult) -> HostResult<()> {
        let typed = self.table.get_mut(&ingest).map_err(table_error)?;
        let outcome = match batch(rows, &typed.fields).map_err(misuse) {
            Ok(batch) => typed.ingest.append(&batch).await,
            Err(failure) => Err(failure),
        };
        Ok(answer(outcome))
    }

    async fn finish(&mut self, ingest: Resource<TypedIngest>) -> HostResult<u64> {
        let change = match self.grants.trouble.change() {
            Ok(change) => change,
            Err(failure) => return Ok(answer(Err(failure))),
        };
        let typed = self.table.get_mut(&ingest).map_err(table_error)?;
        Ok(answer(change.answer(typed.ingest.finish().await)))
    }

    async fn drop(&mut self, ingest: Resource<TypedIngest>) -> wasmtime::Result<()> {
        self.table.delete(ingest).map(drop).map_err(table_error)
    }
}
