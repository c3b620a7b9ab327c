//! Invariant 8: a clock decides where it can tell, and nowhere else.

use serde_json::Value as Json;

use crate::view::{Dispute, View};
use crate::world::Core;

/// Collisions decided by `newest` that times decided which are too close to each other, or did not decide though they are not.
pub fn wrong(core: &Core, view: &View) -> Vec<String> {
    let wrong = |dispute: &&Dispute| {
        incoming_wins(core, dispute).is_some_and(|(should, does)| should != does && !is_owned(core, dispute))
    };
    let told = |dispute: &Dispute| format!("{} was decided by {}", dispute.body, dispute.resolution);
    view.disputes.iter().filter(wrong).map(told).collect()
}

/// Whether what came in is to win, and whether it did; none where something else decided.
fn incoming_wins(core: &Core, dispute: &Dispute) -> Option<(bool, bool)> {
    let resolution: Json = serde_json::from_str(&dispute.resolution).ok()?;
    let body: Json = serde_json::from_str(&dispute.body).ok()?;
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    if text(&resolution, "by").as_deref() != Some("newest") || body.get("base") == body.get("current") {
        return None;
    }
    let does = match text(&resolution, "verdict").as_deref() {
        Some("won") => true,
        Some("lost") => false,
        _ => return None,
    };
    // A person comes before everybody.
    let rank = |name: &str| text(&body, name).map(|of| core.plan.systems.iter().position(|system| system.name == of));
    let (incoming, current) = (rank("endpoint")?, rank("current_source")?);
    if incoming == current {
        return None;
    }
    let at = |name: &str| body.get(name).and_then(Json::as_i64);
    let doubt = core.plan.def.clock_doubt.as_micros() as i64;
    let later = at("incoming_at").zip(at("current_at")).map(|(incoming, current)| incoming - current);
    let should = match later.filter(|later| later.abs() > doubt) {
        Some(later) => later > 0,
        None => incoming < current,
    };
    Some((should, does))
}

fn is_owned(core: &Core, dispute: &Dispute) -> bool {
    let body: Json = serde_json::from_str(&dispute.body).unwrap_or_default();
    let named = body.get("incoming").and_then(Json::as_object).into_iter().flat_map(|named| named.keys());
    let of = |name: &String| core.plan.fields.iter().find(|field| field.kind.name() == name);
    named.filter_map(of).any(|field| field.owner.is_some())
}
