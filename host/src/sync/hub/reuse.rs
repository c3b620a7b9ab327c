//! Ids that new records get and others have, or had: what is made under a key of our own must not be written over another record, and
//! what a system has just made under the id of one that is gone is not what used to be there.

use std::collections::{HashMap, HashSet};

use super::decide::Incoming;
use super::deliver::{Action, Job};
use super::unit::Unit;
use super::work::{Work, remote_text};
use super::write::Outcome;
use crate::connector::{Failure, FailureKind};
use crate::record::Row;
use crate::resolve::{EventKind, Link, Shadow};
use crate::store::{RecordId, RecordQuery};
use crate::sync::error::SyncError;

impl Work<'_> {
    /// Leaves out creates under a key of our own that another record of ours has there, or gets in this batch: they would be written
    /// over it.
    pub fn refuse_taken(&mut self, endpoint: usize, jobs: Vec<Job>, unit: &mut Unit) -> Result<Vec<Job>, SyncError> {
        let id = self.endpoint_id(endpoint);
        let keys: Vec<Option<Vec<u8>>> = jobs.iter().map(|job| self.own_key(endpoint, job)).collect();
        let remotes: Vec<Vec<u8>> = keys.iter().flatten().cloned().collect();
        if remotes.is_empty() {
            return Ok(jobs);
        }
        let query = RecordQuery {
            sync: self.name().to_owned(),
            links: remotes.iter().map(|remote| (id, remote.clone())).collect(),
            ..RecordQuery::default()
        };
        let links = self.run.store.load_records(&query)?.links;
        let owners: HashMap<Vec<u8>, RecordId> =
            remotes.into_iter().zip(links).filter_map(|(remote, record)| Some((remote, record?))).collect();
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        let mut left = Vec::with_capacity(jobs.len());
        for (job, key) in jobs.into_iter().zip(keys) {
            let Some(key) = key else {
                left.push(job);
                continue;
            };
            match owners.get(&key) {
                Some(owner) if *owner != job.record => {
                    let failure = self.taken(endpoint, &key);
                    self.refuse(endpoint, job.record, &job.patch, &failure, unit);
                }
                // The second of two waits until the first is there.
                _ if !seen.insert(key) => {}
                _ => left.push(job),
            }
        }
        Ok(left)
    }

    /// The remote id a create is going to have, where it is we who give it.
    fn own_key(&self, endpoint: usize, job: &Job) -> Option<Vec<u8>> {
        let end = self.settled.ends.get(endpoint).filter(|_| job.action == Action::Create)?;
        super::write::key_among(&job.columns, &end.key)
    }

    fn taken(&self, endpoint: usize, key: &[u8]) -> Failure {
        let end = self.settled.ends.get(endpoint);
        let (name, text) = end.map(|end| (end.name.clone(), remote_text(key, &end.key))).unwrap_or_default();
        Failure::new(
            FailureKind::InvalidData,
            &crate::error::codes::DATA_KEY,
            "lockstep",
            format!("`{name}` has {text} already, and it belongs to another record: one of the two needs another key"),
        )
    }

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
