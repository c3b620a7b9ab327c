//! Statements on one connection.

use std::collections::HashMap;
use std::sync::Arc;

use super::decode::Decode;
use super::encode::{ColumnEncoder, check_batch};
use super::ingest::{self, Ingest};
use super::messages::{self, Format};
use super::native::{self, Native};
use super::rows::{Rows, RowsColumn};
use super::wire::Wire;
use super::{Home, Lease};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::unfit_type;
use crate::plugin::capability::sql::view::View;
use crate::record::{Batch, Field, LogicalType};

/// Parameters are sent in pieces of about this many bytes while the server works on the ones before.
const CHUNK_BYTES: usize = 64 * 1024;

/// A session; dropped, it rolls back what was not committed.
pub(in super::super) struct Session(Arc<Home>);

impl Drop for Session {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the server says about a statement before it runs.
struct Description {
    parameters: Vec<u32>,
    columns: Vec<RowColumn>,
}

/// A column of a result as the server describes it.
struct RowColumn {
    name: String,
    type_id: u32,
    modifier: i32,
}

impl Session {
    pub(super) fn new(home: Arc<Home>) -> Self {
        Self(home)
    }

    pub fn server(&self) -> String {
        self.0.server.clone()
    }

    /// The rows of one statement. Inside a transaction, rows that are dropped long before their end take the transaction
    /// with them, as every cancelled statement does.
    pub async fn query(
        &self,
        statement: &str,
        parameters: Option<&Batch>,
        types: &[LogicalType],
    ) -> Result<Rows, Failure> {
        let mut lease = self.lease(statement).await?;
        match begin_query(lease.wire()?, statement, parameters, types).await {
            Ok(columns) => Ok(Rows::new(lease, columns)),
            Err(failure) => Err(lease.fail(failure).await),
        }
    }

    /// Runs a statement once per row, all or nothing outside of a transaction, and answers the number of rows affected.
    pub async fn execute(&self, statement: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
        let mut lease = self.lease(statement).await?;
        match execute(lease.wire()?, statement, parameters).await {
            Ok(affected) => lease.finish().await.map(|()| affected),
            Err(failure) => Err(lease.fail(failure).await),
        }
    }

    pub async fn script(&self, statements: &str) -> Result<(), Failure> {
        let mut lease = self.lease(statements).await?;
        match lease.wire()?.run_script(statements).await {
            Ok(()) => lease.finish().await,
            Err(failure) => Err(lease.fail(failure).await),
        }
    }

    pub async fn ingest(&self, table: &[String], columns: &[Field]) -> Result<Ingest, Failure> {
        let lease = self.lease("").await?;
        ingest::begin(lease, table, columns).await
    }

    async fn lease(&self, statement: &str) -> Result<Lease, Failure> {
        if statement.contains('\0') {
            let text = "the statement contains a NUL byte";
            let origin = &self.0.pool.connector.origin;
            return Err(Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, origin, text));
        }
        self.0.lease().await
    }
}

async fn begin_query(
    wire: &mut Wire,
    statement: &str,
    parameters: Option<&Batch>,
    types: &[LogicalType],
) -> Result<Vec<RowsColumn>, Failure> {
    let description = prepare(wire, statement).await?;
    if let Some(rows) = parameters.map(Batch::rows).filter(|rows| *rows != 1) {
        return Err(misuse(wire, format!("a query takes one row of parameters, not {rows}")));
    }
    let encoders = parameter_encoders(wire, &description, parameters)?;
    let names = type_names(wire, &description.columns).await?;
    let columns = plan_columns(wire, &description.columns, &names, types)?;
    if !names.is_empty() {
        // The look-up has replaced the unnamed statement.
        prepare(wire, statement).await?;
    }
    let results: Vec<Format> = columns.iter().map(|column| column.decode.format()).collect();
    bind_row(wire, &encoders, parameters, 0, &results);
    messages::execute(wire.out());
    wire.send_sync();
    // Whatever is wrong shows before the first row.
    loop {
        match wire.arrive().await? {
            b'2' => wire.consume(),
            b'E' => return Err(wire.take_failure()),
            _ => return Ok(columns),
        }
    }
}

async fn execute(wire: &mut Wire, statement: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
    let description = prepare(wire, statement).await?;
    let encoders = parameter_encoders(wire, &description, parameters)?;
    let views = views(parameters);
    let rows = parameters.map_or(1, Batch::rows);
    let mut progress = Progress { executions: 0, affected: 0, by_row: parameters.is_some() };
    for row in 0..rows {
        bind(wire, &encoders, &views, row, &[]);
        messages::execute(wire.out());
        if wire.out().len() >= CHUNK_BYTES {
            while wire.flush_or_arrive().await?.is_some() {
                progress.note(wire)?;
            }
        }
    }
    wire.send_sync();
    while wire.owed > 0 {
        wire.arrive().await?;
        progress.note(wire)?;
    }
    Ok(progress.affected)
}

/// How far a series of executions has come.
struct Progress {
    executions: u64,
    affected: u64,
    by_row: bool,
}

impl Progress {
    /// Takes the message that has arrived.
    fn note(&mut self, wire: &mut Wire) -> Result<(), Failure> {
        match wire.arrived()? {
            Some(b'C') => {
                self.executions += 1;
                self.affected += affected_rows(wire.body());
            }
            Some(b'E') => {
                // What has been sent but not executed is skipped up to the next sync.
                if wire.owed == 0 {
                    wire.send_sync();
                }
                let failure = wire.take_failure();
                return Err(if self.by_row { failure.with("row", self.executions.to_string()) } else { failure });
            }
            Some(b'G' | b'W') => {
                wire.refuse_copy();
                return Ok(());
            }
            _ => {}
        }
        wire.consume();
        Ok(())
    }
}

/// The number at the end of `INSERT 0 5`, `UPDATE 3`.
pub(super) fn affected_rows(tag: &[u8]) -> u64 {
    let tag = String::from_utf8_lossy(tag);
    tag.trim_end_matches('\0').rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Makes the unnamed statement.
async fn prepare(wire: &mut Wire, statement: &str) -> Result<Description, Failure> {
    messages::parse(wire.out(), statement);
    messages::describe(wire.out());
    wire.send_sync();
    let mut description = Description { parameters: Vec::new(), columns: Vec::new() };
    while wire.owed > 0 {
        match wire.arrive().await? {
            b't' => description.parameters = Body(wire.body()).parameters().unwrap_or_default(),
            b'T' => description.columns = Body(wire.body()).columns().unwrap_or_default(),
            b'E' => return Err(wire.take_failure()),
            _ => {}
        }
        wire.consume();
    }
    Ok(description)
}

/// A message's body, read from the front.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn parameters(mut self) -> Option<Vec<u32>> {
        let count = u16::from_be_bytes(self.take()?);
        (0..count).map(|_| Some(u32::from_be_bytes(self.take()?))).collect()
    }

    fn columns(mut self) -> Option<Vec<RowColumn>> {
        let count = u16::from_be_bytes(self.take()?);
        (0..count).map(|_| self.column()).collect()
    }

    /// Name, table, position, type, size, modifier, format.
    fn column(&mut self) -> Option<RowColumn> {
        let name = self.text()?;
        self.take::<6>()?;
        let type_id = u32::from_be_bytes(self.take()?);
        self.take::<2>()?;
        let modifier = i32::from_be_bytes(self.take()?);
        self.take::<2>()?;
        Some(RowColumn { name, type_id, modifier })
    }
}

/// What the server calls the types of columns that are not built in.
async fn type_names(wire: &mut Wire, columns: &[RowColumn]) -> Result<HashMap<(u32, i32), String>, Failure> {
    let unknown = columns.iter().filter(|column| native::name(column.type_id, column.modifier).is_none());
    let mut names = HashMap::new();
    let asked: Vec<String> =
        unknown.map(|column| format!("({}::oid, {}::int4)", column.type_id, column.modifier)).collect();
    if asked.is_empty() {
        return Ok(names);
    }
    let statement = format!(
        "SELECT t.id, t.modifier, pg_catalog.format_type(t.id, t.modifier) FROM (VALUES {}) t (id, modifier)",
        asked.join(", ")
    );
    for row in wire.fetch_text(&statement, &[]).await? {
        if let [Some(id), Some(modifier), Some(name)] = row.as_slice()
            && let (Ok(id), Ok(modifier)) = (id.parse(), modifier.parse())
        {
            names.insert((id, modifier), name.clone());
        }
    }
    Ok(names)
}

fn plan_columns(
    wire: &Wire,
    columns: &[RowColumn],
    names: &HashMap<(u32, i32), String>,
    types: &[LogicalType],
) -> Result<Vec<RowsColumn>, Failure> {
    if !types.is_empty() && types.len() != columns.len() {
        let text = format!("the statement answers {} columns, and {} types are wanted", columns.len(), types.len());
        return Err(misuse(wire, text));
    }
    let plan = |(index, column): (usize, &RowColumn)| {
        let native = Native::of(column.type_id, column.modifier);
        let wanted = types.get(index).copied().unwrap_or_else(|| native.natural());
        let name = native::name(column.type_id, column.modifier)
            .or_else(|| names.get(&(column.type_id, column.modifier)).cloned())
            .unwrap_or_default();
        let decode =
            Decode::plan(native, wanted).ok_or_else(|| unfit_type(&wire.origin, &column.name, &name, wanted))?;
        let mut field = Field::new(column.name.clone(), wanted);
        field.properties.set("native-type", name);
        Ok(RowsColumn { field, decode })
    };
    columns.iter().enumerate().map(plan).collect()
}

fn parameter_encoders(
    wire: &Wire,
    description: &Description,
    parameters: Option<&Batch>,
) -> Result<Vec<ColumnEncoder>, Failure> {
    let fields: &[Field] = parameters.map(|batch| &**batch.fields()).unwrap_or_default();
    if fields.len() != description.parameters.len() {
        let (wanted, given) = (description.parameters.len(), fields.len());
        return Err(misuse(wire, format!("the statement takes {wanted} parameters, and {given} are given")));
    }
    let mut encoders = Vec::with_capacity(fields.len());
    for (number, (type_id, field)) in (1..).zip(description.parameters.iter().zip(fields)) {
        let native = Native::of(*type_id, -1);
        let encoder = ColumnEncoder::new(&format!("${number}"), native, field.logical).ok_or_else(|| {
            let name = native::name(*type_id, -1).unwrap_or_else(|| format!("type {type_id}"));
            let text = format!("parameter ${number} is `{name}` and cannot take a `{}`", field.logical);
            Failure::new(FailureKind::Config, &codes::SQL_STATEMENT, &wire.origin, text)
        })?;
        encoders.push(encoder);
    }
    if let Some(batch) = parameters {
        check_batch(&encoders, batch, &wire.origin, 0)?;
    }
    Ok(encoders)
}

fn views(parameters: Option<&Batch>) -> Vec<View<'_>> {
    parameters.iter().flat_map(|batch| batch.columns()).map(|column| View::new(&column.array)).collect()
}

fn bind_row(wire: &mut Wire, encoders: &[ColumnEncoder], parameters: Option<&Batch>, row: usize, results: &[Format]) {
    bind(wire, encoders, &views(parameters), row, results);
}

fn bind(wire: &mut Wire, encoders: &[ColumnEncoder], views: &[View<'_>], row: usize, results: &[Format]) {
    let formats: Vec<Format> = encoders.iter().map(ColumnEncoder::format).collect();
    messages::bind(wire.out(), &formats, results, |out| {
        for (encoder, view) in encoders.iter().zip(views) {
            match encoder.format() {
                Format::Binary => encoder.write_binary(view, row, out),
                Format::Text => encoder.write_text(view, row, out),
            }
        }
    });
}

fn misuse(wire: &Wire, text: String) -> Failure {
    wire.failure(FailureKind::Permanent, &codes::SQL_STATEMENT, text)
}

impl Wire {
    /// Runs statements and throws their rows away.
    pub async fn run_script(&mut self, statements: &str) -> Result<(), Failure> {
        self.send_query(statements);
        let mut failure = None;
        while self.owed > 0 {
            match self.arrive().await? {
                b'E' => failure = failure.or(Some(self.take_failure())),
                b'G' | b'W' => self.refuse_copy(),
                _ => self.consume(),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// The few rows of a statement of our own, as text. The parameters are text.
    pub async fn fetch_text(
        &mut self,
        statement: &str,
        parameters: &[&str],
    ) -> Result<Vec<Vec<Option<String>>>, Failure> {
        messages::parse(self.out(), statement);
        messages::bind(self.out(), &vec![Format::Text; parameters.len()], &[Format::Text], |out| {
            parameters.iter().for_each(|parameter| messages::value(out, parameter.as_bytes()));
        });
        messages::execute(self.out());
        self.send_sync();
        let mut rows = Vec::new();
        while self.owed > 0 {
            match self.arrive().await? {
                b'D' => rows.push(text_row(self.body())),
                b'E' => return Err(self.take_failure()),
                _ => {}
            }
            self.consume();
        }
        Ok(rows)
    }
}

fn text_row(body: &[u8]) -> Vec<Option<String>> {
    super::rows::values(body).map(|value| value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_tell_the_rows_affected() {
        for (tag, rows) in [("INSERT 0 5", 5), ("UPDATE 3", 3), ("CREATE TABLE", 0), ("COPY 12", 12), ("", 0)] {
            assert_eq!(affected_rows(format!("{tag}\0").as_bytes()), rows, "{tag}");
        }
    }
}
