//! How hubs stand: what waits at each of their systems, and when each was last heard of.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::ago;
use crate::cli::output::{Align, Table, count};
use crate::error::Result;
use crate::project::{HubDef, Project, SyncDef};
use crate::store::{ConflictFilter, ConflictState, EndpointState, HubStore, IntentCounts};

pub struct HubStatus {
    pub name: String,
    /// That wait for a person.
    pub conflicts: u64,
    pub endpoints: Vec<EndpointStatus>,
}

pub struct EndpointStatus {
    name: String,
    /// When something was last read or written successfully.
    progress_at: Option<DateTime<Utc>>,
    intents: IntentCounts,
}

pub fn look(project: &Project, store: &dyn HubStore) -> Result<Vec<HubStatus>> {
    project.syncs_in_order().filter_map(SyncDef::as_hub).map(|def| of(def, store)).collect()
}

fn of(def: &HubDef, store: &dyn HubStore) -> Result<HubStatus> {
    let names: Vec<String> = def.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
    let filter = ConflictFilter {
        sync: Some(def.name.to_string()),
        state: Some(ConflictState::Open),
        ..ConflictFilter::default()
    };
    let states = store.hub_state(def.name.as_str(), &names)?.endpoints;
    let endpoint = |state: EndpointState| -> Result<EndpointStatus> {
        let intents = store.count_intents(state.id)?;
        Ok(EndpointStatus { name: state.name, progress_at: state.progress_at, intents })
    };
    Ok(HubStatus {
        name: def.name.to_string(),
        conflicts: store.conflicts(&filter)?.len() as u64,
        endpoints: states.into_iter().map(endpoint).collect::<Result<_>>()?,
    })
}

impl EndpointStatus {
    /// Writes that leave when their time comes.
    fn waiting(&self) -> u64 {
        let IntentCounts { planned, sent, unknown, parked, .. } = &self.intents;
        planned + sent + unknown + parked
    }

    pub fn to_json(&self) -> Value {
        let IntentCounts { planned, sent, unknown, parked, refused, held, .. } = &self.intents;
        json!({
            "endpoint": self.name,
            "progress_at": self.progress_at,
            "waiting": self.waiting(),
            "planned": planned, "sent": sent, "unknown": unknown, "parked": parked, "refused": refused, "held": held,
            "next_due": self.intents.next_due,
        })
    }
}

/// None without hubs.
pub fn table(hubs: &[HubStatus], now: DateTime<Utc>) -> Option<Table> {
    let mut table = Table::new(&[
        ("hub", Align::Left),
        ("system", Align::Left),
        ("last heard of", Align::Left),
        ("waiting", Align::Right),
        ("refused", Align::Right),
        ("held", Align::Right),
        ("conflicts", Align::Right),
    ]);
    for hub in hubs {
        let mut head = [hub.name.clone(), count(hub.conflicts)];
        for endpoint in &hub.endpoints {
            let [name, conflicts] = std::mem::take(&mut head);
            let heard = endpoint.progress_at.map_or_else(|| "never".to_owned(), |at| ago(now, at));
            let numbers = [endpoint.waiting(), endpoint.intents.refused, endpoint.intents.held].map(count);
            table.row([name, endpoint.name.clone(), heard].into_iter().chain(numbers).chain([conflicts]));
        }
    }
    (!table.is_empty()).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{Block, Screen};

    #[test]
    fn a_hub_is_named_once() {
        let endpoint = |name: &str, planned, refused| EndpointStatus {
            name: name.into(),
            progress_at: None,
            intents: IntentCounts { planned, refused, ..IntentCounts::default() },
        };
        let hub = HubStatus {
            name: "customer".into(),
            conflicts: 2,
            endpoints: vec![endpoint("crm", 0, 0), endpoint("erp", 1_200, 3)],
        };
        let table = table(&[hub], DateTime::UNIX_EPOCH).unwrap();
        insta::assert_snapshot!(Block::Table(table).text(Screen::plain()), @r#"
        hub       system  last heard of  waiting  refused  held  conflicts
        ------------------------------------------------------------------
        customer  crm     never                0        0     0          2
                  erp     never            1 200        3     0
        "#);
    }
}
