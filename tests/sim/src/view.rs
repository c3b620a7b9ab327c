//! What the hub says about itself, as anybody can read it from the store.

use lockstep::record::{Value, read_value};
use lockstep::store::{
    ConflictFilter, ConflictState, DeadLetterFilter, DeadLetterState, EndpointId, HoldFilter, HoldState, HubStore,
    LineageId,
};

use crate::plan::Plan;

/// The hub's name.
pub const SYNC: &str = "people";

/// How many rows are asked for at once.
const ROWS: u32 = 1000;

/// A remote record that is linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    pub system: usize,
    /// The value of its key.
    pub key: Value,
    pub record: i64,
}

#[derive(Clone, Debug)]
pub struct Dispute {
    pub record: i64,
    pub kind: &'static str,
    pub is_open: bool,
    pub subject: String,
    /// JSON.
    pub body: String,
    pub resolution: String,
}

#[derive(Clone, Debug)]
pub struct Letter {
    pub is_open: bool,
    /// JSON.
    pub body: String,
    pub key: String,
    pub cause: String,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub links: Vec<Linked>,
    pub disputes: Vec<Dispute>,
    pub letters: Vec<Letter>,
    pub holds_open: usize,
    /// Writes that are still to be made or looked at, and wait for nobody.
    pub pending: u64,
    /// Records and bodies.
    pub lineage: Vec<(i64, Vec<u8>)>,
}

impl View {
    pub fn of(store: &dyn HubStore, plan: &Plan) -> Result<Self, lockstep::store::StoreError> {
        let names: Vec<String> = plan.systems.iter().map(|system| system.name.to_owned()).collect();
        let state = store.hub_state(SYNC, &names)?;
        let mut view = Self::default();
        for (system, endpoint) in state.endpoints.iter().enumerate() {
            view.add_links(store, system, endpoint.id)?;
            let counts = store.count_intents(endpoint.id)?;
            view.pending += counts.planned + counts.sent + counts.unknown;
        }
        let filter = ConflictFilter { sync: Some(SYNC.into()), ..ConflictFilter::default() };
        view.disputes = store
            .conflicts(&filter)?
            .into_iter()
            .map(|found| Dispute {
                record: found.conflict.record.0,
                kind: found.conflict.kind.name(),
                is_open: found.conflict.state == ConflictState::Open,
                subject: found.conflict.subject,
                body: found.conflict.body,
                resolution: found.conflict.resolution.unwrap_or_default(),
            })
            .collect();
        let filter = DeadLetterFilter { sync: Some(SYNC.into()), ..DeadLetterFilter::default() };
        view.letters = store
            .dead_letters(&filter)?
            .into_iter()
            .map(|found| Letter {
                is_open: found.state == DeadLetterState::Open,
                body: found.letter.record.unwrap_or_default(),
                key: found.letter.key_text,
                cause: found.letter.cause.message,
            })
            .collect();
        let filter = HoldFilter { sync: Some(SYNC.into()), state: Some(HoldState::Open), limit: None };
        view.holds_open = store.holds(&filter)?.len();
        view.add_lineage(store)?;
        Ok(view)
    }

    fn add_links(
        &mut self,
        store: &dyn HubStore,
        system: usize,
        endpoint: EndpointId,
    ) -> Result<(), lockstep::store::StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let links = store.links(endpoint, after.as_deref(), ROWS)?;
            let Some(last) = links.last() else { return Ok(()) };
            after = Some(last.remote.clone());
            self.links.extend(links.iter().map(|link| Linked {
                system,
                key: read_value(&mut link.remote.as_slice()).unwrap_or(Value::Null),
                record: link.record.0,
            }));
        }
    }

    fn add_lineage(&mut self, store: &dyn HubStore) -> Result<(), lockstep::store::StoreError> {
        let mut after: Option<LineageId> = None;
        loop {
            let entries = store.lineage_after(after, ROWS)?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = Some(last.id);
            self.lineage.extend(entries.iter().map(|entry| (entry.record.0, entry.body.clone())));
        }
    }
}
