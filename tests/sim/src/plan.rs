//! What a seed stands for: a hub, the systems it keeps in agreement, what their users do and what goes wrong, and when.

mod agenda;
mod definition;
mod dialect;
mod profile;

use std::sync::Arc;

use lockstep::project::HubDef;
use lockstep::resolve::Safety;

use crate::chance::Chance;
use crate::field::Kind;
use crate::quirks::{Quirk, Quirks};

pub use agenda::{Act, Edit};
pub use definition::{ORIGIN, ORIGIN_VALUE};
pub use dialect::Dialect;
pub use profile::{Key, Normal, Position, Profile};

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub days: u64,
    /// Those that may be on.
    pub quirks: Quirks,
    /// At most so many things users do.
    pub edits: u64,
    /// At most so many systems.
    pub systems: usize,
    pub safety: Safety,
    /// Keep the words of every event.
    pub trace: bool,
}

impl Options {
    pub fn new(seed: u64, days: u64) -> Self {
        Self {
            seed,
            days,
            quirks: Quirks::EVERYTHING,
            edits: u64::MAX,
            systems: usize::MAX,
            safety: Safety::default(),
            trace: false,
        }
    }
}

/// How values of a field are decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    Manual,
    Priority,
    Newest,
    Counter,
    Set,
}

/// A field of the entity.
#[derive(Clone, Debug)]
pub struct FieldPlan {
    pub kind: Kind,
    pub decides: Decides,
    /// The system that owns it, and whether what others say is put back.
    pub owner: Option<(usize, Restores)>,
    /// The unit it is decided about with.
    pub unit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restores {
    Yes,
    No,
}

/// Everything a seed stands for.
#[derive(Debug)]
pub struct Plan {
    pub options: Options,
    pub quirks: Quirks,
    pub def: HubDef,
    pub fields: Vec<FieldPlan>,
    /// Fields that are decided about together; mostly one.
    pub units: Vec<Vec<usize>>,
    pub systems: Vec<Profile>,
    /// Sorted by time.
    pub agenda: Vec<(i64, Act)>,
    /// When the hub runs.
    pub runs: Vec<i64>,
    /// Whether twins have the same serial; else they are found by their e-mail addresses.
    pub serial_matches: bool,
    pub email_matches: bool,
    /// The system that is to have only what is not inactive.
    pub segment: Option<usize>,
    pub page_rows: u32,
    /// How far the host's own clock is off.
    pub host_skew: i64,
    pub end: i64,
}

impl Plan {
    pub fn new(options: &Options) -> Arc<Self> {
        let seed = options.seed;
        let mut chance = Chance::new(seed, "plan");
        let quirks = swarm(seed).both(options.quirks);
        let count = (2 + chance.below(8) as usize / 3).min(4).min(options.systems);
        let (fields, units) = definition::fields(&mut Chance::new(seed, "fields"), quirks, count);
        let serial_matches = quirks.has(Quirk::ClientKeys) || chance.coin();
        let email_matches = !serial_matches || chance.coin();
        let systems = profile::profiles(seed, quirks, &fields, count);
        let segment = definition::segment(&mut Chance::new(seed, "segment"), quirks, &fields, &systems);
        let end = options.days as i64 * DAY;
        let (agenda, runs) = agenda::agenda(options, quirks, &fields, &systems, end);
        let mut plan = Self {
            options: options.clone(),
            quirks,
            def: definition::empty(),
            fields,
            units,
            systems,
            agenda,
            runs,
            serial_matches,
            email_matches,
            segment,
            page_rows: chance.pick(&[1, 3, 10, 30, 100, 100]),
            host_skew: if quirks.has(Quirk::SkewedClocks) { chance.between(-7 * DAY, 7 * DAY) } else { 0 },
            end,
        };
        plan.def = definition::definition(&plan, &mut Chance::new(seed, "definition"));
        Arc::new(plan)
    }

    pub fn field(&self, kind: Kind) -> Option<usize> {
        self.fields.iter().position(|field| field.kind == kind)
    }

    pub fn serial(&self) -> usize {
        self.field(Kind::Serial).expect("there is always a serial")
    }
}

/// Each quirk with even odds, but for those that would hide the others if they were on in every second seed.
fn swarm(seed: u64) -> Quirks {
    let mut chance = Chance::new(seed, "quirks");
    let mut quirks = Quirks::default();
    for quirk in Quirk::ALL {
        let odds = match quirk {
            Quirk::BlankScans | Quirk::PlainUpserts | Quirk::Bots => 150,
            Quirk::Segments | Quirk::PartialScans | Quirk::WriteOnlyEnds | Quirk::ReadOnlyEnds | Quirk::MassDeletes => {
                250
            }
            _ => 500,
        };
        if chance.permille(odds) {
            quirks = quirks.with(*quirk);
        }
    }
    // Every tenth seed is healthy: much happens at once and nothing goes wrong.
    if seed % 10 == 7 { Quirks(quirks.0 & HEALTHY) } else { quirks }
}

const HEALTHY: u64 = {
    let on = [
        Quirk::Deletes,
        Quirk::Twins,
        Quirk::Collisions,
        Quirk::Owners,
        Quirk::Groups,
        Quirk::EmailChanges,
        Quirk::Reverts,
        Quirk::NullWrites,
    ];
    let (mut bits, mut at) = (0, 0);
    while at < on.len() {
        bits |= 1 << on[at] as u8;
        at += 1;
    }
    bits
};
