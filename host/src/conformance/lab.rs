//! What the checks look at: the plugin, ready to be called, and what several of them need, got once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::playback::After;
use super::reading::{Broken, Reading, Request};
use super::scratch::Scratch;
use super::{Stop, skips, told};
use crate::connector::{Cursor, Failure, PageLimits, ReadMode, Source as _};
use crate::error::codes;
use crate::plugin::{Grants, Limits, PluginBinary, PluginConnector, PluginError, RULE_PROPERTY, Runtime};
use crate::project::PluginDigest;
use crate::record::{Field, Stream};
use crate::world::Clock;

/// More records of a stream are not looked at: readings are repeated many times.
pub(super) const RECORDS_MAX: usize = 2_000;
/// Streams that are tried for one with records.
const STREAMS_TRIED: usize = 8;

/// The plugin that is checked.
pub struct Subject {
    /// The path of its file, or the name of a bundled plugin.
    pub name: String,
    pub binary: Result<PluginBinary, PluginError>,
    /// What a project has pinned in its place.
    pub pinned: Option<Pinned>,
}

/// A plugin as it was when it was pinned.
pub struct Pinned {
    pub name: String,
    pub version: String,
    pub digest: PluginDigest,
}

/// With what it is called.
#[derive(Clone)]
pub struct Setup {
    pub runtime: Runtime,
    pub config: serde_json::Value,
    pub grants: Grants,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
}

/// What whoever checks has to say about the plugin's system.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// The stream that is read; else the first with a key and records.
    pub stream: Option<String>,
    /// The field that tells what changed; else what the stream says.
    pub modified: Option<String>,
    /// The stream that is written; without one nothing is.
    pub write_stream: Option<String>,
    /// The fields that identify a record of it; else what it says itself.
    pub write_key: Vec<String>,
    /// Records to be written, `{n}` in them for a number; else they are made up.
    pub sample: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// The plugin at work.
pub struct Lab {
    pub subject: Subject,
    pub setup: Setup,
    pub wishes: Wishes,
    connector: OnceCell<Result<PluginConnector, Stop>>,
    transform: OnceCell<Result<PluginConnector, Stop>>,
    streams: OnceCell<Result<Vec<Stream>, Failure>>,
    stream: OnceCell<Result<Stream, Stop>>,
    whole: OnceCell<Result<Reading, Stop>>,
    pub(super) scratch: OnceCell<Result<Scratch, Stop>>,
    /// Rules of which breaches showed while something else was asked, with the first breach.
    breaches: Mutex<BTreeMap<String, String>>,
    /// Errors of the plugin's own.
    errors: Mutex<Vec<Failure>>,
    readings: Mutex<u64>,
}

impl Lab {
    pub fn new(subject: Subject, setup: Setup, wishes: Wishes) -> Self {
        Self {
            subject,
            setup,
            wishes,
            connector: OnceCell::new(),
            transform: OnceCell::new(),
            streams: OnceCell::new(),
            stream: OnceCell::new(),
            whole: OnceCell::new(),
            scratch: OnceCell::new(),
            breaches: Mutex::default(),
            errors: Mutex::default(),
            readings: Mutex::default(),
        }
    }

    pub(super) fn binary(&self) -> Result<&PluginBinary, Stop> {
        self.subject.binary.as_ref().or_else(|_| skips("its binary cannot be used"))
    }

    /// Skips unless the plugin can do this.
    pub(super) fn exports(&self, interface: &str) -> Result<(), Stop> {
        if self.binary()?.report.exports_interface(interface) {
            Ok(())
        } else {
            skips(format!("it does not export `{interface}`"))
        }
    }

    /// A connector that shares nothing with any other.
    pub fn fresh(&self) -> Result<PluginConnector, PluginError> {
        let setup = &self.setup;
        let Ok(binary) = &self.subject.binary else {
            return Err(PluginError::Unknown { name: self.subject.name.clone(), known: Vec::new() });
        };
        let (grants, limits, clock) = (setup.grants.clone(), setup.limits.clone(), setup.clock.clone());
        PluginConnector::system(&setup.runtime, binary, &setup.config, grants, limits, clock)
    }

    /// Whether the configuration is one the plugin's schema allows: whoever checks is told before anything is.
    pub fn check_config(&self) -> Result<(), PluginError> {
        match self.subject.binary.is_ok().then(|| self.fresh()) {
            Some(Err(error @ PluginError::Config { .. })) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn fresh_transform(&self) -> Result<PluginConnector, Stop> {
        self.exports("transform")?;
        let (runtime, limits) = (&self.setup.runtime, self.setup.limits.clone());
        Ok(PluginConnector::transform(runtime, self.binary()?, &self.setup.config, limits)?)
    }

    pub(super) async fn connector(&self) -> Result<&PluginConnector, Stop> {
        let made = self.connector.get_or_init(|| async {
            let binary = self.binary()?;
            if let Some(grant) = missing_grant(binary, &self.setup.grants) {
                return skips(format!("nothing grants it `{grant}`: say `--connection NAME`, of a project that does"));
            }
            let connector = self.fresh().or_else(|_| skips("`binary.links` failed"))?;
            connector.check_exports().await.or_else(|_| skips("`binary.links` failed"))?;
            Ok(connector)
        });
        made.await.as_ref().map_err(Clone::clone)
    }

    /// The plugin as a transform. What it imports that a transform must not is `binary.pure`'s.
    pub(super) async fn transform(&self) -> Result<&PluginConnector, Stop> {
        let made = self.transform.get_or_init(|| async {
            self.exports("transform")?;
            let connector = self.fresh_transform().or_else(|_| skips("it cannot be used as a transform"))?;
            connector.check_exports().await.or_else(|_| skips("`binary.links` failed"))?;
            Ok(connector)
        });
        made.await.as_ref().map_err(Clone::clone)
    }

    /// What discovery answered.
    pub(super) async fn discovered(&self) -> Result<&Result<Vec<Stream>, Failure>, Stop> {
        self.exports("source")?;
        let connector = self.connector().await?;
        Ok(self.streams.get_or_init(|| connector.discover(&[])).await)
    }

    /// The streams there are.
    pub(super) async fn streams(&self) -> Result<&[Stream], Stop> {
        match self.discovered().await? {
            Ok(streams) if streams.is_empty() => skips("there is no stream"),
            Ok(streams) => Ok(streams),
            Err(_) => skips("discovery failed"),
        }
    }

    /// The stream that is read.
    pub(super) async fn stream(&self) -> Result<&Stream, Stop> {
        self.stream.get_or_init(|| self.choose()).await.as_ref().map_err(Clone::clone)
    }

    /// The name of the stream that is read, if there is one.
    pub async fn stream_name(&self) -> Option<String> {
        self.stream().await.ok().map(|stream| stream.name.clone())
    }

    /// What it gives when these streams are read in an instance that knows nothing yet.
    pub async fn perform(&self, names: &[String], after: After) -> Result<Vec<serde_json::Value>, PluginError> {
        Ok(super::perform(&self.fresh()?, names, self.page_limits(), after).await)
    }

    async fn choose(&self) -> Result<Stream, Stop> {
        let streams = self.streams().await?;
        if let Some(name) = &self.wishes.stream {
            if let Some(found) = streams.iter().find(|stream| stream.name == *name) {
                return Ok(found.clone());
            }
            // A name may have a shorter form than the one discovery shows.
            let found = self.answered(self.connector().await?.discover(std::slice::from_ref(name)).await)?;
            return found.into_iter().next().map_or_else(|| skips(format!("there is no stream `{name}`")), Ok);
        }
        for stream in streams.iter().filter(|stream| !stream.key.is_empty()).take(STREAMS_TRIED) {
            let request = Request::full(stream);
            let first = self.read(&request, None, PageLimits { rows: 2, bytes: 1 << 20 }, 1).await;
            if first.is_ok_and(|reading| reading.records() > 1) {
                return Ok(stream.clone());
            }
        }
        streams.first().cloned().map_or_else(|| skips("there is no stream"), Ok)
    }

    /// Whether the source has such a stream. What it fails to say it has.
    pub(super) async fn shows(&self, name: &str) -> bool {
        let Ok(connector) = self.connector().await else { return true };
        connector.discover(&[name.to_owned()]).await.map_or(true, |found| !found.is_empty())
    }

    /// The names of the streams there are, if the one to be read is none of them.
    pub async fn missing_stream(&self) -> Option<Vec<String>> {
        self.wishes.stream.as_ref()?;
        let streams = self.streams().await.ok()?;
        let names = streams.iter().map(|stream| stream.name.clone()).collect();
        self.stream().await.is_err().then_some(names)
    }

    /// Everything the stream holds, read once, in pages as a sync asks for them.
    pub(super) async fn whole(&self) -> Result<&Reading, Stop> {
        let read = self.whole.get_or_init(|| async {
            let stream = self.stream().await?;
            let reading = self.read(&Request::full(stream), None, self.page_limits(), RECORDS_MAX).await;
            let reading = reading.map_err(|broken| broken.skips("`read.answers` failed"))?;
            match (reading.records(), reading.is_whole()) {
                (0, _) => skips(format!("the stream `{}` is empty", stream.name)),
                (_, false) => skips(format!(
                    "the stream `{}` has more than {RECORDS_MAX} records: name a smaller one, `--stream NAME`",
                    stream.name
                )),
                _ => Ok(reading),
            }
        });
        read.await.as_ref().map_err(Clone::clone)
    }

    /// What a sync asks for.
    pub(super) fn page_limits(&self) -> PageLimits {
        PageLimits { rows: self.setup.limits.page_rows, bytes: self.setup.limits.page_bytes }
    }

    /// Reads in an instance of its own, from a cursor to the end or until there are so many records.
    pub(super) async fn read(
        &self,
        request: &Request,
        cursor: Option<Cursor>,
        limits: PageLimits,
        records_max: usize,
    ) -> Result<Reading, Broken> {
        let connector = self.connector().await.map_err(Broken::Stopped)?;
        *lock(&self.readings) += 1;
        let reading = super::reading::read(connector, request, cursor, limits, records_max).await;
        reading.map_err(|broken| match broken {
            Broken::Failed(failure) => self.judged(failure),
            Broken::Stuck(how) => self.breach("progress", how),
            stopped @ Broken::Stopped(_) => stopped,
        })
    }

    /// A failure that breaks a rule with a check of its own is that check's.
    fn judged(&self, failure: Failure) -> Broken {
        self.note(&failure);
        match failure.properties.get(RULE_PROPERTY).map(str::to_owned) {
            Some(rule) => self.breach(&rule, told(&failure)),
            None => Broken::Failed(failure),
        }
    }

    fn breach(&self, rule: &str, how: String) -> Broken {
        lock(&self.breaches).entry(rule.to_owned()).or_insert(how);
        Broken::Stopped(Stop::Skips(format!("a breach of `{rule}` came in between")))
    }

    /// What else than a reading answered.
    pub(super) fn answered<T>(&self, answer: Result<T, Failure>) -> Result<T, Stop> {
        answer.map_err(|failure| self.judged(failure).into())
    }

    /// Remembers an error of the plugin's own: all of them are looked at in the end.
    pub(super) fn note(&self, failure: &Failure) {
        // What a recording does not hold is no error of the plugin's.
        if failure.code.id == codes::RECORDING_GAP.id {
            return;
        }
        lock(&self.errors).push(failure.clone());
    }

    pub(super) fn errors(&self) -> Vec<Failure> {
        lock(&self.errors).clone()
    }

    /// The first breach of a rule, whatever was asked when it showed.
    pub(super) fn breach_of(&self, rule: &str) -> Option<String> {
        lock(&self.breaches).get(rule).cloned()
    }

    pub(super) fn has_read(&self) -> bool {
        *lock(&self.readings) > 0
    }

    /// The memory of the largest instance so far, in bytes.
    pub fn memory_peak_bytes(&self) -> usize {
        let made = [self.connector.get(), self.transform.get()];
        let peaks = made.into_iter().flatten().flatten().map(PluginConnector::memory_peak_bytes);
        peaks.max().unwrap_or(0)
    }

    /// How changes are read, if they can be.
    pub(super) fn incremental(&self, stream: &Stream) -> Result<Request, Stop> {
        let modified = self.wishes.modified.clone().or_else(|| stream.properties.get("modified").map(str::to_owned));
        let modified = modified.filter(|name| stream.field(name).is_some());
        match ReadMode::of(stream, modified.is_some()) {
            ReadMode::Incremental => Ok(Request::incremental(stream, modified.as_deref())),
            ReadMode::Full => skips(format!(
                "nothing tells what changed in `{}`: say `--modified FIELD` if a field does",
                stream.name
            )),
        }
    }

    /// Takes back what was written, as far as that can be done.
    pub async fn clean_up(&self) {
        if let Some(Ok(scratch)) = self.scratch.get() {
            scratch.clean_up(self).await;
        }
    }
}

impl Setup {
    /// What a transform is called with: nothing is granted.
    pub fn without_grants(runtime: Runtime, config: serde_json::Value, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self { runtime, config, grants: Grants::none("check"), limits, clock }
    }
}

/// An alias the plugin uses that nothing grants.
fn missing_grant(binary: &PluginBinary, grants: &Grants) -> Option<String> {
    let aliases = &binary.manifest.aliases;
    let mut used =
        aliases.iter().flat_map(|(capability, aliases)| aliases.iter().map(move |alias| (capability, alias)));
    let (capability, alias) = used.find(|(capability, alias)| match capability.as_str() {
        "files" => !grants.files.contains_key(*alias),
        "sql" => !grants.sql.contains_key(*alias),
        "http" => !grants.http.contains_key(*alias),
        _ => false,
    })?;
    Some(format!("{capability}.{alias}"))
}

/// Fields without those that only the key is made of.
pub(super) fn without_key(stream: &Stream) -> impl Iterator<Item = &Field> {
    stream.fields.iter().filter(|field| !stream.key.contains(&field.name))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
