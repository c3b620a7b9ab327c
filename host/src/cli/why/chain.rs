//! One field of a record: everything that happened to it, and the values that lost.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{View, how, json_of, key_json, known_as, policy, text_of};
use crate::cli::Reply;
use crate::cli::output::{Align, Block, Table, shown, time};
use crate::error::Result;
use crate::lineage::{EntryKind, Item};
use crate::record::Field;
use crate::resolve::Verdict;
use crate::store::{Conflict, ConflictKind, PluginUse, Run, RunFilter, RunId};
use crate::sync::Step;

pub fn reply(view: &View<'_>, place: usize) -> Result<Reply> {
    let field = view.book.entity.get(place);
    let name = field.map(|field| field.name.clone()).unwrap_or_default();
    let policy = policy(view.def.field(&name));
    let runs: HashMap<RunId, Run> = view
        .store
        .runs(&RunFilter { sync: Some(view.def.name.to_string()), limit: None })?
        .into_iter()
        .map(|run| (run.id, run))
        .collect();
    let steps: Vec<Link> =
        view.book.history(view.state)?.into_iter().filter_map(|step| Link::of(step, place, &policy, &runs)).collect();
    let losers = losers(&view.book.conflicts_of(view.record)?, &name);
    let value = view.state.canon.get(place).and_then(|canon| canon.value.as_ref());
    let mut blocks = vec![Block::Text(format!(
        "{} {}.{name} = {}\npolicy: {policy}",
        view.def.name,
        known_as(view),
        text_of(field, value)
    ))];
    blocks.push(Block::Table(steps_table(&steps, field)));
    blocks.extend((!losers.is_empty()).then(|| Block::Table(losers_table(&losers))));
    blocks.push(Block::Table(mapping_table(view, &name, &steps)));
    let result = json!({
        "sync": view.def.name,
        "record": view.record.0,
        "keys": key_json(view),
        "field": name,
        "value": json_of(field, value),
        "policy": policy,
        "chain": steps.iter().map(|step| step.to_json(field)).collect::<Vec<_>>(),
        "losers": losers.iter().map(Loser::to_json).collect::<Vec<_>>(),
        "columns": columns_json(view, &name),
    });
    Ok(Reply::done(blocks, result))
}

/// One step of the field's history.
struct Link {
    step: Step,
    item: Option<Item>,
    by: String,
    what: String,
    plugin: Option<PluginUse>,
}

impl Link {
    /// None if the step is not about the field.
    fn of(step: Step, place: usize, policy: &str, runs: &HashMap<RunId, Run>) -> Option<Self> {
        let item = step.entry.items.iter().find(|item| item.field == place).cloned();
        let is_whole = matches!(
            step.entry.kind,
            EntryKind::Deleted | EntryKind::Revived | EntryKind::WroteDelete | EntryKind::Unlinked | EntryKind::Merged
        );
        if item.is_none() && !is_whole {
            return None;
        }
        let by = step.endpoint.clone().unwrap_or_else(|| "a person".to_owned());
        let what = match step.entry.kind {
            EntryKind::Wrote | EntryKind::WroteNew => format!("written to {by}"),
            EntryKind::WroteDelete => format!("deleted in {by}"),
            EntryKind::Unlinked => format!("{by} is left alone from here on"),
            EntryKind::Form => format!("{by} shows it in a form of its own"),
            EntryKind::Deleted => format!("the record was deleted {}", step.entry.note).trim_end().to_owned(),
            EntryKind::Revived => "the record lives again".to_owned(),
            _ => how(&step, place, policy),
        };
        let plugins = runs.get(&step.stored.run).map(|run| run.plugins.as_slice()).unwrap_or_default();
        let plugin = plugins.iter().find(|plugin| Some(&plugin.role) == step.endpoint.as_ref()).cloned();
        Some(Self { item, by, what, plugin, step })
    }

    /// When the system says it happened.
    fn event_at(&self) -> Option<DateTime<Utc>> {
        self.step.entry.at.and_then(DateTime::from_timestamp_micros)
    }

    /// The value the step is about: what came in where it did not win, else what is agreed or was written.
    fn value(&self) -> Option<&crate::record::Value> {
        let item = self.item.as_ref()?;
        let is_refused = matches!(
            item.verdict,
            Some(
                Verdict::Lost
                    | Verdict::Held
                    | Verdict::Restored
                    | Verdict::Ignored
                    | Verdict::Quarantined
                    | Verdict::Spare
            )
        );
        let incoming = item.incoming.as_ref().filter(|_| is_refused);
        incoming.or(item.after.as_ref())
    }

    fn to_json(&self, field: Option<&Field>) -> Value {
        let item = self.item.as_ref();
        let value = |choose: fn(&Item) -> &Option<crate::record::Value>| {
            json_of(field, item.and_then(|item| choose(item).as_ref()))
        };
        json!({
            "entry": self.step.stored.id.0,
            "recorded_at": self.step.stored.at,
            "event_at": self.event_at(),
            "run": self.step.stored.run,
            "kind": self.step.entry.kind.name(),
            "by": self.by,
            "verdict": item.and_then(|item| item.verdict).map(Verdict::name),
            "how": self.what,
            "base": value(|item| &item.base),
            "before": value(|item| &item.before),
            "incoming": value(|item| &item.incoming),
            "after": value(|item| &item.after),
            "plugin": self.plugin,
        })
    }
}

fn steps_table(steps: &[Link], field: Option<&Field>) -> Table {
    let has_times = steps.iter().any(|step| step.event_at().is_some());
    let mut columns = vec![("recorded (UTC)", Align::Left)];
    columns.extend(has_times.then_some(("changed (its clock)", Align::Left)));
    columns.extend([("run", Align::Right), ("by", Align::Left), ("value", Align::Left), ("how", Align::Left)]);
    let mut table = Table::new(&columns);
    for step in steps {
        let mut cells = vec![time(step.step.stored.at)];
        cells.extend(has_times.then(|| step.event_at().map_or_else(|| "-".to_owned(), time)));
        cells.push(step.step.stored.run.to_string());
        cells.extend([step.by.clone(), text_of(field, step.value()), step.what.clone()]);
        table.row(cells);
    }
    table
}

/// A value that somebody wanted and that is not what is agreed.
struct Loser {
    conflict: i64,
    at: DateTime<Utc>,
    run: RunId,
    by: String,
    value: Value,
    decided: String,
}

impl Loser {
    fn to_json(&self) -> Value {
        json!({
            "conflict": self.conflict, "at": self.at, "run": self.run, "by": self.by, "value": self.value, "decided": self.decided,
        })
    }
}

fn losers(conflicts: &[Conflict], field: &str) -> Vec<Loser> {
    let about =
        |conflict: &&Conflict| matches!(conflict.conflict.kind, ConflictKind::Field | ConflictKind::Oscillation);
    let mut losers: Vec<Loser> =
        conflicts.iter().filter(about).flat_map(|conflict| losers_of(conflict, field)).collect();
    losers.reverse();
    losers
}

fn losers_of(conflict: &Conflict, field: &str) -> Vec<Loser> {
    let body: Value = serde_json::from_str(&conflict.conflict.body).unwrap_or_default();
    let text = conflict.conflict.resolution.as_deref().unwrap_or("null");
    let resolution: Value = serde_json::from_str(text).unwrap_or_default();
    let said = |name: &str| resolution.get(name).and_then(Value::as_str);
    let verdict = said("verdict").or_else(|| said("decision"));
    let lost: &[(&str, &str)] = match verdict {
        Some("won" | "incoming") => &[("current", "current_source")],
        Some("lost" | "spare" | "current") => &[("incoming", "endpoint")],
        _ => &[("incoming", "endpoint"), ("current", "current_source")],
    };
    let decided = match (said("by"), verdict) {
        (Some(by), Some(verdict)) => format!("{verdict}, by {by}"),
        (Some(by), None) => format!("by {by}"),
        (None, _) => conflict.conflict.state.name().to_owned(),
    };
    let loser = |(side, source): &(&str, &str)| {
        Some(Loser {
            conflict: conflict.id.0,
            at: conflict.at,
            run: conflict.run,
            by: body.get(source).and_then(Value::as_str).unwrap_or("-").to_owned(),
            value: body.get(side)?.get(field)?.clone(),
            decided: decided.clone(),
        })
    };
    lost.iter().filter_map(loser).collect()
}

fn losers_table(losers: &[Loser]) -> Table {
    let mut table = Table::new(&[
        ("conflict", Align::Right),
        ("since (UTC)", Align::Left),
        ("run", Align::Right),
        ("by", Align::Left),
        ("losing value", Align::Left),
        ("decided", Align::Left),
    ]);
    for loser in losers {
        table.row([
            loser.conflict.to_string(),
            time(loser.at),
            loser.run.to_string(),
            loser.by.clone(),
            shown(Some(&loser.value)),
            loser.decided.clone(),
        ]);
    }
    table
}

/// Where the field is in each system, and the plugin that said so last.
fn mapping_table(view: &View<'_>, name: &str, steps: &[Link]) -> Table {
    let columns = ["system", "column", "mapped at", "plugin"].map(|title| (title, Align::Left));
    let mut table = Table::new(&columns);
    let Some(field) = view.def.field(name) else { return table };
    for endpoint in &view.def.endpoints {
        let Some(column) = field.columns.get(&endpoint.name) else { continue };
        let plugin = steps.iter().filter(|step| step.by == endpoint.name).find_map(|step| step.plugin.as_ref());
        table.row([
            endpoint.name.clone(),
            format!("{}.{}", endpoint.stream, column.field),
            column.place.to_string(),
            plugin.map_or_else(|| "-".to_owned(), plugin_text),
        ]);
    }
    table
}

fn plugin_text(plugin: &PluginUse) -> String {
    let digest: String = plugin.digest.chars().take(12).collect();
    format!("{} (sha256:{digest}…)", plugin.label)
}

fn columns_json(view: &View<'_>, name: &str) -> Value {
    let columns = view.def.field(name).map(|field| &field.columns);
    let column = |(endpoint, column): (&String, &crate::project::HubColumn)| json!({"endpoint": endpoint, "column": column.field, "place": column.place.to_string()});
    columns.into_iter().flatten().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{ConflictId, ConflictState, NewConflict, RecordId};

    fn check(state: ConflictState, resolution: Option<Value>, expected: &[(&str, &str, &str)]) {
        let body = json!({
            "endpoint": "crm", "current_source": "erp", "current": {"name": "B"}, "incoming": {"name": "C"}, "base": {"name": "A"},
        });
        let conflict = Conflict {
            id: ConflictId(1),
            run: RunId(2),
            at: DateTime::UNIX_EPOCH,
            closed_at: None,
            conflict: NewConflict {
                sync: "customer".into(),
                record: RecordId(3),
                kind: ConflictKind::Field,
                state,
                subject: "name".into(),
                body: body.to_string(),
                resolution: resolution.map(|resolution| resolution.to_string()),
            },
        };
        let losers = losers(&[conflict], "name");
        let found: Vec<(&str, &str, &str)> = losers
            .iter()
            .map(|loser| (loser.by.as_str(), loser.value.as_str().unwrap(), loser.decided.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_value_that_lost_is_told() {
        let decided = |verdict: &str| Some(json!({"by": "priority", "verdict": verdict}));
        check(ConflictState::Decided, decided("won"), &[("erp", "B", "won, by priority")]);
        check(ConflictState::Decided, decided("lost"), &[("crm", "C", "lost, by priority")]);
        let person = Some(json!({"by": "a person", "decision": "incoming"}));
        check(ConflictState::Resolved, person, &[("erp", "B", "incoming, by a person")]);
        check(ConflictState::Open, None, &[("erp", "B", "open"), ("crm", "C", "open")]);
    }
}
