//! The errors that came up while everything else was asked, and what the host makes of them.

use super::lab::Lab;
use super::{Check, Verdict, fails, skips};
use crate::connector::{Failure, FailureKind};

/// How a message may end that is a sentence without its period.
const ENDINGS: &[char] = &['.', '!', '\n'];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "errors.kind",
        title: "every error has a kind that the host knows",
        rule: "wit/v0.1/types.wit, error.kind",
        fix: "use one of the kinds in `types.wit`: what nobody knows is treated as `other` and ends the run",
        run: |lab| Box::pin(async { each(lab, unknown_kind) }),
    },
    Check {
        id: "errors.message",
        title: "every error says something",
        rule: "wit/v0.1/types.wit, error.message",
        fix: "say which field, which value, which stream",
        run: |lab| Box::pin(async { each(lab, empty_message) }),
    },
    Check {
        id: "errors.style",
        title: "a message is one sentence without a final period",
        rule: "wit/v0.1/types.wit, error.message",
        fix: "leave the period out: the host puts messages into sentences of its own",
        run: |lab| Box::pin(async { each(lab, final_period) }),
    },
];

/// What is wrong with an error, if anything.
type Judge = fn(&Failure) -> Option<String>;

fn each(lab: &Lab, judge: Judge) -> Verdict {
    lab.binary()?;
    // A fault is the host's own report.
    let errors: Vec<Failure> = lab.errors().into_iter().filter(|error| error.kind != FailureKind::Fault).collect();
    if errors.is_empty() {
        return skips("no error came up");
    }
    match errors.iter().find_map(judge) {
        Some(wrong) => fails(wrong),
        None => Ok(()),
    }
}

fn unknown_kind(error: &Failure) -> Option<String> {
    let kind = error.properties.get("unknown-kind")?;
    Some(format!("the error `{}` is of kind `{kind}`", error.message))
}

fn empty_message(error: &Failure) -> Option<String> {
    error.message.trim().is_empty().then(|| format!("an error of kind `{}` has no message", error.kind.name()))
}

fn final_period(error: &Failure) -> Option<String> {
    let ends = error.message.ends_with(ENDINGS) && !error.message.ends_with("...");
    ends.then(|| format!("the message `{}`", error.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;

    #[test]
    fn messages_are_judged() {
        let error = |text: &str| Failure::new(FailureKind::Other, &codes::PLUGIN_ERROR, "a", text);
        assert!(final_period(&error("there is no table.")).is_some());
        assert!(final_period(&error("there is no table")).is_none());
        assert!(empty_message(&error("  ")).is_some());
        assert!(unknown_kind(&error("a")).is_none());
        assert!(unknown_kind(&error("a").with("unknown-kind", "oops")).is_some());
    }
}
