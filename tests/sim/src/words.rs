//! What the store was given about a record, in words: canon, and where a system shows, is sent or may still show something else.

use std::fmt::Write as _;

use lockstep::record::Value;
use lockstep::resolve::{Life, Link, RecordState, Shadow, Side};

use crate::plan::Plan;
use crate::world::START;

/// `live v3 crm+ erp? 2="Ann" erp:2 shows "Bob"`; `+` is linked, `-` gone, `~` left, `?` unknown.
pub fn of_record(plan: &Plan, state: &RecordState) -> String {
    let life = if state.life == Life::Live { "live" } else { "dead" };
    let mut words = format!("{life} v{}", state.version);
    for (side, profile) in state.sides.iter().zip(&plan.systems) {
        let _ = write!(words, " {}{}", profile.name, sign(&side.link));
    }
    for (field, canon) in state.canon.iter().enumerate() {
        let Some(value) = &canon.value else { continue };
        let _ = write!(words, " {field}={}{}", text(value), if canon.quarantined { "!" } else { "" });
    }
    for (side, profile) in state.sides.iter().zip(&plan.systems) {
        of_side(&mut words, state, side, profile.name);
    }
    words
}

fn sign(link: &Link) -> char {
    match link {
        Link::None => '?',
        Link::Linked(_) => '+',
        Link::Gone(_) => '-',
        Link::Left(_) => '~',
    }
}

fn of_side(words: &mut String, state: &RecordState, side: &Side, name: &str) {
    for (field, shadow) in side.shadow.iter().enumerate() {
        let agreed = state.value(field);
        let _ = match shadow {
            Shadow::Value(shows) if Some(shows) != agreed => write!(words, " {name}:{field} shows {}", text(shows)),
            Shadow::Form { shows, of } => write!(words, " {name}:{field} shows {} for {}", text(shows), text(of)),
            _ => Ok(()),
        };
    }
    for fence in &side.fences {
        let _ = write!(
            words,
            " {name}:{} was {} until {}",
            fence.field,
            text(&fence.before),
            crate::trace::time(fence.until - START)
        );
    }
    if let Some(sent) = &side.sent {
        let patch: Vec<String> = sent.patch.iter().map(|(field, value)| format!("{field}={}", text(value))).collect();
        let _ = write!(words, " {name} sent {:?} {}", sent.kind, patch.join(" "));
    }
    if !side.held.is_empty() || side.delete_held {
        let _ = write!(words, " {name} held {:?}{}", side.held, if side.delete_held { " and the delete" } else { "" });
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}
