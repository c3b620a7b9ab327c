//! Command lines that run nothing: help, the version, and nonsense.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::error::CliError;
use super::output::{Exit, Output};

/// Why nothing is run.
#[derive(Debug)]
pub struct Refusal {
    error: clap::Error,
    /// The arguments could not be understood, but whoever writes `--json` reads JSON, and `--color` holds for help too.
    json: bool,
    color: Option<OsString>,
}

impl Refusal {
    pub(super) fn new(error: clap::Error, args: &[OsString]) -> Self {
        let json = args.iter().any(|arg| arg == "--json");
        Self { error, json, color: color_of(args) }
    }

    /// Prints help to standard output, or what is wrong.
    pub fn show(self) -> Exit {
        let output = Output::early(self.json, self.color.as_deref());
        match self.error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => output.help(&self.error.render()),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !self.json => {
                output.missing_verb(&self.error.render())
            }
            _ => output.reply("", Err(usage_error(&self.error).into())),
        }
    }
}

/// The value of the last `--color`.
fn color_of(args: &[OsString]) -> Option<OsString> {
    let joined = args.iter().filter_map(|arg| arg.to_str()?.strip_prefix("--color=").map(OsString::from));
    let apart = args.windows(2).filter_map(|pair| match pair {
        [flag, value] if flag == "--color" => Some(value.clone()),
        _ => None,
    });
    joined.chain(apart).last()
}

/// Clap's text, in the shape all errors have: its first paragraph is the message, its tips are hints.
pub(super) fn usage_error(error: &clap::Error) -> CliError {
    let text = error.render().to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.trim().trim_start_matches("error: ").replace('\'', "`");
    let tips = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).map(|tip| tip.replace('\'', "`"));
    let usage = rest.lines().filter_map(|line| line.strip_prefix("Usage: ")).map(|usage| format!("usage: `{usage}`"));
    let tips: Vec<String> = tips.collect();
    CliError::Usage { message: one_line(&message), hints: if tips.is_empty() { usage.collect() } else { tips } }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Explain as _};

    fn check(line: &str) -> String {
        let args: Vec<OsString> =
            std::iter::once("lockstep").chain(line.split_whitespace()).map(OsString::from).collect();
        let refusal = crate::cli::parse(args).unwrap_err();
        let error = usage_error(&refusal.error);
        let hints: Vec<String> = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect();
        format!("error[{}]: {error}{}", Error::from(error.clone_for_test()).code().id, hints.concat())
    }

    impl CliError {
        fn clone_for_test(&self) -> Self {
            Self::Usage { message: self.to_string(), hints: self.hints() }
        }
    }

    #[test]
    fn slips_get_a_suggestion() {
        insta::assert_snapshot!(check("chekc"), @r#"
        error[LS0101]: unrecognized subcommand `chekc`
        hint: a similar subcommand exists: `check`
        "#);
        insta::assert_snapshot!(check("run --onec"), @r#"
        error[LS0101]: unexpected argument `--onec` found
        hint: a similar argument exists: `--once`
        "#);
        insta::assert_snapshot!(check("--colour always status"), @r#"
        error[LS0101]: unexpected argument `--colour` found
        hint: a similar argument exists: `--color`
        "#);
        insta::assert_snapshot!(check("completions bahs"), @r#"
        error[LS0101]: invalid value `bahs` for `<SHELL>` [possible values: bash, elvish, fish, powershell, zsh]
        hint: a similar value exists: `bash`
        "#);
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        insta::assert_snapshot!(check("approve"), @r#"
        error[LS0101]: the following required arguments were not provided: <HOLD>
        hint: usage: `lockstep approve <HOLD>`
        "#);
        insta::assert_snapshot!(check("run --once --watch"), @r#"
        error[LS0101]: the argument `--once` cannot be used with `--watch`
        hint: usage: `lockstep run --once [SYNC]...`
        "#);
        insta::assert_snapshot!(check("history --limit many"), @r#"
        error[LS0101]: invalid value `many` for `--limit <N>`: invalid digit found in string
        "#);
        insta::assert_snapshot!(check("dead-letters discard"), @r#"
        error[LS0101]: the following required arguments were not provided: <ID|--all>
        hint: usage: `lockstep dead-letters discard <ID|--all>`
        "#);
    }
}
