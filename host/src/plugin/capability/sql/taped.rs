//! Databases that are recorded, or answered for by a recording. Statements stand in it as the plugin wrote them, parameters and rows
//! as lists of values; rows as far as they were fetched, and as they were handed over to be loaded.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{DatabasePlace, RowPage};
use crate::connector::{Failure, FailureKind, RowError};
use crate::error::codes;
use crate::plugin::tape::{Taped, Track, Way, failure_from_json, failure_to_json};
use crate::record::{Batch, Field, LogicalType, Properties, batch_from_json, row_to_json};

const ORIGIN: &str = "sql";
/// More of one result does not belong into a recording.
const RESULT_BYTES_MAX: usize = 32 << 20;

#[derive(Clone)]
pub(super) struct Database(pub Way<Arc<super::Database>>);

pub(super) struct Session {
    way: Way<Box<super::Session>>,
    server: String,
}

/// Boxed by whoever holds them: they are large.
pub(super) enum Rows {
    Recorded(RecordedRows),
    Replayed(Replay),
}

/// Rows that are written down as they are fetched.
pub(super) struct RecordedRows {
    real: Box<super::Rows>,
    track: Track,
    /// None once it has been kept.
    asked: Option<Value>,
    pages: Vec<Value>,
    bytes: usize,
}

/// A result as it was recorded.
pub(super) struct Replay {
    fields: Arc<[Field]>,
    pages: VecDeque<RowPage>,
    end: End,
    /// Where it comes from, and the statement.
    of: Option<(Track, String)>,
}

/// How a result ended.
#[derive(Clone)]
enum End {
    Whole,
    /// Nobody fetched the rest.
    Cut,
    Failed(Failure),
}

/// Rows on their way into a table.
pub(super) struct Ingest {
    way: Way<Box<super::Ingest>>,
    table: String,
}

/// A recorder stands beside what is real: it is never asked to be one.
fn not_taped() -> Failure {
    Failure::new(FailureKind::Permanent, &codes::RECORDING, ORIGIN, "nothing is recorded or replayed here")
}

impl Database {
    pub fn place(&self) -> DatabasePlace {
        self.0.live().map_or_else(|| DatabasePlace::File(PathBuf::from("recording")), |real| real.place())
    }

    pub async fn open(&self) -> Result<Session, Failure> {
        let mut opened = None;
        let asked = || json!({ "open": true });
        let server = self.0.ask(asked, async |real| {
            let session = Box::pin(real.open()).await?;
            let server = session.server();
            opened = Some(Box::new(session));
            Ok(server)
        });
        let server = server.await?;
        Ok(Session { way: self.0.with(opened)?, server })
    }
}

impl Session {
    pub fn server(&self) -> String {
        self.server.clone()
    }

    pub async fn query(
        &self,
        statement: &str,
        parameters: Option<&Batch>,
        types: &[LogicalType],
    ) -> Result<Rows, Failure> {
        let asked = asked("query", statement, parameters, types);
        let (real, track) = match &self.way {
            Way::Replayed(track) => {
                let mut replay: Replay = track.answer(&asked)?;
                replay.of = Some((track.clone(), statement.to_owned()));
                return Ok(Rows::Replayed(replay));
            }
            Way::Recorded(real, track) => (real, track),
            Way::Live(_) => return Err(not_taped()),
        };
        match Box::pin(real.query(statement, parameters, types)).await {
            Ok(real) => {
                let real = Box::new(real);
                let (track, asked, pages) = (track.clone(), Some(asked), Vec::new());
                Ok(Rows::Recorded(RecordedRows { real, track, asked, pages, bytes: 0 }))
            }
            Err(failure) => {
                track.keep(asked, Err(failure_to_json(&failure)))?;
                Err(failure)
            }
        }
    }

    pub async fn execute(&self, statement: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
        let asked = || asked("execute", statement, parameters, &[]);
        self.way.ask(asked, async |real| Box::pin(real.execute(statement, parameters)).await).await
    }

    pub async fn script(&self, statements: &str) -> Result<(), Failure> {
        let asked = || json!({ "script": statements });
        self.way.ask(asked, async |real| Box::pin(real.script(statements)).await).await
    }

    pub async fn ingest(&self, table: &[String], columns: &[Field]) -> Result<Ingest, Failure> {
        let table_name = table.join(".");
        let asked =
            || json!({ "ingest": table_name, "columns": columns.iter().map(field_to_json).collect::<Vec<_>>() });
        let mut opened = None;
        let begun = self.way.ask(asked, async |real| {
            opened = Some(Box::new(Box::pin(real.ingest(table, columns)).await?));
            Ok(())
        });
        begun.await?;
        Ok(Ingest { way: self.way.with(opened)?, table: table_name })
    }
}

impl Ingest {
    pub async fn append(&mut self, rows: &Batch) -> Result<(), Failure> {
        let asked = || json!({ "append": self.table, "rows": rows_to_json(rows) });
        self.way.ask_mut(asked, async |real| Box::pin(real.append(rows)).await).await
    }

    pub async fn finish(&mut self) -> Result<u64, Failure> {
        let asked = || json!({ "finish": self.table });
        self.way.ask_mut(asked, async |real| Box::pin(real.finish()).await).await
    }
}

fn asked(verb: &str, statement: &str, parameters: Option<&Batch>, types: &[LogicalType]) -> Value {
    let mut asked = json!({ verb: statement });
    if let (Some(parameters), Some(members)) = (parameters, asked.as_object_mut()) {
        let types: Vec<String> = parameters.fields().iter().map(|field| field.logical.to_string()).collect();
        members.insert("parameters".into(), json!({ "types": types, "rows": rows_to_json(parameters) }));
    }
    if let (false, Some(members)) = (types.is_empty(), asked.as_object_mut()) {
        members.insert("types".into(), types.iter().map(|logical| Value::String(logical.to_string())).collect());
    }
    asked
}

impl Rows {
    pub fn fields(&self) -> Arc<[Field]> {
        match self {
            Self::Recorded(rows) => rows.real.fields(),
            Self::Replayed(result) => result.fields.clone(),
        }
    }

    pub async fn next(&mut self, rows_max: u32, bytes_max: u64) -> Result<Option<RowPage>, Failure> {
        match self {
            Self::Recorded(rows) => rows.next(rows_max, bytes_max).await,
            Self::Replayed(result) => result.next(rows_max),
        }
    }
}

impl RecordedRows {
    async fn next(&mut self, rows_max: u32, bytes_max: u64) -> Result<Option<RowPage>, Failure> {
        match Box::pin(self.real.next(rows_max, bytes_max)).await {
            Ok(Some(page)) => {
                let kept = page_to_json(&page);
                self.bytes += kept.to_string().len();
                if self.bytes > RESULT_BYTES_MAX {
                    let text = format!("a result is larger than the {} MB a recording takes", RESULT_BYTES_MAX >> 20);
                    return Err(Failure::new(FailureKind::Config, &codes::RECORDING, ORIGIN, text)
                        .with("hint", "record less: name small streams with `--stream`"));
                }
                self.pages.push(kept);
                Ok(Some(page))
            }
            Ok(None) => self.end(Value::Null).map(|()| None),
            Err(failure) => {
                self.end(json!({ "failure": failure_to_json(&failure) }))?;
                Err(failure)
            }
        }
    }

    fn end(&mut self, end: Value) -> Result<(), Failure> {
        let Some(asked) = self.asked.take() else { return Ok(()) };
        let fields: Vec<Value> = self.real.fields().iter().map(field_to_json).collect();
        let pages = std::mem::take(&mut self.pages);
        self.track.keep(asked, Ok(json!({ "fields": fields, "pages": pages, "end": end })))
    }
}

impl Drop for RecordedRows {
    fn drop(&mut self) {
        if let Err(failure) = self.end(json!("cut")) {
            tracing::warn!(%failure, "rows that were fetched could not be recorded");
        }
    }
}

impl Replay {
    /// The pages as they were, or in parts if less is asked for than then.
    fn next(&mut self, rows_max: u32) -> Result<Option<RowPage>, Failure> {
        let rows_max = rows_max.max(1) as usize;
        let Some(page) = self.pages.pop_front() else {
            return match &self.end {
                End::Whole => Ok(None),
                End::Failed(failure) => Err(failure.clone()),
                End::Cut => {
                    Err(self.of.as_ref().map_or_else(not_taped, |(track, statement)| track.wants_more(statement)))
                }
            };
        };
        if page.data.rows() <= rows_max {
            return Ok(Some(page));
        }
        let (now, later): (Vec<RowError>, Vec<RowError>) =
            page.problems.into_iter().partition(|problem| (problem.row as usize) < rows_max);
        let moved = u32::try_from(rows_max).unwrap_or(u32::MAX);
        let later = later.into_iter().map(|problem| RowError { row: problem.row.saturating_sub(moved), ..problem });
        let rest = page.data.slice(rows_max, page.data.rows());
        self.pages.push_front(RowPage { data: rest, problems: later.collect() });
        Ok(Some(RowPage { data: page.data.slice(0, rows_max), problems: now }))
    }
}

impl Taped for Replay {
    fn to_json(&self) -> Value {
        let fields: Vec<Value> = self.fields.iter().map(field_to_json).collect();
        let pages: Vec<Value> = self.pages.iter().map(page_to_json).collect();
        let end = match &self.end {
            End::Whole => Value::Null,
            End::Cut => json!("cut"),
            End::Failed(failure) => json!({ "failure": failure_to_json(failure) }),
        };
        json!({ "fields": fields, "pages": pages, "end": end })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let fields: Vec<Field> = value.get("fields")?.as_array()?.iter().map(field_from_json).collect::<Option<_>>()?;
        let fields: Arc<[Field]> = fields.into();
        let page = |page: &Value| page_from_json(&fields, page);
        let pages = value.get("pages")?.as_array()?.iter().map(page).collect::<Option<_>>()?;
        let end = match value.get("end") {
            Some(Value::String(_)) => End::Cut,
            Some(end) => end.get("failure").map_or(End::Whole, |failure| End::Failed(failure_from_json(failure))),
            None => End::Whole,
        };
        Some(Self { fields, pages, end, of: None })
    }
}

fn page_to_json(page: &RowPage) -> Value {
    let rows = rows_to_json(&page.data);
    if page.problems.is_empty() {
        return json!({ "rows": rows });
    }
    let problem = |problem: &RowError| json!({ "row": problem.row, "error": failure_to_json(&problem.error) });
    json!({ "rows": rows, "problems": page.problems.iter().map(problem).collect::<Vec<_>>() })
}

fn page_from_json(fields: &Arc<[Field]>, page: &Value) -> Option<RowPage> {
    let data = rows_from_json(fields, page.get("rows")?.as_array()?)?;
    let problem = |problem: &Value| {
        let row = u32::try_from(problem.get("row")?.as_u64()?).ok()?;
        Some(RowError { row, error: failure_from_json(problem.get("error")?) })
    };
    let problems = page.get("problems").and_then(Value::as_array).into_iter().flatten().map(problem);
    Some(RowPage { data, problems: problems.collect::<Option<_>>()? })
}

fn field_to_json(field: &Field) -> Value {
    json!({
        "name": field.name,
        "type": field.logical.to_string(),
        "nullable": field.nullable,
        "properties": field.properties.0,
    })
}

fn field_from_json(value: &Value) -> Option<Field> {
    let properties = value.get("properties").cloned().unwrap_or_default();
    Some(Field {
        name: value.get("name")?.as_str()?.to_owned(),
        logical: value.get("type")?.as_str()?.parse().ok()?,
        nullable: value.get("nullable")?.as_bool()?,
        properties: Properties(serde_json::from_value(properties).unwrap_or_default()),
    })
}

/// Fields called after their places: results may have two columns of one name.
fn numbered(fields: &[Field]) -> Arc<[Field]> {
    fields.iter().enumerate().map(|(at, field)| Field { name: at.to_string(), ..field.clone() }).collect()
}

/// One list of values per row.
fn rows_to_json(batch: &Batch) -> Vec<Value> {
    let Ok(batch) = Batch::new(numbered(batch.fields()), batch.columns().to_vec(), batch.rows()) else {
        return Vec::new();
    };
    let values = |row| row_to_json(&batch, row).into_iter().map(|(_, value)| value).collect();
    (0..batch.rows()).map(values).collect()
}

fn rows_from_json(fields: &Arc<[Field]>, rows: &[Value]) -> Option<Batch> {
    let object = |row: &Value| {
        let values = row.as_array().filter(|values| values.len() == fields.len())?;
        let members = values.iter().enumerate().map(|(at, value)| (at.to_string(), value.clone()));
        Some(Value::Object(members.collect()))
    };
    let rows: Vec<Value> = rows.iter().map(object).collect::<Option<_>>()?;
    let batch = batch_from_json(&numbered(fields), &rows).ok()?;
    Batch::new(fields.clone(), batch.columns().to_vec(), batch.rows()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> Value {
        let field = |name: &str, logical: &str| json!({"name": name, "type": logical, "nullable": true, "properties": [["native-type", "x"]]});
        json!({
            "fields": [field("id", "int64"), field("id", "text"), field("at", "timestamp"), field("raw", "binary")],
            "pages": [
                {"rows": [[1, "a", "2026-01-02T03:04:05Z", "AAE="], [2, null, null, null], [9223372036854775807_i64, "c", null, ""]],
                 "problems": [{"row": 1, "error": failure_to_json(&not_taped())}]},
                {"rows": [[4, "d", null, null]]},
            ],
            "end": null,
        })
    }

    #[test]
    fn a_result_is_the_same_afterwards() {
        assert_eq!(Replay::from_json(&result()).unwrap().to_json(), result());
        for (name, value) in [("end", json!("cut")), ("end", json!({"failure": failure_to_json(&not_taped())}))] {
            let mut other = result();
            other[name] = value;
            assert_eq!(Replay::from_json(&other).unwrap().to_json(), other);
        }
        let mut short = result();
        short["pages"][0]["rows"][0] = json!([1]);
        assert!(Replay::from_json(&short).is_none());
    }

    #[test]
    fn a_page_is_cut_where_less_is_asked_for() {
        let mut rows = Replay::from_json(&result()).unwrap();
        let mut sizes = Vec::new();
        while let Some(page) = rows.next(1).unwrap() {
            sizes.push((page.data.rows(), page.problems.first().map(|problem| problem.row)));
        }
        assert_eq!(sizes, [(1, None), (1, Some(0)), (1, None), (1, None)]);
        rows.end = End::Cut;
        assert_eq!(rows.next(1).unwrap_err().code.id, "LS0519");
    }
}
