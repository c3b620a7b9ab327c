//! Who does what when. What exactly is edited is found out when the time has come: it depends on what is there by then.

use super::{DAY, FieldPlan, HOUR, MINUTE, Options, Profile, SECOND};
use crate::chance::Chance;
use crate::quirks::{Quirk, Quirks};

/// Something that happens at a time of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A user of a system does something; the number is the seed of what.
    User { system: usize, edit: Edit, seed: u64 },
    /// Nobody reaches a system until then.
    Down { system: usize, until: i64 },
    /// A system forgets its positions and its tombstones.
    Expire { system: usize },
    /// A system's clock is set.
    Jump { system: usize, skew: i64 },
    /// The next full reading of a system shows nothing.
    Blank { system: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Insert,
    Update,
    Delete,
    Undelete,
    /// The same new record in two systems.
    Twin,
    Email,
    /// Two records change their e-mail addresses.
    Swap,
    Null,
    Revert,
    /// The same field of the same record in every system.
    Collide,
    /// Something that is refused elsewhere.
    Poison,
    MassDelete,
    /// A program that insists on a value of its own.
    Bot,
}

/// About so many things users do on a day.
const EDITS_PER_DAY: i64 = 14;
/// The hub runs about so often when nobody does anything.
const QUIET: i64 = 2 * HOUR;

type Agenda = Vec<(i64, Act)>;

pub fn agenda(
    options: &Options,
    quirks: Quirks,
    fields: &[FieldPlan],
    systems: &[Profile],
    end: i64,
) -> (Agenda, Vec<i64>) {
    let mut chance = Chance::new(options.seed, "agenda");
    let mut agenda = Vec::new();
    let mut runs = Vec::new();
    first_records(&mut chance, systems, &mut agenda);
    let mut at = chance.between(MINUTE, HOUR);
    while at < end {
        let burst = chance.between(1, EDITS_PER_DAY / 2);
        let length = chance.scaled(SECOND, HOUR);
        for _ in 0..burst {
            let act = user_act(&mut chance, quirks, fields, systems);
            agenda.push((at + chance.between(0, length), act));
        }
        runs_around(&mut chance, at, length, &mut runs);
        at += chance.scaled(10 * MINUTE, 2 * DAY / 3);
    }
    let mut quiet = chance.between(0, QUIET);
    while quiet < end {
        runs.push(quiet);
        quiet += chance.between(QUIET / 2, 2 * QUIET);
    }
    agenda.sort_by_key(|(at, _)| *at);
    agenda.truncate(usize::try_from(options.edits).unwrap_or(usize::MAX));
    agenda.extend(forgotten(options.seed, systems, &agenda));
    agenda.extend(faults(options.seed, systems, end));
    agenda.sort_by_key(|(at, _)| *at);
    runs.retain(|at| *at < end);
    runs.sort_unstable();
    runs.dedup_by(|later, earlier| *later - *earlier < 5 * SECOND);
    (agenda, runs)
}

fn first_records(chance: &mut Chance, systems: &[Profile], agenda: &mut Agenda) {
    for _ in 0..chance.between(3, 9) {
        let edit = if chance.permille(250) { Edit::Twin } else { Edit::Insert };
        let act = Act::User { system: reader(chance, systems), edit, seed: chance.draw() };
        agenda.push((chance.between(0, MINUTE), act));
    }
}

fn reader(chance: &mut Chance, systems: &[Profile]) -> usize {
    let readers: Vec<usize> = (0..systems.len()).filter(|at| systems[*at].reads).collect();
    chance.pick(&readers)
}

fn user_act(chance: &mut Chance, quirks: Quirks, fields: &[FieldPlan], systems: &[Profile]) -> Act {
    const EDITS: &[(Edit, u64, Option<Quirk>)] = &[
        (Edit::Insert, 14, None),
        (Edit::Update, 40, None),
        (Edit::Delete, 7, Some(Quirk::Deletes)),
        (Edit::Undelete, 4, Some(Quirk::Undeletes)),
        (Edit::Twin, 5, Some(Quirk::Twins)),
        (Edit::Email, 5, Some(Quirk::EmailChanges)),
        (Edit::Swap, 2, Some(Quirk::Swaps)),
        (Edit::Null, 5, Some(Quirk::NullWrites)),
        (Edit::Revert, 4, Some(Quirk::Reverts)),
        (Edit::Collide, 12, Some(Quirk::Collisions)),
        (Edit::Poison, 3, Some(Quirk::Validation)),
        (Edit::MassDelete, 1, Some(Quirk::MassDeletes)),
        (Edit::Bot, 1, Some(Quirk::Bots)),
    ];
    let system = reader(chance, systems);
    let mut dice = chance.below(EDITS.iter().map(|(_, weight, _)| weight).sum());
    let seed = chance.draw() ^ fields.len() as u64;
    let mut found = Edit::Update;
    for (edit, weight, quirk) in EDITS {
        if dice < *weight {
            let is_on = quirk.is_none_or(|quirk| quirks.has(quirk));
            found = if is_on { *edit } else { Edit::Update };
            break;
        }
        dice -= weight;
    }
    Act::User { system, edit: found, seed }
}

/// While something happens the hub runs every few seconds or minutes, and some times after it.
fn runs_around(chance: &mut Chance, at: i64, length: i64, runs: &mut Vec<i64>) {
    let every = chance.scaled(5 * SECOND, 20 * MINUTE).max(length / 6);
    let mut run = at + chance.between(0, every);
    while run < at + length + 2 * every {
        runs.push(run);
        run += every;
    }
}

/// Some deletes are forgotten before anybody has asked for them.
fn forgotten(seed: u64, systems: &[Profile], agenda: &Agenda) -> Agenda {
    let mut chance = Chance::new(seed, "forgotten deletes");
    let forgets = |system: &usize| systems[*system].faults.has(Quirk::ExpiredPositions);
    let deletes = agenda.iter().filter_map(|(at, act)| match act {
        Act::User { system, edit: Edit::Delete, .. } if forgets(system) => Some((*at, *system)),
        _ => None,
    });
    let mut forgotten = Vec::new();
    for (at, system) in deletes {
        let after = chance.between(1, 10 * SECOND);
        forgotten.extend(chance.permille(150).then_some((at + after, Act::Expire { system })));
    }
    forgotten
}

fn faults(seed: u64, systems: &[Profile], end: i64) -> Agenda {
    let mut agenda = Vec::new();
    for (system, profile) in systems.iter().enumerate() {
        let mut chance = Chance::new(seed, &format!("faults of {}", profile.name));
        let mut at = chance.between(0, DAY);
        while at < end {
            let (kind, length, skew) =
                (chance.below(4), chance.scaled(MINUTE, 8 * HOUR), chance.between(-7 * DAY, 7 * DAY));
            let act = match kind {
                0 => Some(Act::Down { system, until: at + length }).filter(|_| profile.faults.has(Quirk::Downtime)),
                1 => Some(Act::Expire { system }).filter(|_| profile.faults.has(Quirk::ExpiredPositions)),
                2 => Some(Act::Jump { system, skew }).filter(|_| profile.faults.has(Quirk::JumpingClocks)),
                _ => Some(Act::Blank { system }).filter(|_| profile.faults.has(Quirk::BlankScans)),
            };
            agenda.extend(act.map(|act| (at, act)));
            at += chance.between(2 * HOUR, DAY);
        }
    }
    agenda
}
