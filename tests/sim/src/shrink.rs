//! Makes a failing seed smaller: fewer systems, days, edits and quirks, as long as the same invariant fails.

use crate::plan::Options;
use crate::quirks::Quirk;
use crate::run::{Make, run_seed};

/// The smallest options found under which the seed fails in the same way.
pub fn shrink(options: &Options, invariant: &str, make: &Make) -> Options {
    let fails = |options: &Options| {
        run_seed(options, make).failures.first().is_some_and(|failure| failure.invariant == invariant)
    };
    let mut best = Options { trace: false, ..options.clone() };
    for systems in [2, 3] {
        let smaller = Options { systems, ..best.clone() };
        if systems < best.systems && fails(&smaller) {
            best = smaller;
            break;
        }
    }
    for quirk in Quirk::ALL {
        let smaller = Options { quirks: best.quirks.without(*quirk), ..best.clone() };
        if fails(&smaller) {
            best = smaller;
        }
    }
    for days in 1..best.days {
        let smaller = Options { days, ..best.clone() };
        if fails(&smaller) {
            best = smaller;
            break;
        }
    }
    let (mut few, mut many) = (0, 400);
    while few + 1 < many {
        let edits = (few + many) / 2;
        if fails(&Options { edits, ..best.clone() }) { many = edits } else { few = edits }
    }
    let smaller = Options { edits: many, ..best.clone() };
    if fails(&smaller) { smaller } else { best }
}

/// The command that runs a seed again.
pub fn command(options: &Options, without: Option<&str>) -> String {
    let mut text = format!("cargo xtask sim --seed {} --days {}", options.seed, options.days);
    let plain = Options::new(options.seed, options.days);
    if options.quirks != plain.quirks {
        let all = Quirk::ALL.iter().fold(0, |bits, quirk| bits | 1u64 << *quirk as u8);
        text.push_str(&format!(" --quirks {:x}", options.quirks.0 & all));
    }
    if options.systems != plain.systems {
        text.push_str(&format!(" --systems {}", options.systems));
    }
    if options.edits != plain.edits {
        text.push_str(&format!(" --edits {}", options.edits));
    }
    if let Some(mechanism) = without {
        text.push_str(&format!(" --without {}", mechanism.replace(' ', "-")));
    }
    text
}
