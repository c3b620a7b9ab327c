//! Recordings: what a plugin asked of its capabilities and what it was answered, so that the same binary runs again without the
//! systems behind them.
//!
//! It stands behind the capabilities, where each of them answers ([`Way`]). A request is kept as the plugin made it, before the host
//! adds credentials; an answer as the plugin received it, after the host has searched it for them. A request is answered with what
//! the same request was answered then, in that order; the last answer stays. What is written is a request like any other. Time and chance come from the tape, too: time stands
//! still between two answers, and chance follows from a number in the head.
//!
//! It must not know WIT or wasmtime.

mod answers;
mod text;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub use self::answers::Taped;
pub(super) use self::answers::{bytes_from_json, bytes_to_json, failure_from_json, failure_to_json};
pub use self::text::{Exchange, Head, Recording, RecordingError, Step, Writes};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::world::Clock;

/// Bytes of chance an instance gets before it begins again.
const CHANCE_BYTES: usize = 4 << 10;
/// A recording is read by people, and kept in a repository.
const BYTES_MAX: usize = 64 << 20;
const SHOWN_CHARS: usize = 160;

/// A recording in use. Clones are the same.
#[derive(Clone)]
pub struct Tape(Arc<Mutex<Reel>>);

struct Reel {
    head: Head,
    exchanges: Vec<Exchange>,
    /// By request: where it is answered, in order, and how often it was asked.
    index: HashMap<String, Spot>,
    /// What was asked and is not on it, each once.
    gaps: Vec<String>,
    /// The last of it, and how often something was.
    missed: (u64, String),
    elapsed: Duration,
    instances: u64,
    bytes: usize,
    /// When the recording began; none where it is played.
    clock: Option<(Arc<dyn Clock>, Duration)>,
}

#[derive(Default)]
struct Spot {
    exchanges: Vec<usize>,
    asked: u64,
}

/// How a capability is reached: the real one, the real one with a recorder beside it, or a recording in its place.
#[derive(Clone)]
pub enum Way<L> {
    Live(L),
    Recorded(L, Track),
    Replayed(Track),
}

/// One alias of a capability on a tape.
#[derive(Clone)]
pub struct Track {
    tape: Tape,
    capability: &'static str,
    alias: String,
}

impl<L> Way<L> {
    /// Asks the one behind it. `request` says what is asked, beside the alias.
    pub async fn ask<T: Taped>(
        &self,
        request: impl FnOnce() -> Value,
        live: impl AsyncFnOnce(&L) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self {
            Self::Live(real) => live(real).await,
            Self::Recorded(real, track) => track.kept(live(real).await, request),
            Self::Replayed(track) => track.answer(&request()),
        }
    }

    /// As [`Way::ask`], of one that is changed by being asked.
    pub async fn ask_mut<T: Taped>(
        &mut self,
        request: impl FnOnce() -> Value,
        live: impl AsyncFnOnce(&mut L) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self {
            Self::Live(real) => live(real).await,
            Self::Recorded(real, track) => track.kept(live(real).await, request),
            Self::Replayed(track) => track.answer(&request()),
        }
    }

    /// The real one, if there is one.
    pub fn live(&self) -> Option<&L> {
        match self {
            Self::Live(real) | Self::Recorded(real, _) => Some(real),
            Self::Replayed(_) => None,
        }
    }

    /// What was opened through it, reached in the same way; `opened` is the real one, where there is one.
    pub fn with<M>(&self, opened: Option<M>) -> Result<Way<M>, Failure> {
        match (self, opened) {
            (Self::Recorded(_, track), Some(opened)) => Ok(Way::Recorded(opened, track.clone())),
            (Self::Live(_), Some(opened)) => Ok(Way::Live(opened)),
            (Self::Replayed(track), _) => Ok(Way::Replayed(track.clone())),
            (Self::Live(_) | Self::Recorded(..), None) => {
                let message = "what was opened is not there any more";
                Err(Failure::new(FailureKind::Other, &codes::INTERNAL, "recording", message))
            }
        }
    }

    /// The same with a recorder beside it; where a recording is played there is nothing to record.
    pub fn recorded(self, track: Track) -> Self {
        match self {
            Self::Live(real) | Self::Recorded(real, _) => Self::Recorded(real, track),
            replayed @ Self::Replayed(_) => replayed,
        }
    }
}

impl Track {
    /// Keeps what was answered, and hands it on.
    fn kept<T: Taped>(&self, answer: Result<T, Failure>, request: impl FnOnce() -> Value) -> Result<T, Failure> {
        self.keep(request(), answer.as_ref().map(T::to_json).map_err(failure_to_json))?;
        answer
    }

    /// Keeps what was answered, or how it failed.
    pub fn keep(&self, request: Value, answer: Result<Value, Value>) -> Result<(), Failure> {
        let answer = answer.unwrap_or_else(|error| json!({ "error": error }));
        self.tape.lock().keep(self.named(request), answer)
    }

    /// What was answered then.
    pub fn answer<T: Taped>(&self, request: &Value) -> Result<T, Failure> {
        let request = self.named(request.clone());
        let answer = self.tape.lock().answer(&request)?;
        if let Some(error) = answer.get("error").filter(|error| error.is_object()) {
            return Err(failure_from_json(error));
        }
        T::from_json(&answer).ok_or_else(|| {
            let message = format!("the recording has no sensible answer to: {}", shown(&request));
            Failure::new(FailureKind::Config, &codes::RECORDING, "recording", message)
        })
    }

    /// More is wanted of something than was recorded.
    pub fn wants_more(&self, of: &str) -> Failure {
        self.tape.lock().gap(&json!({ self.capability: self.alias, "more rows of": of }))
    }

    fn named(&self, request: Value) -> Value {
        let mut named = serde_json::Map::new();
        named.insert(self.capability.to_owned(), Value::String(self.alias.clone()));
        named.extend(request.as_object().cloned().unwrap_or_default());
        Value::Object(named)
    }
}

impl Tape {
    /// An empty one, to record.
    pub fn record(head: Head, clock: Arc<dyn Clock>) -> Self {
        let began = clock.elapsed();
        Self::new(head, Vec::new(), Some((clock, began)))
    }

    /// One that answers from a recording.
    pub fn play(recording: &Recording) -> Self {
        Self::new(recording.head.clone(), recording.exchanges.clone(), None)
    }

    fn new(head: Head, exchanges: Vec<Exchange>, clock: Option<(Arc<dyn Clock>, Duration)>) -> Self {
        let mut index: HashMap<String, Spot> = HashMap::new();
        for (at, exchange) in exchanges.iter().enumerate() {
            index.entry(key(&exchange.asked)).or_default().exchanges.push(at);
        }
        Self(Arc::new(Mutex::new(Reel {
            head,
            exchanges,
            index,
            gaps: Vec::new(),
            missed: (0, String::new()),
            elapsed: Duration::ZERO,
            instances: 0,
            bytes: 0,
            clock,
        })))
    }

    pub fn track(&self, capability: &'static str, alias: &str) -> Track {
        Track { tape: self.clone(), capability, alias: alias.to_owned() }
    }

    pub fn is_played(&self) -> bool {
        self.lock().clock.is_none()
    }

    pub fn head(&self) -> Head {
        self.lock().head.clone()
    }

    /// What has been recorded.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().exchanges.clone()
    }

    /// What was asked and is not on the tape, each once.
    pub fn gaps(&self) -> Vec<String> {
        self.lock().gaps.clone()
    }

    /// How often something was asked that is not on the tape, and what it was the last time.
    pub fn missed(&self) -> (u64, String) {
        self.lock().missed.clone()
    }

    /// What was recorded and never asked for.
    pub fn unasked(&self) -> Vec<String> {
        let reel = self.lock();
        let asked = |exchange: &&Exchange| reel.index.get(&key(&exchange.asked)).is_some_and(|spot| spot.asked == 0);
        let mut unasked: Vec<String> =
            reel.exchanges.iter().filter(asked).map(|exchange| shown(&exchange.asked)).collect();
        unasked.dedup();
        unasked
    }

    /// The time a plugin sees.
    pub fn now(&self) -> DateTime<Utc> {
        let reel = self.lock();
        reel.head.began + reel.elapsed
    }

    pub fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    /// The chance of the next instance: the same in the same place of each run, and another for each instance.
    pub fn chance(&self) -> Vec<u8> {
        let mut reel = self.lock();
        reel.instances += 1;
        let mut bytes = vec![0; CHANCE_BYTES];
        let seed = format!("{} {}", reel.head.chance, reel.instances);
        blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn lock(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reel {
    fn keep(&mut self, asked: Value, got: Value) -> Result<(), Failure> {
        let spot = self.index.entry(key(&asked)).or_default();
        spot.asked += 1;
        let last = spot.exchanges.last().and_then(|at| self.exchanges.get_mut(*at));
        if let Some(last) = last.filter(|last| last.got == got) {
            last.times += 1;
            return Ok(());
        }
        self.bytes += asked.to_string().len() + got.to_string().len();
        if self.bytes > BYTES_MAX {
            let message = format!("the recording is larger than {} MB", BYTES_MAX >> 20);
            return Err(Failure::new(FailureKind::Config, &codes::RECORDING, "recording", message)
                .with("hint", "record less: name small streams with `--stream`, or a smaller system"));
        }
        let elapsed = self.clock.as_ref().map(|(clock, began)| clock.elapsed().saturating_sub(*began));
        let elapsed_ms = u64::try_from(elapsed.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        self.elapsed = self.elapsed.max(Duration::from_millis(elapsed_ms));
        spot.exchanges.push(self.exchanges.len());
        self.exchanges.push(Exchange { asked, got, elapsed_ms, times: 1 });
        Ok(())
    }

    fn answer(&mut self, asked: &Value) -> Result<Value, Failure> {
        let Some(spot) = self.index.get_mut(&key(asked)) else { return Err(self.gap(asked)) };
        let mut left = spot.asked;
        spot.asked += 1;
        let exchanges = &self.exchanges;
        let mut candidates = spot.exchanges.iter().filter_map(|at| exchanges.get(*at));
        let found = candidates.find(|exchange| {
            let is_it = left < exchange.times;
            left = left.saturating_sub(exchange.times);
            is_it
        });
        let last = || spot.exchanges.last().and_then(|at| exchanges.get(*at));
        let Some(found) = found.or_else(last) else { return Err(self.gap(asked)) };
        self.elapsed = self.elapsed.max(Duration::from_millis(found.elapsed_ms));
        Ok(found.got.clone())
    }

    fn gap(&mut self, asked: &Value) -> Failure {
        let asked = shown(asked);
        let message = format!("the plugin asks for something that was not recorded: {asked}");
        self.missed = (self.missed.0 + 1, asked.clone());
        if !self.gaps.contains(&asked) {
            self.gaps.push(asked);
        }
        Failure::new(FailureKind::Config, &codes::RECORDING_GAP, "recording", message)
            .with("hint", "if it is meant to, record again: `lockstep plugin record`")
    }
}

/// What makes two requests the same. Headers do not: they tell versions and languages, and come in any order.
fn key(asked: &Value) -> String {
    let Some(asked) = asked.as_object() else { return asked.to_string() };
    let parts: serde_json::Map<String, Value> = asked
        .iter()
        .filter(|(name, _)| *name != "headers")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Value::Object(parts).to_string()
}

/// A request in a sentence: `http.api: GET /contacts?page=2`.
fn shown(asked: &Value) -> String {
    let mut parts = asked.as_object().into_iter().flatten();
    let mut text = parts
        .next()
        .map(|(capability, alias)| format!("{capability}.{}:", alias.as_str().unwrap_or_default()))
        .unwrap_or_default();
    for (name, value) in parts.filter(|(name, value)| *name != "headers" && !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let plain = matches!(name.as_str(), "method" | "target");
        text.push_str(&if plain { format!(" {value}") } else { format!(" {name} {value}") });
    }
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests;
