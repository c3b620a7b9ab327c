//! What each system is like.

use std::sync::Arc;

use lockstep::record::Value;

use super::{DAY, Dialect, FieldPlan, MINUTE, SECOND};
use crate::chance::Chance;
use crate::field::Kind;
use crate::quirks::{Quirk, Quirks};

/// Who makes a system's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Generated,
    /// The serial is the key.
    Client,
}

/// What a system's incremental readings go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// A log.
    Log,
    /// The time of the last change, exact.
    Times,
    /// The same in whole seconds.
    Seconds,
    /// It can only be read in full.
    None,
}

/// What a system makes of a value before it keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normal {
    Lower,
    Upper,
    Trim,
    Digits,
    /// To one decimal.
    Round,
    /// To so many characters.
    Short,
}

const SHORT: usize = 14;

impl Normal {
    pub fn apply(self, value: &Value) -> Value {
        match (self, value) {
            (Self::Lower, Value::Text(text)) => Value::text(&text.to_lowercase()),
            (Self::Upper, Value::Text(text)) => Value::text(&text.to_uppercase()),
            (Self::Trim, Value::Text(text)) => Value::text(text.trim()),
            (Self::Digits, Value::Text(text)) => {
                Value::text(&text.chars().filter(char::is_ascii_digit).collect::<String>())
            }
            (Self::Round, Value::Int(scaled)) => Value::Int((scaled + 5).div_euclid(10) * 10),
            (Self::Short, Value::Text(text)) => Value::text(&text.chars().take(SHORT).collect::<String>()),
            _ => value.clone(),
        }
    }

    pub fn fitting(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Email => &[Self::Lower, Self::Trim],
            Kind::Name => &[Self::Lower, Self::Upper, Self::Trim, Self::Short],
            Kind::Note => &[Self::Trim, Self::Short],
            Kind::Phone => &[Self::Digits],
            Kind::Amount => &[Self::Round],
            _ => &[],
        }
    }

    fn quirk(self) -> Quirk {
        match self {
            Self::Lower | Self::Upper => Quirk::CaseForms,
            Self::Trim => Quirk::TrimForms,
            Self::Digits => Quirk::PhoneForms,
            Self::Round => Quirk::RoundForms,
            Self::Short => Quirk::ShortForms,
        }
    }
}

/// One system.
#[derive(Clone, Debug)]
pub struct Profile {
    pub name: &'static str,
    /// What it calls the entity's fields; none = it does not have this one.
    pub columns: Vec<Option<Arc<str>>>,
    pub key: Key,
    pub reads: bool,
    pub writes: bool,
    /// How long a write may stay invisible.
    pub lag: i64,
    pub position: Position,
    pub tombstones: bool,
    /// Whether a full reading can promise that it showed everything.
    pub complete: bool,
    /// Incremental readings tell only what changed.
    pub partial: bool,
    pub duplicates: bool,
    pub shuffled: bool,
    /// Full readings may not show what has just been changed.
    pub reindexes: bool,
    pub skew: i64,
    /// What it makes of values, by field.
    pub normal: Vec<Vec<Normal>>,
    /// How it writes them down, by field.
    pub dialects: Vec<Dialect>,
    /// Whether it has a column that the hub fills when it makes a record.
    pub has_origin: bool,
    /// Whether it knows inserts and conditional updates.
    pub conditional: bool,
    pub unique_email: bool,
    pub validates: bool,
    /// Whether one bad row spoils the whole page.
    pub all_or_nothing: bool,
    /// Whether rows are applied when they are written, not when they are flushed.
    pub eager: bool,
    pub page_rows: usize,
    /// Most calls take as long as this.
    pub latency: i64,
    /// Which faults it has.
    pub faults: Quirks,
}

const NAMES: [&str; 4] = ["crm", "erp", "shop", "lake"];

pub fn profiles(seed: u64, quirks: Quirks, fields: &[FieldPlan], count: usize) -> Vec<Profile> {
    (0..count).map(|at| profile(&mut Chance::new(seed, NAMES[at]), at, quirks, fields)).collect()
}

fn profile(chance: &mut Chance, at: usize, quirks: Quirks, fields: &[FieldPlan]) -> Profile {
    // What the seed has, a system has or not.
    let mut own = Quirks::default();
    for quirk in Quirk::ALL.iter().filter(|quirk| **quirk != Quirk::Reindexing) {
        let is_on = chance.permille(600);
        if is_on && quirks.has(*quirk) {
            own = own.with(*quirk);
        }
    }
    let position = match () {
        () if own.has(Quirk::FullReads) => Position::None,
        () if own.has(Quirk::SecondTimes) => Position::Seconds,
        () if chance.coin() => Position::Times,
        () => Position::Log,
    };
    let position = match position {
        // A clock that jumps back hides changes from whoever reads by time.
        Position::Seconds | Position::Times if own.has(Quirk::JumpingClocks) => Position::Log,
        position => position,
    };
    let key = if own.has(Quirk::ClientKeys) { Key::Client } else { Key::Generated };
    let direction = chance.below(3);
    let reads = at < 2 || !(own.has(Quirk::WriteOnlyEnds) && direction == 0);
    let writes = at == 0 || !(own.has(Quirk::ReadOnlyEnds) && direction == 1);
    let lag = chance.scaled(SECOND, 10 * MINUTE);
    let skew = chance.between(-7 * DAY, 7 * DAY);
    let is_sloppy = own.has(Quirk::PartialScans) && (position != Position::None);
    Profile {
        name: NAMES[at],
        columns: columns(chance, at, fields),
        key,
        reads,
        writes,
        lag: if own.has(Quirk::StaleReads) { lag } else { 0 },
        position,
        tombstones: position != Position::None && (is_sloppy || !own.has(Quirk::NoTombstones)),
        complete: !is_sloppy,
        partial: own.has(Quirk::PartialRecords),
        duplicates: own.has(Quirk::Duplicates),
        shuffled: own.has(Quirk::Shuffled),
        skew: if own.has(Quirk::SkewedClocks) { skew } else { chance.between(-SECOND / 2, SECOND / 2) },
        normal: fields.iter().map(|field| normal(chance, own, field.kind)).collect(),
        dialects: fields.iter().map(|field| dialect(chance, own, field.kind)).collect(),
        has_origin: own.has(Quirk::Dialects) && chance.coin(),
        conditional: !own.has(Quirk::PlainUpserts) || key == Key::Generated,
        unique_email: own.has(Quirk::UniqueEmails),
        validates: own.has(Quirk::Validation),
        all_or_nothing: own.has(Quirk::BatchRefusal),
        eager: chance.coin(),
        page_rows: chance.pick(&[1, 3, 7, 30, 30]),
        latency: chance.scaled(1_000, 200_000),
        // Drawn last, so that seeds which are kept stay what they are.
        reindexes: own.has(Quirk::StaleReads) && quirks.has(Quirk::Reindexing) && chance.coin(),
        faults: own,
    }
}

fn columns(chance: &mut Chance, at: usize, fields: &[FieldPlan]) -> Vec<Option<Arc<str>>> {
    let name = |kind: Kind| if at == 0 { kind.name().to_owned() } else { format!("{}_{}", NAMES[at], kind.name()) };
    let has: Vec<bool> = fields
        .iter()
        .map(|field| {
            let is_needed = at < 2 || matches!(field.kind, Kind::Serial | Kind::Email) || field.owner.is_some();
            chance.permille(850) || is_needed
        })
        .collect();
    // What is decided about together is there together.
    let whole =
        |field: &FieldPlan| fields.iter().zip(&has).filter(|(other, _)| other.unit == field.unit).all(|(_, has)| *has);
    fields.iter().map(|field| whole(field).then(|| name(field.kind).into())).collect()
}

fn normal(chance: &mut Chance, own: Quirks, kind: Kind) -> Vec<Normal> {
    let mut normals = Vec::new();
    for normal in Normal::fitting(kind) {
        let is_on = chance.coin();
        if is_on && own.has(normal.quirk()) && !(*normal == Normal::Upper && normals.contains(&Normal::Lower)) {
            normals.push(*normal);
        }
    }
    normals
}

fn dialect(chance: &mut Chance, own: Quirks, kind: Kind) -> Dialect {
    let dialect = Dialect::draw(chance, kind);
    if own.has(Quirk::Dialects) { dialect } else { Dialect::Plain }
}

impl Profile {
    /// Whether a write of these fields can be made to depend on what was there: only values that are read as they stand can be
    /// expected.
    pub fn guards(&self, fields: &[usize]) -> bool {
        self.conditional && fields.iter().all(|field| self.dialects[*field] == Dialect::Plain)
    }

    pub fn has(&self, field: usize) -> bool {
        self.columns[field].is_some()
    }

    /// What it makes of a value.
    pub fn form(&self, field: usize, value: &Value) -> Value {
        // Cutting may leave a space at the end, so trimming comes after it too.
        let normal = &self.normal[field];
        let mut value = normal.iter().fold(value.clone(), |value, normal| normal.apply(&value));
        if normal.contains(&Normal::Trim) {
            value = Normal::Trim.apply(&value);
        }
        value
    }

    /// The name of the key's column.
    pub fn key_column(&self, serial: usize) -> Arc<str> {
        match self.key {
            Key::Generated => "id".into(),
            Key::Client => self.columns[serial].clone().expect("every system has the serial"),
        }
    }
}
