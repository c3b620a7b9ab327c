//! All of a record: its fields, and every system's copy.

use chrono::DateTime;
use serde_json::{Value, json};

use super::{View, how, json_of, key_json, known_as, policy, text_of};
use crate::cli::Reply;
use crate::cli::output::{Align, Block, Table, time};
use crate::error::Result;
use crate::resolve::{Life, Link, disagrees};
use crate::store::IntentState;

pub fn reply(view: &View<'_>) -> Result<Reply> {
    let fields = fields(view)?;
    let copies = copies(view)?;
    let mut blocks = vec![Block::Text(heading(view))];
    blocks.push(Block::Table(fields_table(&fields)));
    blocks.push(Block::Table(copies_table(&copies)));
    let open = view.book.conflicts_of(view.record)?.into_iter().filter(|conflict| conflict.closed_at.is_none());
    let lines: Vec<String> = open
        .map(|conflict| {
            let command = view.context.command(&format!("conflicts show {}", conflict.id.0));
            format!("`{}` waits for a person: `{command}`", conflict.conflict.subject)
        })
        .collect();
    blocks.extend((!lines.is_empty()).then(|| Block::Text(lines.join("\n"))));
    let result = json!({
        "sync": view.def.name,
        "record": view.record.0,
        "keys": key_json(view),
        "life": if view.state.is_live() { "live" } else { "deleted" },
        "fields": fields.iter().map(Known::to_json).collect::<Vec<_>>(),
        "copies": copies.iter().map(Copy::to_json).collect::<Vec<_>>(),
    });
    Ok(Reply::done(blocks, result))
}

fn heading(view: &View<'_>) -> String {
    let record = format!("{} {}", view.def.name, known_as(view));
    match view.state.life {
        Life::Live => record,
        Life::Deleted { at, by } => {
            let at = DateTime::from_timestamp_micros(at).map(time).unwrap_or_default();
            format!("{record}: deleted by {} at {at} UTC", view.book.source_name(by))
        }
    }
}

/// A field, its value, and where that comes from.
struct Known {
    name: String,
    value: Option<Value>,
    text: String,
    by: String,
    at: String,
    run: Option<i64>,
    how: String,
    is_quarantined: bool,
}

impl Known {
    fn to_json(&self) -> Value {
        json!({
            "field": self.name, "value": self.value, "said": self.value.is_some(), "set_by": self.by, "at": self.at,
            "run": self.run, "how": self.how, "quarantined": self.is_quarantined,
        })
    }
}

fn fields(view: &View<'_>) -> Result<Vec<Known>> {
    let mut known = Vec::new();
    for (place, field) in view.book.entity.iter().enumerate() {
        let Some(canon) = view.state.canon.get(place) else { continue };
        let step = view.book.step(canon.lineage)?.filter(|_| canon.value.is_some());
        let policy = policy(view.def.field(&field.name));
        let how = match &step {
            Some(step) => how(step, place, &policy),
            None => "nobody has said anything".to_owned(),
        };
        known.push(Known {
            name: field.name.clone(),
            value: json_of(Some(field), canon.value.as_ref()),
            text: text_of(Some(field), canon.value.as_ref()),
            by: if step.is_some() { view.book.source_name(canon.source) } else { "-".to_owned() },
            at: step.as_ref().map_or_else(|| "-".to_owned(), |step| time(step.stored.at)),
            run: step.as_ref().map(|step| step.stored.run.0),
            how: if canon.quarantined { format!("{how}; it is left alone now") } else { how },
            is_quarantined: canon.quarantined,
        });
    }
    Ok(known)
}

fn fields_table(fields: &[Known]) -> Table {
    let mut table = Table::new(&[
        ("field", Align::Left),
        ("value", Align::Left),
        ("set by", Align::Left),
        ("when (UTC)", Align::Left),
        ("run", Align::Right),
        ("how", Align::Left),
    ]);
    for field in fields {
        let run = field.run.map_or_else(|| "-".to_owned(), |run| run.to_string());
        let cells = [&field.name, &field.text, &field.by, &field.at, &run, &field.how];
        table.row(cells.map(String::clone));
    }
    table
}

/// What one endpoint has of the record.
struct Copy {
    endpoint: String,
    key: Option<String>,
    state: &'static str,
    detail: String,
}

impl Copy {
    fn to_json(&self) -> Value {
        json!({"endpoint": self.endpoint, "key": self.key, "state": self.state, "detail": self.detail})
    }
}

fn copies(view: &View<'_>) -> Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for (place, endpoint) in view.def.endpoints.iter().enumerate() {
        let Some(side) = view.state.side(place) else { continue };
        let key = side.link.remote().map(|remote| view.book.remote_text(remote));
        let (state, detail) = copy_state(view, place)?;
        copies.push(Copy { endpoint: endpoint.name.clone(), key, state, detail });
    }
    Ok(copies)
}

fn copy_state(view: &View<'_>, place: usize) -> Result<(&'static str, String)> {
    let (Some(side), Some(endpoint)) = (view.state.side(place), view.def.endpoints.get(place)) else {
        return Ok(("unknown", String::new()));
    };
    let held = || fields_text(view, side.held.iter().copied());
    if let Some(row) = view.book.intent(place, view.record)? {
        return Ok(match row.state {
            IntentState::Planned => ("owed", "the next run writes it".to_owned()),
            IntentState::Sent | IntentState::Unknown => {
                ("unconfirmed", "nobody answered yet whether it arrived".to_owned())
            }
            IntentState::Parked => ("parked", "another record has to be there first".to_owned()),
            IntentState::Held => ("held", "waits for a person".to_owned()),
            IntentState::Refused => {
                let letter = view.book.refused(&endpoint.name, view.record)?;
                let shown = letter.map(|letter| view.context.command(&format!("dead-letters show {}", letter.id)));
                ("refused", shown.map(|command| format!("`{command}`")).unwrap_or_default())
            }
        });
    }
    Ok(match &side.link {
        Link::None => ("not there", String::new()),
        Link::Gone(_) => ("deleted there", String::new()),
        Link::Left(_) => ("left alone", "it is no longer kept in agreement".to_owned()),
        Link::Linked(_) if !side.held.is_empty() && (view.state.is_live() || side.delete_held) => ("held", held()),
        Link::Linked(_) => match differing(view, place) {
            fields if fields.is_empty() => ("in agreement", String::new()),
            fields => ("differs", fields_text(view, fields.into_iter())),
        },
    })
}

/// Fields the endpoint has that show something else than is agreed.
fn differing(view: &View<'_>, place: usize) -> Vec<usize> {
    let (Some(side), Some(endpoint)) = (view.state.side(place), view.def.endpoints.get(place)) else {
        return Vec::new();
    };
    let has = |name: &str| view.def.field(name).is_some_and(|field| field.columns.contains_key(&endpoint.name));
    let fields = view.book.entity.iter().enumerate().filter(|(_, field)| has(&field.name));
    fields
        .filter(|(at, _)| view.state.value(*at).is_some_and(|value| disagrees(side.shadow(*at), value)))
        .map(|(at, _)| at)
        .collect()
}

fn fields_text(view: &View<'_>, fields: impl Iterator<Item = usize>) -> String {
    let names = fields.filter_map(|field| view.book.entity.get(field).map(|field| field.name.clone()));
    names.collect::<Vec<_>>().join(", ")
}

fn copies_table(copies: &[Copy]) -> Table {
    let columns = ["system", "key", "state", ""].map(|title| (title, Align::Left));
    let mut table = Table::new(&columns);
    for copy in copies {
        let key = copy.key.clone().unwrap_or_else(|| "-".to_owned());
        table.row([copy.endpoint.clone(), key, copy.state.to_owned(), copy.detail.clone()]);
    }
    table
}
