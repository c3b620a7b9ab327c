//! The battery of `plugin check`: whether a plugin keeps the rules of the contract, asked of the component itself.
//!
//! Every check drives the plugin through the same connector, under the same limits, as a sync does. A check is a small function in a
//! table ([`checks`]); what several of them look at (the streams, one whole reading) is got once by the [`Lab`](lab::Lab). A check
//! fails only for the rule it is named after: what cannot be asked because something before it went wrong is skipped, and says why.
//!
//! It must not know projects or syncs.

mod binary;
mod certificate;
mod compare;
mod discover;
mod errors;
mod faults;
mod incremental;
mod insert;
mod junit;
mod lab;
mod lookup;
mod manifest;
mod memory;
mod pages;
mod playback;
mod read;
mod reading;
mod resume;
mod sample;
mod scratch;
mod transform;
mod trouble;
mod update;
mod write;
mod writing;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::connector::Failure;
use crate::error::Explain as _;
use crate::plugin::PluginError;

pub use certificate::certificate;
pub use faults::{FAULTS, FaultKind};
pub use junit::junit;
pub use lab::{Lab, Pinned, Setup, Subject, Wishes};
pub use playback::{After, Difference, counts, differences, has_error, perform, written};
pub use writing::{Attempt, Wrote, record_writes, write_again, write_struck};

/// Goes up whenever a check is added, removed or means something else.
pub const BATTERY_VERSION: u32 = 2;

/// One rule and how it is asked for.
pub struct Check {
    /// `read.resume`; what stands before the dot is its group.
    pub id: &'static str,
    /// What a plugin that passes does.
    pub title: &'static str,
    /// Where the rule stands.
    pub rule: &'static str,
    /// What whoever fails does about it.
    pub fix: &'static str,
    run: Run,
}

type Run = for<'a> fn(&'a Lab) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// What a check says.
type Verdict = Result<(), Stop>;

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The rule is broken: how.
    Fails(String),
    /// It could not be asked: why.
    Skips(String),
}

impl Stop {
    fn reason(self) -> String {
        match self {
            Self::Fails(reason) | Self::Skips(reason) => reason,
        }
    }
}

/// A check with its outcome.
#[derive(Clone, Debug)]
pub struct CheckResult {
    pub check: &'static Check,
    pub outcome: Outcome,
    pub took: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// How the rule is broken.
    Failed(String),
    /// Why it could not be asked.
    Skipped(String),
}

impl Check {
    /// `read` of `read.resume`.
    pub fn group(&self) -> &'static str {
        self.id.split('.').next().unwrap_or(self.id)
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl CheckResult {
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}

impl Outcome {
    /// `passed`, `failed`, `skipped`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Why it is not `passed`.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed(reason) | Self::Skipped(reason) => Some(reason),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Fails(told(&failure))
    }
}

impl From<PluginError> for Stop {
    fn from(error: PluginError) -> Self {
        Self::Fails(error.to_string())
    }
}

/// A failure as it stands in a reason: with its kind, for that is what the host decides on.
fn told(failure: &Failure) -> String {
    format!("{} (kind `{}`, {})", failure.message, failure.kind.name(), failure.code().id)
}

fn fails<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Fails(reason.into()))
}

fn skips<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Skips(reason.into()))
}

/// What a plugin or its file says may be of any length; a reason stands in tables and certificates.
const REASON_CHARS_MAX: usize = 1_000;

fn cut(reason: String) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", reason.get(..end).unwrap_or_default()),
        None => reason,
    }
}

/// Passes if it holds.
fn holds(holds: bool, reason: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Stop::Fails(reason())) }
}

/// The whole battery, in the order in which it is run: what later checks build on comes first, and what changes something last.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        binary::CHECKS,
        manifest::CHECKS,
        discover::CHECKS,
        read::CHECKS,
        resume::CHECKS,
        incremental::CHECKS,
        lookup::CHECKS,
        compare::CHECKS,
        trouble::CHECKS,
        memory::CHECKS,
        transform::CHECKS,
        write::CHECKS,
        insert::CHECKS,
        update::CHECKS,
        incremental::WRITING_CHECKS,
        pages::CHECKS,
        errors::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Runs the checks whose id or group is in `only`; all if it is empty. `before` hears of each check before it begins.
pub async fn run(lab: &Lab, only: &[String], mut before: impl FnMut(&'static Check)) -> Vec<CheckResult> {
    let wanted = |check: &&Check| only.is_empty() || only.iter().any(|name| name == check.id || name == check.group());
    let mut results = Vec::new();
    for check in checks().filter(wanted) {
        before(check);
        let (began, (misses, _)) = (lab.setup.clock.elapsed(), lab.setup.grants.missed());
        let said = (check.run)(lab).await;
        let outcome = match (said, lab.setup.grants.missed()) {
            // Whatever came of it: it was asked of a recording that cannot answer.
            (_, (now, asked)) if now > misses => Outcome::Skipped(cut(format!("not recorded: {asked}"))),
            (Ok(()), _) => Outcome::Passed,
            (Err(Stop::Fails(reason)), _) => Outcome::Failed(cut(reason)),
            (Err(Stop::Skips(reason)), _) => Outcome::Skipped(cut(reason)),
        };
        let took = lab.setup.clock.elapsed().saturating_sub(began);
        results.push(CheckResult { check, outcome, took });
    }
    lab.clean_up().await;
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_not_endless() {
        assert_eq!(cut("short".into()), "short");
        assert_eq!(cut("é".repeat(REASON_CHARS_MAX)).chars().count(), REASON_CHARS_MAX);
        assert_eq!(cut("é".repeat(5_000)).chars().count(), REASON_CHARS_MAX + 1);
    }

    #[test]
    fn every_check_has_an_id_of_its_own_and_says_everything() {
        let mut ids: Vec<&str> = checks().map(|check| check.id).collect();
        assert!(ids.len() >= 40, "{}", ids.len());
        for check in checks() {
            assert!(check.id.contains('.') && check.id.bytes().all(|b| b.is_ascii_lowercase() || b".-".contains(&b)));
            for text in [check.title, check.rule, check.fix] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", check.id);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), checks().count());
    }
}
