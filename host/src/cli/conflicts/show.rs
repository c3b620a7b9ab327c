//! `conflicts show`: one conflict, with everything needed to decide it.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{body, summary, to_json, ways};
use crate::cli::output::{Align, Block, Table, shown, shown_key, time};
use crate::cli::{Context, Reply};
use crate::error::Result;
use crate::store::{Conflict, ConflictId, ConflictKind, ConflictState, HubStore as _};

pub fn run(context: &Context, id: ConflictId) -> Result<Reply> {
    let store = context.store_to_read()?;
    let conflict = store.conflict(id)?;
    let body = body(&conflict);
    let mut blocks = vec![Block::Text(heading(&conflict, &body))];
    blocks.push(Block::Table(table(&conflict, &body)));
    if conflict.conflict.state == ConflictState::Open {
        let ways = ways(&conflict, &body);
        let lines =
            ways.iter().map(|way| format!("  {}", context.command(&format!("conflicts resolve {} {way}", id.0))));
        blocks.push(Block::Text(format!("to decide it:\n{}", lines.collect::<Vec<_>>().join("\n"))));
    }
    Ok(Reply::done(blocks, to_json(&conflict)))
}

fn heading(conflict: &Conflict, body: &Value) -> String {
    let (record, _) = summary(conflict);
    let content = &conflict.conflict;
    let mut lines = vec![
        format!("conflict {} of `{}`, {}: {}", conflict.id.0, content.sync, content.state.name(), what(conflict, body)),
        format!("record: #{}, {record}", content.record.0),
        format!("since: {} UTC, run {}", time(conflict.at), conflict.run),
    ];
    lines.extend(body.get("policy").and_then(Value::as_str).map(|policy| format!("policy: {policy}")));
    lines.extend(decided(conflict));
    lines.join("\n")
}

/// How it ended, if it did.
fn decided(conflict: &Conflict) -> Option<String> {
    let resolution: Value = serde_json::from_str(conflict.conflict.resolution.as_deref()?).ok()?;
    let text = |name: &str| resolution.get(name).and_then(Value::as_str).map(str::to_owned);
    let by = text("by").unwrap_or_else(|| "nobody".to_owned());
    let how = match text("verdict").or_else(|| text("decision")) {
        Some(how) => format!("{}, by {by}", in_words(&how)),
        None => format!("by {by}"),
    };
    let at = conflict.closed_at.map(|at| format!(" at {} UTC", time(at))).unwrap_or_default();
    Some(format!("ended: {how}{at}"))
}

fn in_words(verdict: &str) -> &str {
    match verdict {
        "won" | "incoming" => "what came in counts",
        "lost" | "spare" | "current" => "what was agreed stays",
        "merged" => "both changes were made",
        "values" => "other values were set",
        other => other,
    }
}

/// What a conflict is about, in a few words.
pub fn what(conflict: &Conflict, body: &Value) -> String {
    let content = &conflict.conflict;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match content.kind {
        ConflictKind::Field => {
            let side = |name: &str| values_text(body.get(name));
            format!("{}: {} against {}", content.subject, side("current"), side("incoming"))
        }
        ConflictKind::Oscillation => format!("{} goes back and forth", content.subject),
        ConflictKind::Delete if text("event") == "delete" => {
            format!("deleted in {}, changed elsewhere", text("endpoint"))
        }
        ConflictKind::Delete => format!("changed in {}, deleted elsewhere", text("endpoint")),
        ConflictKind::Duplicate => {
            format!("{} has another record that is the same as {}", text("endpoint"), candidates_text(body))
        }
        ConflictKind::Match => match text("reason") {
            reason if reason.is_empty() => format!("may be {}", candidates_text(body)),
            reason => reason,
        },
    }
}

fn candidates_text(body: &Value) -> String {
    let candidates = body.get("candidates").and_then(Value::as_array).into_iter().flatten();
    let records: Vec<String> =
        candidates.filter_map(|candidate| Some(format!("#{}", candidate.get("record")?))).collect();
    records.join(" or ")
}

/// The values of one side: of a group in one go.
fn values_text(values: Option<&Value>) -> String {
    let values: Vec<String> =
        values.and_then(Value::as_object).into_iter().flatten().map(|(_, value)| shown(Some(value))).collect();
    if values.is_empty() { "nothing".to_owned() } else { values.join(", ") }
}

fn table(conflict: &Conflict, body: &Value) -> Table {
    match conflict.conflict.kind {
        ConflictKind::Field | ConflictKind::Oscillation => values_table(body),
        ConflictKind::Delete => delete_table(body),
        ConflictKind::Match | ConflictKind::Duplicate => candidates_table(body),
    }
}

/// One row per side, one column per field.
fn values_table(body: &Value) -> Table {
    let sides = ["base", "current", "incoming"].map(|name| object(body.get(name)));
    let mut fields: Vec<&String> = sides.iter().flat_map(|values| values.keys()).collect();
    fields.sort();
    fields.dedup();
    let titles = ["", "by", "when (UTC)"].into_iter().chain(fields.iter().map(|field| field.as_str()));
    let mut table = Table::new(&titles.map(|title| (title, Align::Left)).collect::<Vec<_>>());
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let heads = [
        ("both had", "-".to_owned(), "-".to_owned()),
        ("agreed", text("current_source"), when(body.get("current_at"))),
        ("incoming", text("endpoint"), when(body.get("incoming_at"))),
    ];
    for ((side, by, at), values) in heads.into_iter().zip(&sides) {
        let cells = fields.iter().map(|field| shown(values.get(*field)));
        table.row([side.to_owned(), by, at].into_iter().chain(cells));
    }
    table
}

fn object(value: Option<&Value>) -> Map<String, Value> {
    value.and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Microseconds since 1970, as somebody's clock said.
fn when(micros: Option<&Value>) -> String {
    let at = micros.and_then(Value::as_i64).and_then(DateTime::<Utc>::from_timestamp_micros);
    at.map_or_else(|| "-".to_owned(), time)
}

fn delete_table(body: &Value) -> Table {
    let (agreed, incoming) = (object(body.get("values")), object(body.get("incoming")));
    let mut table = Table::new(&[("field", Align::Left), ("agreed", Align::Left), ("incoming", Align::Left)]);
    let mut fields: Vec<&String> = agreed.keys().chain(incoming.keys()).collect();
    fields.sort();
    fields.dedup();
    for field in fields {
        table.row([field.clone(), shown(agreed.get(field)), shown(incoming.get(field))]);
    }
    table
}

/// One row per field, one column per record it may be.
fn candidates_table(body: &Value) -> Table {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let candidates: Vec<&Value> = body.get("candidates").and_then(Value::as_array).into_iter().flatten().collect();
    let own = format!("{} {}", text("endpoint"), shown_key(text("key")));
    let mut titles = vec!["".to_owned(), own.trim().to_owned()];
    titles.extend(candidates.iter().map(|candidate| format!("#{}", candidate.get("record").unwrap_or(&Value::Null))));
    let columns: Vec<(&str, Align)> = titles.iter().map(|title| (title.as_str(), Align::Left)).collect();
    let mut table = Table::new(&columns);
    if candidates.iter().any(|candidate| score(candidate).is_some_and(|score| score < 1.0)) {
        let scores =
            candidates.iter().map(|candidate| score(candidate).map_or("-".to_owned(), |score| format!("{score:.2}")));
        table.row(["alike".to_owned(), "-".to_owned()].into_iter().chain(scores));
    }
    let values = object(body.get("values"));
    let mut fields: Vec<String> = values.keys().cloned().collect();
    let others: Vec<Map<String, Value>> = candidates.iter().map(|candidate| object(candidate.get("values"))).collect();
    fields.extend(others.iter().flat_map(|values| values.keys().cloned()));
    fields.sort();
    fields.dedup();
    for field in fields {
        let cells = others.iter().map(|values| shown(values.get(&field)));
        table.row([field.clone(), shown(values.get(&field))].into_iter().chain(cells));
    }
    table
}

fn score(candidate: &Value) -> Option<f64> {
    candidate.get("score").and_then(Value::as_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Screen;
    use serde_json::json;

    fn check(table: Table) -> String {
        Block::Table(table).text(Screen::plain())
    }

    #[test]
    fn the_sides_of_a_field_stand_below_each_other() {
        let body = json!({
            "endpoint": "crm", "key": "[\"7\"]", "base": {"name": "Ann"}, "current": {"name": "Ann B."},
            "current_source": "erp", "current_at": 1_700_000_000_000_000_i64, "incoming": {"name": "Anna"},
        });
        insta::assert_snapshot!(check(values_table(&body)), @r#"
                  by   when (UTC)           name
        ------------------------------------------
        both had  -    -                    Ann
        agreed    erp  2023-11-14 22:13:20  Ann B.
        incoming  crm  -                    Anna
        "#);
    }

    #[test]
    fn candidates_stand_beside_each_other() {
        let body = json!({
            "endpoint": "crm", "key": "[\"7\"]", "values": {"name": "Ann", "phone": "12"},
            "candidates": [{"record": 3, "score": 0.75, "values": {"name": "Anne"}}],
        });
        insta::assert_snapshot!(check(candidates_table(&body)), @r#"
               crm 7  #3
        ------------------
        alike  -      0.75
        name   Ann    Anne
        phone  12     -
        "#);
    }

    #[test]
    fn a_delete_shows_what_would_be_lost() {
        let body = json!({"endpoint": "crm", "event": "delete", "values": {"name": "Ann"}, "incoming": {}});
        insta::assert_snapshot!(check(delete_table(&body)), @r#"
        field  agreed  incoming
        -----------------------
        name   Ann     -
        "#);
    }
}
