//! Whether the policy `newest` has times to go by: an endpoint that does not say when its records were changed could win or lose
//! only by the order of the file, which is not what was asked for.

use super::setup::End;
use super::{Hub, HubEnd};
use crate::project::{ConflictPolicy, HubEndpoint, HubField};
use crate::record::LogicalType;
use crate::sync::error::SyncError;

impl Hub {
    /// Endpoints that take part in a decision by `newest` and say nowhere when their records were changed, one error each. What
    /// shows only beside the real stream is looked at when a run begins.
    pub fn check_times(&self) -> Vec<SyncError> {
        let is_silent = |(endpoint, end): &(&HubEndpoint, &HubEnd)| endpoint.modified.is_none() && !end.reports_times;
        let silent = self.def.endpoints.iter().zip(&self.ends).filter(is_silent);
        silent.filter_map(|(endpoint, _)| self.without_times(endpoint, None)).collect()
    }

    /// The error about an endpoint without times, if any field needs them.
    fn without_times(&self, endpoint: &HubEndpoint, modified: Option<LogicalType>) -> Option<SyncError> {
        let field = self.def.fields.iter().find(|field| self.needs_times(field, endpoint))?;
        Some(SyncError::NoTimes {
            place: field.place.clone(),
            sync: self.def.name.to_string(),
            field: field.name.clone(),
            endpoint: endpoint.name.clone(),
            modified: modified.and_then(|logical| Some((endpoint.modified.clone()?, logical.to_string()))),
        })
    }

    /// Whether the endpoint may change a field about which times decide.
    fn needs_times(&self, field: &HubField, endpoint: &HubEndpoint) -> bool {
        let is_newest = field.owner.is_none() && matches!(field.conflict, ConflictPolicy::Newest);
        let others = || self.def.endpoints.iter().filter(|other| other.name != endpoint.name);
        is_newest && field.is_taken_from(endpoint) && others().any(|other| field.is_taken_from(other))
    }
}

/// Whether every time that is needed is one, now that the streams are known.
pub(super) fn check_times(hub: &Hub, ends: &[End]) -> Result<(), SyncError> {
    let silent = hub.check_times().into_iter().next();
    let timeless = hub.def.endpoints.iter().zip(&hub.ends).zip(ends).filter(|((_, end), _)| !end.reports_times);
    let wrong = timeless.filter_map(|((endpoint, _), end)| {
        let logical = end.modified.as_ref()?.logical;
        let is_time = matches!(logical, LogicalType::Timestamp | LogicalType::Datetime);
        if is_time { None } else { hub.without_times(endpoint, Some(logical)) }
    });
    silent.into_iter().chain(wrong).next().map_or(Ok(()), Err)
}
