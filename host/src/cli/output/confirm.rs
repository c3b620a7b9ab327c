//! Asking before something is destroyed.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::Output;
use crate::cli::error::CliError;
use crate::error::Result;

/// Whether `--yes` was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    Given,
    Ask,
}

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
}

impl Consent {
    /// From the flag `--yes`.
    pub fn from_flag(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Ask }
    }
}

impl Output {
    /// Asks on a terminal; elsewhere, without consent, an error names the command that would do it. `question` is without `?`,
    /// `command` is what was typed.
    pub fn confirm(&self, consent: Consent, question: &str, command: &str) -> Result<Answer> {
        if consent == Consent::Given {
            return Ok(Answer::Yes);
        }
        if self.is_json() || !io::stdin().is_terminal() || !self.screen().terminal_err {
            return Err(CliError::ConfirmationNeeded { command: command.to_owned() }.into());
        }
        self.inner.say(&format!("{}? [y/N] ", super::visible(question)));
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(CliError::Answer)?;
        Ok(understand(&line))
    }
}

/// Anything but a clear yes is a no.
fn understand(line: &str) -> Answer {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        _ => Answer::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "YES\n", " yes "] {
            assert_eq!(understand(yes), Answer::Yes);
        }
        for no in ["", "\n", "n\n", "yep\n"] {
            assert_eq!(understand(no), Answer::No);
        }
    }
}
