//! Systems that give a new record the id of one that is gone: what they have just made is not what used to be there.

use super::decide::Incoming;
use super::deliver::{Action, Job};
use super::work::Work;
use super::write::Outcome;
use crate::record::Row;
use crate::resolve::{EventKind, Link, Shadow};
use crate::store::{RecordId, RecordQuery};
use crate::sync::error::SyncError;

impl Work<'_> {
    /// Takes ids that an endpoint has just given to new records from those who had them before.
    pub async fn free_ids(&mut self, endpoint: usize, jobs: &[Job], outcomes: &[Outcome]) -> Result<(), SyncError> {
        let made = jobs.iter().zip(outcomes).filter_map(|(job, outcome)| match outcome {
            Outcome::Ok { remote: Some(remote) } if job.action == Action::Create => Some((job.record, remote.clone())),
            _ => None,
        });
        let made: Vec<(RecordId, Vec<u8>)> = made.collect();
        if made.is_empty() {
            return Ok(());
        }
        let id = self.endpoint_id(endpoint);
        let links = made.iter().map(|(_, remote)| (id, remote.clone())).collect();
        let query = RecordQuery { sync: self.name().to_owned(), links, ..RecordQuery::default() };
        let owners = self.run.store.load_records(&query)?.links;
        let taken: Vec<(RecordId, Vec<u8>)> = made
            .into_iter()
            .zip(owners)
            .filter_map(|((record, remote), owner)| Some((owner.filter(|owner| *owner != record)?, remote)))
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        self.bury_unnoticed(endpoint, &taken).await?;
        let mut unit = self.load_unit(taken.iter().map(|(owner, _)| *owner))?;
        for (owner, remote) in taken {
            let Some(touched) = unit.get(owner) else { continue };
            let fields = touched.state.canon.len();
            let Some(side) = touched.state.sides.get_mut(endpoint) else { continue };
            if side.link.remote() == Some(remote.as_slice()) {
                // Gone it stays, under an id that nothing has.
                side.link = Link::Gone(Box::default());
                side.shadow = vec![Shadow::Absent; fields];
                touched.is_dirty = true;
            }
            unit.link(id, remote, None);
        }
        self.commit(unit)
    }

    /// Who still counts as being there under such an id was deleted, and nobody has noticed yet.
    async fn bury_unnoticed(&mut self, endpoint: usize, taken: &[(RecordId, Vec<u8>)]) -> Result<(), SyncError> {
        let unit = self.load_unit(taken.iter().map(|(owner, _)| *owner))?;
        let is_there = |owner: &RecordId| {
            let side = unit.peek(*owner).and_then(|touched| touched.state.side(endpoint));
            side.is_some_and(|side| side.link.is_linked())
        };
        let silent: Row = vec![None; self.settled.entity.len()].into();
        let deleted = taken.iter().filter(|(owner, _)| is_there(owner)).map(|(_, remote)| Incoming {
            remote: remote.clone(),
            kind: EventKind::Delete,
            values: silent.clone(),
            at: None,
            adopt: None,
            has_waited: false,
            points_nowhere: false,
        });
        let deleted: Vec<Incoming> = deleted.collect();
        match deleted.is_empty() {
            true => Ok(()),
            false => self.take_rows(endpoint, &deleted, Vec::new(), None).await,
        }
    }
}
