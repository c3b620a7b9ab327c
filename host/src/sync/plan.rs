//! What a run would do, found out without doing it: the same settling, reading and preparing, and nothing written.

use tokio::sync::mpsc;

use super::error::SyncError;
use super::mirror::{MirrorRun, read_request};
use super::prepare::Preparer;
use super::read::Reading;
use super::retry::Caution;
use super::setup::{Drift, Mirror, Setup, settle};
use crate::connector::{Cursor, Effect, Page, ReadMode};
use crate::project::Deletes;
use crate::record::RowDigester;
use crate::store::{Counters, NewDeadLetter, Phase, SyncState};

/// Dead letters a plan shows.
const LETTERS_SHOWN: usize = 20;

/// What a run of a mirror would do.
#[derive(Debug)]
pub struct MirrorPlan {
    pub sync: String,
    /// How the source would be read, in a sentence.
    pub reading: String,
    /// What would be done to the target's schema.
    pub actions: Vec<String>,
    /// Target field and where its value comes from, with its type.
    pub fields: Vec<(String, String, String)>,
    pub deletes: &'static str,
    pub notes: Vec<String>,
    /// Records that would be read, rejected, and left out as duplicates.
    pub counters: Counters,
    /// Some of the records that would become dead letters.
    pub letters: Vec<NewDeadLetter>,
}

/// Looks ahead. Reads everything a run would read.
pub async fn plan_mirror(mirror: &Mirror, run: &MirrorRun) -> Result<MirrorPlan, SyncError> {
    let state = run.store.sync_state(mirror.name())?;
    let drift = if run.options.accept_schema { Drift::Accepted } else { Drift::ByPolicy };
    let setup = settle(mirror, &state, drift, Effect::DryRun, &Caution::new(mirror.name(), run)).await?;
    let (counters, letters) = rehearse(mirror, run, &setup, &state).await?;
    Ok(MirrorPlan {
        sync: mirror.name().to_owned(),
        reading: reading(mirror, &setup, &state),
        fields: fields(&setup),
        deletes: match mirror.def.deletes {
            Deletes::Tombstones => "where the source says so",
            Deletes::Compare => "where a complete comparison shows them, below the guard",
            Deletes::Ignore => "never",
        },
        actions: setup.actions,
        notes: setup.notes,
        counters,
        letters,
    })
}

fn reading(mirror: &Mirror, setup: &Setup, state: &SyncState) -> String {
    let stream = &mirror.def.source.stream;
    match (state.phase, setup.mode) {
        _ if setup.begins_anew => format!("everything in `{stream}`, again"),
        (Phase::New, _) => format!("everything in `{stream}`, for the first time"),
        (Phase::InitialLoad, _) => format!("the rest of `{stream}`, from where the first load stopped"),
        (Phase::Steady, ReadMode::Incremental) => format!("what changed in `{stream}` since the last run"),
        (Phase::Steady, ReadMode::Full) => format!("`{stream}`, unless it is as it was"),
    }
}

fn fields(setup: &Setup) -> Vec<(String, String, String)> {
    let sources = setup.mapping.sources();
    setup
        .mapping
        .output_fields()
        .iter()
        .zip(sources)
        .map(|(field, source)| {
            let key = if setup.target.key.contains(&field.name) { " (key)" } else { "" };
            let source = source.map_or_else(|| "constant".to_owned(), str::to_owned);
            (format!("{}{key}", field.name), source, field.logical.to_string())
        })
        .collect()
}

/// Reads and prepares as a run would, and counts.
async fn rehearse(
    mirror: &Mirror,
    run: &MirrorRun,
    setup: &Setup,
    state: &SyncState,
) -> Result<(Counters, Vec<NewDeadLetter>), SyncError> {
    let cursor = if setup.begins_anew || run.options.full { None } else { state.cursor.clone() };
    let (caution, source) = (Caution::new(mirror.name(), run), mirror.source.connector.clone());
    let reading = Reading::new(caution, source, read_request(mirror, setup, cursor.map(Cursor)), mirror.page);
    run.observer.phase("reading");
    let digester = RowDigester::new((run.world.random.next_u64(), run.world.random.next_u64()));
    let mut preparer = Preparer::new(mirror, setup, digester);
    let (sender, mut pages) = mpsc::channel::<Page>(1);
    let reader = tokio::spawn(reading.run(sender));
    let (mut counters, mut letters) = (Counters::default(), Vec::new());
    while let Some(page) = pages.recv().await {
        let prepared = preparer.prepare(page).await?;
        counters.read += prepared.counters.read;
        counters.rejected += prepared.counters.rejected;
        counters.duplicates += prepared.counters.duplicates;
        letters.extend(prepared.letters.into_iter().take(LETTERS_SHOWN.saturating_sub(letters.len())));
    }
    reader.await.map_err(|error| SyncError::internal(mirror.name(), error))??;
    Ok((counters, letters))
}
