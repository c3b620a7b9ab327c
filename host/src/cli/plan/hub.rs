//! What a run of a hub would do, for people and for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::conflicts::{summary, to_json as conflict_json};
use crate::cli::output::{Align, Block, Table, count, noun, shortened, shown_json, shown_key, shown_record};
use crate::store::{Conflict, ConflictKind};
use crate::sync::{HubPlan, PlannedWrite};

/// Records that are shown per endpoint, and conflicts.
const SHOWN: usize = 20;
/// Columns of a line that counts what a run would do.
const COLUMNS: usize = 100;

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Some,
    All,
}

impl Shown {
    fn max(self) -> usize {
        match self {
            Self::Some => SHOWN,
            Self::All => usize::MAX,
        }
    }
}

pub fn describe(plan: &HubPlan, context: &Context, shown: Shown) -> Vec<Block> {
    let mut blocks = vec![Block::Text(heading(plan))];
    blocks.extend(collisions(plan).map(Block::Table));
    blocks.extend(conflicts(plan, shown));
    blocks.extend(letters(plan, shown));
    blocks.extend(held(plan));
    blocks.extend(writes(plan, context, shown));
    blocks.push(Block::Text(next(plan, context)));
    blocks
}

fn heading(plan: &HubPlan) -> String {
    let counts = &plan.counts;
    let doubtful = doubtful(plan).count() as u64;
    let mut lines = Vec::new();
    if plan.is_first_link {
        lines.push(format!("{}: the first link; this is how its systems would be brought together", plan.sync));
    }
    lines.push(listed(
        &format!("{}: ", plan.sync),
        &[
            format!("{} read", count(counts.read)),
            format!("{} new", count(counts.created)),
            format!("{} linked", count(counts.linked)),
            format!("{} changed", count(counts.changed)),
            format!("{} deleted", count(counts.deleted)),
            format!("{} doubtful", count(doubtful)),
            noun(plan.conflicts.len() as u64 - doubtful, "conflict", "conflicts"),
            noun(plan.letters.len() as u64, "dead letter", "dead letters"),
        ],
    ));
    lines.extend(plan.actions.iter().map(|action| format!("first: {action}")));
    lines.join("\n")
}

/// Parts behind a head, with commas between them; what does not fit on a line goes on below.
fn listed(head: &str, parts: &[String]) -> String {
    let mut lines = vec![head.to_owned()];
    for (at, part) in parts.iter().enumerate() {
        let comma = if at + 1 < parts.len() { "," } else { "" };
        let used = lines.last().map_or(0, |line| line.chars().count());
        if at > 0 && used + part.chars().count() + comma.len() + 1 > COLUMNS {
            lines.push("  ".to_owned());
        }
        let Some(line) = lines.last_mut() else { break };
        let space = if line.ends_with(' ') { "" } else { " " };
        line.push_str(&format!("{space}{part}{comma}"));
    }
    lines.join("\n")
}

/// Records that may be one that is known.
fn doubtful(plan: &HubPlan) -> impl Iterator<Item = &Conflict> {
    let is_doubtful =
        |conflict: &&Conflict| matches!(conflict.conflict.kind, ConflictKind::Match | ConflictKind::Duplicate);
    plan.conflicts.iter().filter(is_doubtful)
}

fn collisions(plan: &HubPlan) -> Option<Table> {
    let mut table = Table::new(&[
        ("differing field", Align::Left),
        ("records", Align::Right),
        ("agreed stays", Align::Right),
        ("incoming counts", Align::Right),
        ("merged", Align::Right),
        ("not its field", Align::Right),
        ("for a person", Align::Right),
    ]);
    for (field, counts) in plan.collisions.iter().filter(|(_, counts)| counts.total() > 0) {
        let numbers =
            [counts.total(), counts.kept, counts.taken, counts.merged, counts.restored, counts.open].map(count);
        table.row(std::iter::once(field.clone()).chain(numbers));
    }
    (!table.is_empty()).then_some(table)
}

fn conflicts(plan: &HubPlan, shown: Shown) -> Vec<Block> {
    if plan.conflicts.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&[("for a person", Align::Left), ("record", Align::Left), ("what", Align::Left)]);
    for conflict in plan.conflicts.iter().take(shown.max()) {
        let (record, what) = summary(conflict);
        table.row([conflict.conflict.kind.name().to_owned(), record, what]);
    }
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(rest(plan.conflicts.len(), shown, "conflict", "conflicts").map(Block::Text));
    blocks
}

fn letters(plan: &HubPlan, shown: Shown) -> Vec<Block> {
    if plan.letters.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&[("dead letter", Align::Left), ("stage", Align::Left), ("cause", Align::Left)]);
    for row in plan.letters.iter().take(shown.max()) {
        let letter = &row.letter;
        let record = letter.position.clone().unwrap_or_else(|| shown_record(&letter.key_text));
        let cause = format!("{}: {}", letter.cause.code, letter.cause.message);
        table.row([record, letter.stage.name().to_owned(), shortened(&cause, 160)]);
    }
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(rest(plan.letters.len(), shown, "dead letter", "dead letters").map(Block::Text));
    blocks
}

fn held(plan: &HubPlan) -> Option<Block> {
    let lines: Vec<String> = plan.held.iter().map(|held| format!("held for approval: {}", held.reason)).collect();
    (!lines.is_empty()).then(|| Block::Text(lines.join("\n")))
}

/// Every write, endpoint by endpoint.
fn writes(plan: &HubPlan, context: &Context, shown: Shown) -> Vec<Block> {
    let mut by_endpoint: BTreeMap<&str, Vec<&PlannedWrite>> = BTreeMap::new();
    for write in &plan.writes {
        by_endpoint.entry(&write.endpoint).or_default().push(write);
    }
    let mut blocks = Vec::new();
    for (endpoint, writes) in by_endpoint {
        blocks.push(Block::Text(format!("`{endpoint}` would be written: {}", actions(&writes))));
        let mut table = Table::new(&[
            ("write", Align::Left),
            ("record", Align::Left),
            ("field", Align::Left),
            ("now", Align::Left),
            ("then", Align::Left),
        ]);
        writes.iter().take(shown.max()).for_each(|write| write_rows(write, &mut table));
        blocks.push(Block::Table(table));
        if let Some(rest) = rest(writes.len(), shown, "write", "writes") {
            let command = context.command(&format!("plan {} --all", plan.sync));
            blocks.push(Block::Text(format!("{rest}; `{command}` shows all of them")));
        }
    }
    blocks
}

fn write_rows(write: &PlannedWrite, table: &mut Table) {
    let mut head = [write.action.to_owned(), shown_key(&write.key)];
    if write.fields.is_empty() {
        let [action, key] = head;
        return table.row([action, key]);
    }
    for (field, before, after) in &write.fields {
        let before = before.as_deref().map_or_else(|| "-".to_owned(), shown_json);
        let [action, key] = std::mem::take(&mut head);
        table.row([action, key, field.clone(), before, shown_json(after)]);
    }
}

/// `2 creates, 1 update`.
fn actions(writes: &[&PlannedWrite]) -> String {
    let named = [("create", "creates"), ("update", "updates"), ("archive", "archives"), ("delete", "deletes")];
    let counted = named.iter().filter_map(|(one, many)| {
        let number = writes.iter().filter(|write| write.action == *one).count() as u64;
        (number > 0).then(|| noun(number, one, many))
    });
    counted.collect::<Vec<_>>().join(", ")
}

fn rest(all: usize, shown: Shown, one: &str, many: &str) -> Option<String> {
    let left = all.saturating_sub(shown.max()) as u64;
    (left > 0).then(|| format!("and {}", noun(left, &format!("more {one}"), &format!("more {many}"))))
}

fn next(plan: &HubPlan, context: &Context) -> String {
    if plan.writes.is_empty() {
        return format!("{}: nothing would be written (plan {})", plan.sync, plan.hash);
    }
    let command = context.command(&format!("run {} --plan {}", plan.sync, plan.hash));
    let writes = noun(plan.writes.len() as u64, "write", "writes");
    format!("plan {}: {writes}\nnext: `{command}`", plan.hash)
}

pub fn to_json(plan: &HubPlan) -> Value {
    let letter = |row: &crate::store::DeadLetter| {
        json!({
            "key": row.letter.key_text,
            "stage": row.letter.stage.name(),
            "cause": {"code": row.letter.cause.code, "message": row.letter.cause.message},
        })
    };
    let held =
        |held: &crate::sync::HeldDeletes| json!({"deletes": held.deletes, "total": held.total, "reason": held.reason});
    json!({
        "sync": plan.sync,
        "hash": plan.hash,
        "first_link": plan.is_first_link,
        "counts": plan.counts,
        "differing_fields": plan.collisions.iter().filter(|(_, counts)| counts.total() > 0).collect::<BTreeMap<_, _>>(),
        "doubtful": doubtful(plan).count(),
        "conflicts": plan.conflicts.iter().map(conflict_json).collect::<Vec<_>>(),
        "dead_letters": plan.letters.iter().map(letter).collect::<Vec<_>>(),
        "held": plan.held.iter().map(held).collect::<Vec<_>>(),
        "actions": plan.actions,
        "writes": plan.writes.iter().map(PlannedWrite::to_json).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Screen;

    fn write(action: &'static str, key: &str, fields: &[(&str, Option<&str>, &str)]) -> PlannedWrite {
        let field = |(name, before, after): &(&str, Option<&str>, &str)| {
            ((*name).to_owned(), before.map(str::to_owned), (*after).to_owned())
        };
        PlannedWrite { endpoint: "erp".into(), action, key: key.into(), fields: fields.iter().map(field).collect() }
    }

    #[test]
    fn a_write_says_what_is_there_and_what_will_be() {
        let writes = [
            write("create", r#"{"email":"a@b.c"}"#, &[("mail", None, r#""a@b.c""#), ("tel", None, "null")]),
            write("update", r#"["7"]"#, &[("name", Some(r#""Ann""#), r#""Anna""#)]),
            write("delete", r#"["8"]"#, &[]),
        ];
        assert_eq!(actions(&writes.iter().collect::<Vec<_>>()), "1 create, 1 update, 1 delete");
        let columns = ["write", "record", "field", "now", "then"].map(|title| (title, Align::Left));
        let mut table = Table::new(&columns);
        writes.iter().for_each(|write| write_rows(write, &mut table));
        insta::assert_snapshot!(Block::Table(table).text(Screen::plain()), @r#"
        write   record       field  now  then
        --------------------------------------
        create  email a@b.c  mail   -    a@b.c
                             tel    -    null
        update  7            name   Ann  Anna
        delete  8
        "#);
    }

    #[test]
    fn no_line_is_too_long() {
        let part = |name: &str| format!("{} {name}", count(1_000_000));
        let names = ["read", "new", "linked", "changed", "deleted", "doubtful", "conflicts", "dead letters"];
        let parts = names.map(part);
        insta::assert_snapshot!(listed("customer: ", &parts), @r"
        customer: 1 000 000 read, 1 000 000 new, 1 000 000 linked, 1 000 000 changed, 1 000 000 deleted,
          1 000 000 doubtful, 1 000 000 conflicts, 1 000 000 dead letters
        ");
        for length in 1..65 {
            let text = listed(&format!("{}: ", "n".repeat(length)), &parts);
            assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
            assert_eq!(text.replace("\n ", "").matches(", 1").count(), 7, "{text}");
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(rest(20, Shown::Some, "write", "writes"), None);
        assert_eq!(rest(21, Shown::Some, "write", "writes"), Some("and 1 more write".into()));
        assert_eq!(rest(1021, Shown::All, "write", "writes"), None);
    }
}
