//! How records of a stream are looked up and written.

use super::Read;
use lockstep_json::Node;

use super::place::Place;
use super::request::{Known, Request};
use super::rules::Test;
use super::template;

const SIZE_MAX: u64 = 10_000;

/// A way to find records by some of their fields.
#[derive(Debug)]
pub struct Finding {
    pub by: Vec<String>,
    pub request: Request,
    /// So many at once; 1 = a request for each.
    pub size: usize,
    /// What one of several looks like in `${keys}`.
    pub key: Node,
    /// Upper and lower case are the same to the API.
    pub ignores_case: bool,
    /// Where the records are; none = the answer is the record, and whoever is missing is so by its status.
    pub records: Option<Vec<String>>,
    pub record: Vec<String>,
}

impl Finding {
    pub fn read(place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        place.close(&known.keys(&["by", "size", "key", "records", "record", "ignore_case"]))?;
        let by: Vec<String> = place.required("by", "[\"id\"]")?.texts()?.into_iter().map(str::to_owned).collect();
        let key = match (place.optional("key"), by.as_slice()) {
            (Some(key), _) => {
                template::check(&key, own)?;
                known.protocol.part(&key)?
            }
            (None, [only]) => Node::text(format!("${{key.{only}}}")),
            (None, _) => {
                return Err(place
                    .required("key", "{ id = \"${key.id}\" }")
                    .err()
                    .unwrap_or_else(|| place.expected("`key`")));
            }
        };
        let records = place.optional_path("records")?;
        let mut request = Request::read_only(place, known, own)?;
        request.lists.extend(records.clone());
        Ok(Self {
            by,
            request,
            size: size(place)?,
            key,
            ignores_case: place.is_set("ignore_case")?,
            records,
            record: place.optional_path("record")?.unwrap_or_default(),
        })
    }
}

/// A way to write records.
#[derive(Debug)]
pub struct Writing {
    /// The fields by which an upsert finds its record.
    pub by: Vec<String>,
    pub request: Request,
    /// So many at once; 1 = a request for each.
    pub size: usize,
    /// What one of several looks like in `${rows}`.
    pub row: Node,
    /// Where the answers to the rows are; none = the answer is about the one row there is.
    pub results: Option<Vec<String>>,
    /// Where rows that failed are told of, if not among the results.
    pub errors: Option<Vec<String>>,
    /// What tells whose result it is; none = the order.
    pub token: Option<Token>,
    /// What in a result says that it is a failure.
    pub failed: Vec<Test>,
    /// Where the record is in a result.
    pub record: Vec<String>,
    /// Where the key of a new record is in a result, if it has one part and is not within the record.
    pub id: Option<Vec<String>>,
    /// The whole record is sent, with what nobody has mapped.
    pub is_whole: bool,
}

#[derive(Debug)]
pub struct Token {
    pub row: String,
    pub result: Vec<String>,
    pub error: Vec<String>,
    /// Upper and lower case are the same.
    pub ignores_case: bool,
}

const KEYS: &[&str] = &["by", "size", "row", "results", "errors", "token", "failed", "record", "id", "whole"];

impl Writing {
    pub fn read(place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        place.close(&known.keys(KEYS))?;
        let row = match place.optional("row") {
            Some(row) => {
                template::check(&row, own)?;
                known.protocol.part(&row)?
            }
            None => Node::text("${record}"),
        };
        let (results, errors) = (place.optional_path("results")?, place.optional_path("errors")?);
        let mut request = Request::read(place, known, own)?;
        request.lists.extend(results.iter().chain(&errors).cloned());
        Ok(Self {
            by: place.optional_texts("by")?,
            request,
            size: size(place)?,
            row,
            results,
            errors,
            token: place.optional("token").map(|token| Token::read(&token, own)).transpose()?,
            failed: Test::read_all(place, "failed")?,
            record: place.optional_path("record")?.unwrap_or_default(),
            id: place.optional_path("id")?,
            is_whole: place.is_set("whole")?,
        })
    }
}

impl Token {
    fn read(place: &Place<'_>, own: &[String]) -> Read<Self> {
        place.close(&["row", "result", "error", "ignore_case"])?;
        let row = place.required("row", "\"${token}\"")?;
        template::check(&row, own)?;
        let result = place.required("result", "\"id\"")?.path()?;
        let error = place.optional_path("error")?;
        Ok(Self {
            row: row.text()?.to_owned(),
            error: error.unwrap_or_else(|| result.clone()),
            result,
            ignores_case: place.is_set("ignore_case")?,
        })
    }
}

fn size(place: &Place<'_>) -> Read<usize> {
    let size = place.optional_number("size", 1, SIZE_MAX)?;
    Ok(usize::try_from(size.unwrap_or(1)).unwrap_or(1))
}
