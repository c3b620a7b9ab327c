//! How fast bytes become typed columns, on a file of customers in memory.

use std::time::Duration;

use lockstep_plugin_sdk::prelude::*;

use super::TestedPlugin;
use crate::memory::MemoryStore;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Throughput {
    pub bytes: usize,
    pub rows: usize,
    /// Guessing the types.
    pub discovery: Duration,
    /// How many columns were wanted, and the best of some readings of them.
    pub readings: Vec<(usize, Duration)>,
}

impl Throughput {
    /// Guesses the types, then reads all columns and only three, in pages as the host asks for them. Time is that of the processor.
    pub fn of<P: TestedPlugin>(content: Vec<u8>, rows: usize, page_rows: u32) -> Result<Self> {
        let bytes = content.len();
        // Computing digests is the host's part and is measured there.
        let store = MemoryStore::with(P::PATH, content).with_fixed_digest();
        let begun = processor_time();
        let streams = P::discover(&store, "", &[P::PATH.to_owned()])?;
        let discovery = processor_time().saturating_sub(begun);
        let fields = streams.into_iter().next().map(|stream| stream.fields).unwrap_or_default();
        let limits = Limits { rows: page_rows, bytes: 4 << 20 };
        let mut readings = Vec::new();
        for wanted in [fields.len(), 3] {
            let request = request_for::<P>(fields.iter().take(wanted).cloned().collect());
            let times = (0..5).map(|_| read::<P>(&store, &request, limits, rows)).collect::<Result<Vec<_>>>()?;
            readings.push((wanted, times.into_iter().min().unwrap_or_default()));
        }
        Ok(Self { bytes, rows, discovery, readings })
    }
}

impl std::fmt::Display for Throughput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let megabytes = self.bytes as f64 / 1e6;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        write!(f, "{megabytes:.0} MB, {} rows; types guessed in {:.0} ms", self.rows, milliseconds(self.discovery))?;
        for (columns, time) in &self.readings {
            let (seconds, millions) = (time.as_secs_f64(), self.rows as f64 / 1e6);
            let (speed, pace) = (megabytes / seconds, millions / seconds);
            write!(f, "\n{columns:2} columns: {:.0} ms, {speed:.0} MB/s, {pace:.2} M rows/s", milliseconds(*time))?;
        }
        Ok(())
    }
}

fn request_for<P: TestedPlugin>(fields: Vec<Field>) -> ReadRequest {
    ReadRequest {
        stream: P::PATH.to_owned(),
        key: Vec::new(),
        fields,
        mode: "full".to_owned(),
        cursor: None,
        options: Vec::new(),
    }
}

fn read<P: TestedPlugin>(store: &MemoryStore, request: &ReadRequest, limits: Limits, rows: usize) -> Result<Duration> {
    let mut reader = P::open(store, "", request)?;
    let begun = processor_time();
    let mut seen = 0;
    loop {
        let page = reader.next(limits)?;
        seen += page.changes.data.rows as usize;
        if let Some(rejection) = page.rejected.into_iter().next() {
            return Err(rejection.error);
        }
        if page.status != "more" {
            break;
        }
    }
    let took = processor_time().saturating_sub(begun);
    if seen == rows { Ok(took) } else { Err(Error::permanent(format!("{seen} rows instead of {rows}"))) }
}

/// The time this thread has had a processor, so that neighbours on a busy machine count for little; elsewhere than on Linux the
/// time of day.
fn processor_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = statistics.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap_or_default(), Duration::from_nanos)
}

/// One of the customers; texts as they are, numbers and times as people write them.
#[derive(Clone, Debug)]
pub struct Customer {
    pub id: usize,
    pub name: String,
    pub email: String,
    pub street: String,
    pub city: &'static str,
    pub quantity: u64,
    pub amount: String,
    pub balance: String,
    pub active: bool,
    pub birthday: String,
    pub created_at: String,
    pub note: &'static str,
}

/// Always the same customers.
pub fn customers(number: usize) -> impl Iterator<Item = Customer> {
    let mut random = Random(42);
    (0..number).map(move |index| customer(100_000 + index, &mut random))
}

fn customer(id: usize, random: &mut Random) -> Customer {
    let (first, last) = (random.pick(&FIRST), random.pick(&LAST));
    let sign = random.pick(&["", "-"]);
    let mut below = |limit| random.below(limit);
    let (mailbox, host) = (below(10_000), "customers.example.com");
    let (year, month, day) = (1940 + below(70), 1 + below(12), 1 + below(28));
    let date = format!("20{:02}-{:02}-{:02}", below(27), 1 + below(12), 1 + below(28));
    Customer {
        id,
        name: format!("{first} {last}"),
        email: format!("{}.{}{mailbox}@{host}", first.to_lowercase(), last.to_lowercase()),
        street: format!("Long Street of the Republic {}", 1 + below(300)),
        quantity: below(1000),
        amount: format!("{}.{:02}", below(100_000), below(100)),
        balance: format!("{sign}{}.{:02}", 1 + below(9_999), below(100)),
        active: below(2) == 0,
        birthday: format!("{year}-{month:02}-{day:02}"),
        created_at: format!("{date}T{:02}:{:02}:{:02}.{:03}Z", below(24), below(60), below(60), below(1000)),
        city: random.pick(&CITY),
        note: random.pick(&NOTE),
    }
}

const FIRST: [&str; 8] = ["Anna", "Bernadette", "Cem", "Doris", "Émile", "Friedrich", "Gül", "Hannelore"];
const LAST: [&str; 8] = ["Abel", "Brandmeier", "Çelik", "Dombrowski", "Eder", "Fuchs", "Großmann", "Habermas"];
const CITY: [&str; 6] = ["Berlin", "Frankfurt am Main", "Köln", "Paris", "San Francisco", "Wien"];
const NOTE: [&str; 4] = ["", "prefers e-mail", "calls, then writes", "said \"never on Monday\""];

/// A generator with a fixed seed (Steele, Lea, Flood: SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words.get(self.below(words.len() as u64) as usize).copied().unwrap_or_default()
    }
}
