//! `--fault`: a system that fails while a plugin is read or written, at one call after the other, and what the plugin makes of it.

use clap::Args;

use super::listed;
use crate::cli::CliError;
use crate::cli::output::{Align, Block, Table};
use crate::conformance::{FAULTS, FaultKind};
use crate::error::{Result, nearest};

/// What goes wrong.
#[derive(Clone, Debug, Default, Args)]
pub struct FaultArgs {
    /// What goes wrong while it is read or written: `429`, `timeout`, `timeout-after-commit`, `truncated-body`, `stale-read`, `duplicate-page` or
    /// `all`; with `@3` at the third call, else at each call in turn
    #[arg(long = "fault", value_name = "FAULT[@CALL]")]
    pub faults: Vec<String>,
}

/// What a plugin did while something went wrong.
pub(super) struct Played {
    pub during: During,
    /// Calls of capabilities.
    pub calls: u64,
    /// Calls that went wrong.
    pub hits: u64,
    /// Whether it asked for what a recording does not hold.
    pub has_gaps: bool,
    /// Whether it told of it, by an error or by the verdict on a row.
    pub is_told: bool,
    pub wrong: Vec<String>,
}

/// What was going on when it went wrong.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum During {
    Reading,
    Writing,
}

impl FaultArgs {
    pub(super) fn parse(&self) -> Result<Vec<Wish>, CliError> {
        self.faults.iter().map(|fault| Wish::parse(fault)).collect()
    }
}

/// A fault that was asked for.
pub(super) struct Wish {
    /// None = all.
    kind: Option<&'static FaultKind>,
    at: Option<u64>,
}

impl Wish {
    fn parse(text: &str) -> Result<Self, CliError> {
        let (name, at) = text.split_once('@').map_or((text, None), |(name, at)| (name, Some(at)));
        let known = || FAULTS.iter().map(|kind| kind.name.to_owned()).chain(["all".to_owned()]).collect::<Vec<_>>();
        let kind = FaultKind::named(name);
        if kind.is_none() && name != "all" {
            let nearest = nearest(name, known().iter().map(String::as_str)).map(str::to_owned);
            return Err(CliError::UnknownName { kind: "fault", name: name.to_owned(), nearest, known: known() });
        }
        let at = at.map(|at| at.parse().ok().filter(|at| *at > 0).ok_or(at)).transpose().map_err(|at| {
            let message = format!("`{at}` is no number of a call; the first one is 1");
            CliError::Usage { message, hints: vec![format!("`--fault {name}` strikes each call in turn")] }
        })?;
        Ok(Self { kind, at })
    }

    fn places(&self) -> impl Iterator<Item = (&'static FaultKind, Option<u64>)> {
        let all: &[FaultKind] = if self.kind.is_none() { FAULTS } else { &[] };
        self.kind.into_iter().chain(all).map(|kind| (kind, self.at))
    }
}

/// What became of one fault.
#[derive(serde::Serialize)]
pub(super) struct Struck {
    fault: &'static str,
    during: During,
    call: u64,
    outcome: Outcome,
    wrong: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// Nothing showed of it.
    GotOver,
    /// An error said so, and nothing was lost.
    Told,
    Wrong,
    /// There was nothing for it to strike: no such call, or no earlier answer.
    NotStruck,
    /// What the plugin did then was not recorded.
    NotRecorded,
}

/// Strikes one call after the other.
pub(super) async fn strike(
    wishes: &[Wish],
    calls_max: u64,
    play: impl AsyncFn(&'static FaultKind, u64) -> Result<Played>,
) -> Result<Vec<Struck>> {
    let mut struck = Vec::new();
    for (kind, at) in wishes.iter().flat_map(Wish::places) {
        for call in at.unwrap_or(1)..=at.unwrap_or(calls_max) {
            let played = play(kind, call).await?;
            if played.calls < call && at.is_none() {
                break;
            }
            struck.push(judge(kind, call, played));
        }
    }
    Ok(struck)
}

fn judge(kind: &FaultKind, call: u64, played: Played) -> Struck {
    let outcome = match (played.hits, played.has_gaps, played.wrong.is_empty(), played.is_told) {
        (0, _, _, _) => Outcome::NotStruck,
        (_, true, _, _) => Outcome::NotRecorded,
        (_, _, false, _) => Outcome::Wrong,
        (_, _, true, true) => Outcome::Told,
        (_, _, true, false) => Outcome::GotOver,
    };
    let wrong = if outcome == Outcome::Wrong { played.wrong } else { Vec::new() };
    Struck { fault: kind.name, during: played.during, call, outcome, wrong }
}

/// Whether nothing went wrong that should not have.
pub(super) fn is_fine(struck: &[Struck]) -> bool {
    struck.iter().all(|struck| struck.outcome != Outcome::Wrong)
}

/// How often each fault was got over, told, and so on, and what went wrong.
pub(super) fn told(struck: &[Struck]) -> Vec<Block> {
    let mut table = Table::new(&[
        ("fault", Align::Left),
        ("got over", Align::Right),
        ("told", Align::Right),
        ("wrong", Align::Right),
        ("not struck", Align::Right),
        ("not recorded", Align::Right),
    ]);
    for (kind, during) in FAULTS.iter().flat_map(|kind| [(kind, During::Reading), (kind, During::Writing)]) {
        let of: Vec<&Struck> =
            struck.iter().filter(|struck| struck.fault == kind.name && struck.during == during).collect();
        if of.is_empty() {
            continue;
        }
        let counts = [Outcome::GotOver, Outcome::Told, Outcome::Wrong, Outcome::NotStruck, Outcome::NotRecorded]
            .map(|outcome| of.iter().filter(|struck| struck.outcome == outcome).count());
        let name = match during {
            During::Reading => kind.name.to_owned(),
            During::Writing => format!("{}, writing", kind.name),
        };
        table.row([name].into_iter().chain(counts.map(|count| count.to_string())));
    }
    let wrong: Vec<String> = struck
        .iter()
        .flat_map(|struck| struck.wrong.iter().map(move |wrong| format!("{}@{}: {wrong}", struck.fault, struck.call)))
        .collect();
    let table = (!table.is_empty()).then_some(Block::Table(table));
    table.into_iter().chain(listed("goes wrong", &wrong)).collect()
}
