//! Writing: new issues, and edits that nobody got in the way of.

use lockstep_plugin_sdk::http::Client;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::rows::{Done, Row, Tally};
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

use crate::issue::{Edit, Issue, Told};
use crate::{Config, Issues, STREAM, stream};

pub struct IssueWriter {
    client: Client,
    mode: WriteMode,
    tally: Tally,
}

impl Sink for Issues {
    type Config = Config;
    type Writer = IssueWriter;

    fn describe(_config: Config, name: String) -> Result<Option<Stream>> {
        Ok((name == STREAM).then(stream))
    }

    fn prepare(_config: Config, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        if wanted.name != STREAM {
            return Err(Error::not_found(format!("the only stream is `{STREAM}`")));
        }
        Edit::check_fields(&wanted.fields)?;
        Ok(Prepared { stream: stream(), actions: Vec::new() })
    }

    fn open(config: Config, request: WriteRequest) -> Result<IssueWriter> {
        Ok(IssueWriter { client: config.client(), mode: request.write_mode(), tally: Tally::default() })
    }
}

impl Writer for IssueWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        let (client, mode) = (&self.client, self.mode);
        self.tally.write::<Edit>(&changes, |row| match mode {
            _ if row.is_delete => Err(Error::invalid_data("issues cannot be deleted").with_code("issues.delete")),
            WriteMode::Insert => insert(client, row),
            _ => update(client, row),
        })
    }

    fn flush(&mut self) -> Result<Flushed> {
        Ok(self.tally.flush())
    }
}

fn insert(client: &Client, row: Row<Edit>) -> Result<Done> {
    let number = client.send(client.post("issues").json(&row.values)?)?.written::<Told>()?.number;
    // A new issue is open whatever one says. From here on it is there, whatever becomes of this.
    if row.values.state == Maybe::Value("closed".to_owned()) {
        let close = client.patch(&format!("issues/{number}")).json(&serde_json::json!({"state": "closed"}))?;
        let closed = client.send(close.idempotent(true)).and_then(|reply| reply.done());
        closed.map_err(Error::with_outcome_unknown)?;
    }
    Ok(Done::Inserted(vec![number.to_string()]))
}

fn update(client: &Client, row: Row<Edit>) -> Result<Done> {
    let (mut edit, expected) = (row.values, row.expected);
    let number =
        edit.number.value().ok_or_else(|| Error::invalid_data("an issue needs a number").with_field("number"))?;
    let path = format!("issues/{number}");
    let found = client.send(client.get(&path))?;
    if matches!(found.status, 404 | 410) {
        return Err(Error::conflict(format!("there is no issue {number}")));
    }
    let now: Issue =
        found.json::<Told>()?.issue().ok_or_else(|| Error::conflict(format!("{number} is a pull request")))?;
    if let Some(name) = expected.and_then(|expected| expected.differs(&now)) {
        return Err(Error::conflict(format!("`{name}` has been changed meanwhile")).with_field(name));
    }
    // An edit that changes nothing moves the time of the issue all the same.
    if edit.differs(&now).is_none() {
        return Ok(Done::Unchanged);
    }
    edit.without_what(&now);
    // Setting values twice is the same as setting them once.
    client.send(client.patch(&path).json(&edit)?.idempotent(true))?.written::<Told>()?;
    Ok(Done::Written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::testing::{batch, reply, serve};
    use serde_json::json;

    const NOW: &str = r#"{"number":1,"title":"old","body":null,"state":"open","updated_at":"2026-01-01T00:00:00Z"}"#;

    fn write(mode: WriteMode, row: serde_json::Value) -> (WriteResults, Flushed) {
        let names = ["number", "title", "body", "state", "expected:title"];
        let is_there = |name: &&&str| row.get(**name).is_some();
        let logical = |name: &str| if name == "number" { LogicalType::Int64 } else { LogicalType::Text };
        let fields: Vec<Field> = names.iter().filter(is_there).map(|name| Field::new(*name, logical(name))).collect();
        let client = Client::new("api").below("/repos/acme/shop");
        let mut writer = IssueWriter { client, mode, tally: Tally::default() };
        let results = writer.write(Changes::upserts(batch(&fields, &[row]).unwrap())).unwrap();
        (results, writer.flush().unwrap())
    }

    fn status(mode: WriteMode, row: serde_json::Value) -> u8 {
        write(mode, row).0.statuses.map_or(0, |statuses| statuses[0])
    }

    #[test]
    fn an_edit_is_made_where_nobody_else_edited_and_only_if_it_changes_something() {
        let asked = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let log = asked.clone();
        let _served = serve(move |ask| {
            let body = ask.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
            log.borrow_mut().push(format!("{} {body}", ask.method));
            Ok(if ask.target.ends_with("/9") { reply(404, "{}") } else { reply(200, NOW) })
        });
        assert_eq!(status(WriteMode::Update, json!({"number": 1, "title": "new", "expected:title": "other"})), 1);
        assert_eq!(status(WriteMode::Update, json!({"number": 9, "title": "new"})), 1);
        assert_eq!(write(WriteMode::Update, json!({"number": 1, "title": "old", "body": null})).1.unchanged, 1);
        assert!(asked.borrow().iter().all(|line| line.starts_with("GET")), "{:?}", asked.borrow());
        let done =
            write(WriteMode::Update, json!({"number": 1, "title": "new", "state": "open", "expected:title": "old"})).1;
        assert_eq!(done.written, 1);
        assert_eq!(asked.borrow().last().unwrap(), r#"PATCH {"title":"new"}"#);
    }

    #[test]
    fn what_nobody_knows_is_told_as_that() {
        for (code, body, expected) in
            [(201, "<html>", 4), (500, "oops", 4), (422, "{\"message\":\"no\"}", 2), (201, NOW, 0)]
        {
            let _served = serve(move |_| Ok(reply(code, body)));
            assert_eq!(status(WriteMode::Insert, json!({"title": "new"})), expected, "{code} {body}");
        }
        let _served = serve(|_| Err(Error::transient("cut off").with_outcome_unknown()));
        assert_eq!(status(WriteMode::Insert, json!({"title": "new"})), 4);
    }
}
