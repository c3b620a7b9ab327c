//! Statements on one connection.

mod run;

use std::sync::Arc;

use super::decode::Decode;
use super::encode::Parameters;
use super::ingest::{self, Ingest};
use super::native::Definition;
use super::rows::{Rows, RowsColumn};
use super::wire::{Kind, Wire, command};
use super::{Home, Lease};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::unfit_type;
use crate::record::{Batch, Field, LogicalType};

pub(super) use run::Scope;

/// A session; dropped, it rolls back what was not committed.
pub(in super::super) struct Session(Arc<Home>);

impl Drop for Session {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A statement the server has ready.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    id: u32,
    parameters: usize,
    columns: Vec<Definition>,
}

impl Session {
    pub(super) fn new(home: Arc<Home>) -> Self {
        Self(home)
    }

    pub fn server(&self) -> String {
        self.0.server.clone()
    }

    /// The rows of one statement. Rows that are dropped long before their end stop the statement, and nothing else.
    pub async fn query(
        &self,
        statement: &str,
        parameters: Option<&Batch>,
        types: &[LogicalType],
    ) -> Result<Rows, Failure> {
        let mut lease = self.lease(statement).await?;
        match begin_query(lease.wire()?, statement, parameters, types).await {
            Ok(columns) => Ok(Rows::new(lease, columns)),
            // Nobody reads these rows: giving the connection back stops the statement.
            Err(failure) if lease.wire()?.is_answering() => Err(failure),
            Err(failure) => Err(fail(lease, failure).await),
        }
    }

    /// Runs a statement once per row, all or nothing outside of a transaction, and answers the number of rows affected: of an
    /// update, those that it changed.
    pub async fn execute(&self, statement: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
        let mut lease = self.lease(statement).await?;
        match execute(lease.wire()?, statement, parameters).await {
            Ok(affected) => lease.finish().await.map(|()| affected),
            Err(failure) => Err(fail(lease, failure).await),
        }
    }

    pub async fn script(&self, statements: &str) -> Result<(), Failure> {
        let mut lease = self.lease(statements).await?;
        match lease.wire()?.run_script(statements).await {
            Ok(()) => {
                lease.wire()?.is_aborted = false;
                lease.finish().await
            }
            Err(failure) => Err(fail(lease, failure).await),
        }
    }

    pub async fn ingest(&self, table: &[String], columns: &[Field]) -> Result<Ingest, Failure> {
        let lease = self.lease("").await?;
        ingest::begin(lease, table, columns).await
    }

    /// The connection. After the server has rolled a transaction back by itself, as it does in a deadlock, what follows would be
    /// committed one by one: only a rollback may follow.
    async fn lease(&self, statement: &str) -> Result<Lease, Failure> {
        let mut lease = self.0.lease().await?;
        let wire = lease.wire()?;
        let word = statement.trim_start().get(..8).unwrap_or_default();
        if !wire.is_aborted || word.eq_ignore_ascii_case("rollback") {
            return Ok(lease);
        }
        let text = "the server has rolled the transaction back, and nothing more can be done in it";
        let failure = wire.failure(FailureKind::Transient, &codes::SQL_STATEMENT, text);
        lease.finish().await?;
        Err(failure)
    }
}

/// Gives the connection back after a failure, and finds out whether the transaction has survived it.
pub(super) async fn fail(mut lease: Lease, failure: Failure) -> Failure {
    if let Ok(wire) = lease.wire()
        && wire.in_transaction()
        && wire.note_survival().await.is_err()
    {
        wire.broken = true;
    }
    lease.fail(failure).await
}

async fn begin_query(
    wire: &mut Wire,
    statement: &str,
    parameters: Option<&Batch>,
    types: &[LogicalType],
) -> Result<Vec<RowsColumn>, Failure> {
    if let Some(rows) = parameters.map(Batch::rows).filter(|rows| *rows != 1) {
        return Err(misuse(wire, format!("a query takes one row of parameters, not {rows}")));
    }
    let prepared = wire.prepare(statement).await?;
    let values = parameter_values(wire, &prepared, parameters)?;
    if prepared.parameters == 0 && !prepared.columns.is_empty() {
        // With parameters, only their values tell what the statement answers; and of an insert the server says nothing yet.
        plan_columns(wire, &prepared.columns, types)?;
    }
    wire.send(command::EXECUTE, &values.body(prepared.id, 0));
    let result = read_head(wire, types).await;
    if result.is_err() {
        wire.forget(statement);
    }
    result
}

/// Reads up to the first row, so that whatever is wrong shows before it.
async fn read_head(wire: &mut Wire, types: &[LogicalType]) -> Result<Vec<RowsColumn>, Failure> {
    let mut definitions = Vec::new();
    loop {
        match wire.arrive().await? {
            Kind::Error => return Err(wire.take_failure(None)),
            Kind::Definition => definitions.push(wire.definition()?),
            Kind::Row | Kind::EndOfRows | Kind::Done(_) => return plan_columns(wire, &definitions, types),
            _ => {}
        }
        wire.consume();
    }
}

async fn execute(wire: &mut Wire, statement: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
    let Some(batch) = parameters else { return wire.run(statement, None).await };
    let prepared = wire.prepare(statement).await?;
    let values = parameter_values(wire, &prepared, parameters)?;
    if batch.rows() == 1 {
        return execute_row(wire, &prepared, &values, 0).await;
    }
    let scope = Scope::begin(wire).await?;
    let mut affected = 0;
    for row in 0..batch.rows() {
        match execute_row(wire, &prepared, &values, row).await {
            Ok(rows) => affected += rows,
            Err(failure) => {
                wire.forget(statement);
                return Err(scope.undo(wire, failure).await);
            }
        }
    }
    scope.keep(wire).await.map(|()| affected)
}

async fn execute_row(
    wire: &mut Wire,
    prepared: &Prepared,
    values: &Parameters<'_>,
    row: usize,
) -> Result<u64, Failure> {
    wire.send(command::EXECUTE, &values.body(prepared.id, row));
    wire.count_affected(None).await.map_err(|failure| failure.with("row", row.to_string()))
}

fn plan_columns(wire: &Wire, definitions: &[Definition], types: &[LogicalType]) -> Result<Vec<RowsColumn>, Failure> {
    if !types.is_empty() && types.len() != definitions.len() {
        let text = format!("the statement answers {} columns, and {} types are wanted", definitions.len(), types.len());
        return Err(misuse(wire, text));
    }
    let plan = |(index, definition): (usize, &Definition)| {
        let native = definition.native();
        let wanted = types.get(index).copied().unwrap_or_else(|| native.natural());
        let decode = Decode::plan(definition, wanted)
            .ok_or_else(|| unfit_type(&wire.origin, &definition.name, &native.name(), wanted))?;
        let mut field = Field::new(definition.name.clone(), wanted);
        field.properties.set("native-type", native.name());
        Ok(RowsColumn { field, decode })
    };
    definitions.iter().enumerate().map(plan).collect()
}

fn parameter_values<'b>(
    wire: &Wire,
    prepared: &Prepared,
    parameters: Option<&'b Batch>,
) -> Result<Parameters<'b>, Failure> {
    let (wanted, given) = (prepared.parameters, parameters.map_or(0, |batch| batch.columns().len()));
    if given != wanted {
        return Err(misuse(wire, format!("the statement takes {wanted} parameters, and {given} are given")));
    }
    Parameters::new(parameters, &wire.origin)
}

pub(super) fn misuse(wire: &Wire, text: impl Into<String>) -> Failure {
    wire.failure(FailureKind::Permanent, &codes::SQL_STATEMENT, text)
}
