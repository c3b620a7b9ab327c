//! Endpoints that cannot be opened when a run begins: they hold up nobody else.
//!
//! An endpoint that is absent is neither read nor written, and nothing is concluded from its silence. What it is owed is computed
//! and stays due as ever, for the rules about it are those of the project and not of its stream.
//!
//! Before the first run has pinned the entity's types everybody has to be there: what is absent may be a slip of the pen, or the one
//! that says what type a field is.

use std::sync::Arc;

use super::setup::{End, filter};
use super::work::Work;
use super::{Hub, HubEnd, HubOptions};
use crate::connector::ReadMode;
use crate::project::{HubDef, HubEndpoint, HubField};
use crate::record::{Field, Projection, Properties, Stream};
use crate::store::HubState;
use crate::sync::drift::PinnedStream;
use crate::sync::error::SyncError;

/// What becomes of an endpoint that cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// Nothing goes on without it.
    Refused,
    /// The others go on.
    Tolerated,
}

impl Absence {
    /// In a run of a hub that stands like this. Who holds a run to a plan wants all of it.
    pub fn in_run(state: &HubState, options: &HubOptions) -> Self {
        if state.pin.is_some() && options.plan.is_none() { Self::Tolerated } else { Self::Refused }
    }
}

/// What was found where an endpoint's stream should be.
pub(super) enum Found {
    Stream(Stream),
    /// It can be made.
    Nothing,
    /// Nobody can say.
    Absent(SyncError),
}

impl Found {
    pub fn of(found: Result<Option<Stream>, SyncError>, absence: Absence) -> Result<Self, SyncError> {
        match found {
            Ok(Some(stream)) => Ok(Self::Stream(stream)),
            Ok(None) => Ok(Self::Nothing),
            Err(
                error @ (SyncError::Connector { .. } | SyncError::Exhausted { .. } | SyncError::StreamMissing { .. }),
            ) if absence == Absence::Tolerated => Ok(Self::Absent(error)),
            Err(error) => Err(error),
        }
    }

    pub fn stream(&self) -> Option<&Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::Nothing | Self::Absent(_) => None,
        }
    }
}

/// Whether an endpoint that is absent has the field.
pub(super) fn has_field(def: &HubDef, field: &HubField, found: &[Found]) -> bool {
    let pairs = def.endpoints.iter().zip(found);
    let absent = pairs.filter(|(_, found)| matches!(found, Found::Absent(_)));
    absent.into_iter().any(|(endpoint, _)| field.columns.contains_key(&endpoint.name))
}

/// A field that is new needs everybody who has it, to say of what type it is.
pub(super) fn check_rest(
    def: &HubDef,
    found: Vec<Found>,
    pinned: Option<&PinnedStream>,
) -> Result<Vec<Found>, SyncError> {
    let is_known = |field: &HubField| {
        let pinned = pinned.map(|pinned| pinned.fields.as_slice()).unwrap_or_default();
        field.logical.is_some() || pinned.iter().any(|known| known.name == field.name)
    };
    if def.fields.iter().all(|field| is_known(field) || !has_field(def, field, &found)) {
        return Ok(found);
    }
    let error = found.into_iter().find_map(|found| match found {
        Found::Absent(error) => Some(error),
        Found::Stream(_) | Found::Nothing => None,
    });
    Err(error.unwrap_or_else(|| SyncError::internal(def.name.as_str(), "an endpoint is absent without a reason")))
}

/// What stands in the place of an endpoint that is absent: nothing of it is asked for or known but what the project says.
pub(super) fn end(hub: &Hub, def: &HubEndpoint, end: &HubEnd, entity: &Arc<[Field]>) -> Result<End, SyncError> {
    let projection = Projection::new(entity.clone(), Vec::new()).map_err(|error| SyncError::Projection {
        sync: hub.def.name.to_string(),
        endpoint: def.name.clone(),
        error,
    })?;
    Ok(End {
        name: def.name.clone(),
        source: end.source.clone(),
        sink: end.sink.clone(),
        plugin: end.plugin.clone(),
        stream: Stream {
            name: def.stream.clone(),
            key: Vec::new(),
            fields: Vec::new(),
            properties: Properties::default(),
        },
        key: Vec::new(),
        projection,
        read_fields: Vec::new(),
        modified: None,
        options: Properties::default(),
        mode: ReadMode::Full,
        reports_deletes: false,
        expectable: Vec::new(),
        can_insert: false,
        can_update: false,
        references: Vec::new(),
        filter: filter(hub, def, entity)?,
        archive_on_exit: None,
        archive: None,
    })
}

impl Work<'_> {
    pub fn is_absent(&self, endpoint: usize) -> bool {
        self.settled.absent.contains_key(&endpoint)
    }

    /// Why the first endpoint that is absent is. Told once; who is absent stays known.
    pub fn first_absent(&mut self) -> Option<SyncError> {
        self.settled.absent.values_mut().find_map(Option::take)
    }

    /// Endpoints that took no part, or only in part.
    pub fn failed_names(&self) -> Vec<String> {
        let ends = self.settled.ends.iter().enumerate();
        ends.filter(|(at, _)| self.failed.contains(at)).map(|(_, end)| end.name.clone()).collect()
    }
}
