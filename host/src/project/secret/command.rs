//! Secrets that a program prints: a password manager, a cloud's command line.
//!
//! The program is started directly, not through a shell: nothing in a project file is expanded or substituted.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::{SECRET_BYTES_MAX, without_line_break};
use crate::project::paste::below;

/// Longer than any password manager takes that asks nobody.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a program gave no secret. Holds nothing it printed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("it cannot be started: {0}")]
    Start(io::Error),
    #[error("it ended with {0}")]
    Failed(ExitStatus),
    #[error("it did not end within {} s", COMMAND_TIMEOUT.as_secs())]
    TimedOut,
    #[error("it printed nothing")]
    Empty,
    #[error("it printed more than {SECRET_BYTES_MAX} bytes")]
    TooBig,
    #[error("it printed something that is not valid UTF-8")]
    Encoding,
    #[error("its output cannot be read: {0}")]
    Output(io::Error),
}

/// The words of a line, as a shell would tell them apart: blanks separate, quotes of either kind hold together, and nothing else
/// means anything. None if there are none, or a quote does not end.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let names_program = words.first().is_some_and(|program| !program.is_empty());
    (names_program && quote.is_none()).then_some(words)
}

/// What the program prints, without one line break at its end.
pub(super) fn output(words: &[String], dir: &Path) -> Result<String, CommandError> {
    output_within(words, dir, COMMAND_TIMEOUT)
}

fn output_within(words: &[String], dir: &Path, timeout: Duration) -> Result<String, CommandError> {
    let mut child = start(words, dir).map_err(CommandError::Start)?;
    let printed = child.stdout.take().map_or(Ok(Vec::new()), |stdout| read_within(stdout, timeout));
    // Whoever prints too much or takes too long is not waited for.
    if printed.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(CommandError::Start)?;
    let printed = printed?;
    if !status.success() {
        return Err(CommandError::Failed(status));
    }
    let text = String::from_utf8(printed).map_err(|_| CommandError::Encoding)?;
    match without_line_break(&text) {
        "" => Err(CommandError::Empty),
        secret => Ok(secret.to_owned()),
    }
}

fn start(words: &[String], dir: &Path) -> io::Result<Child> {
    let (program, arguments) = words.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
    // What is named by a path stands in the project; what is named by a name is looked for as usual.
    let mut command =
        if program.contains('/') { Command::new(below(dir, Path::new(program))) } else { Command::new(program) };
    if !dir.as_os_str().is_empty() {
        command.current_dir(dir);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

fn read_within(stdout: ChildStdout, timeout: Duration) -> Result<Vec<u8>, CommandError> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let outcome = stdout.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
        // Nobody listens any more if it took too long.
        let _ = sender.send(outcome.map(|_| bytes));
    });
    match receiver.recv_timeout(timeout) {
        Ok(Ok(bytes)) if bytes.len() > SECRET_BYTES_MAX => Err(CommandError::TooBig),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(CommandError::Output(error)),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(CommandError::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        split(line)
    }

    #[test]
    fn blanks_separate_and_quotes_hold_together() {
        let check = |line: &str, expected: &[&str]| {
            assert_eq!(words(line), Some(expected.iter().map(|word| (*word).to_owned()).collect()), "{line}");
        };
        check("pass show crm", &["pass", "show", "crm"]);
        check("  a\t'b c' \"d'e\" ", &["a", "b c", "d'e"]);
        check("a ''", &["a", ""]);
        check("a b'c d'e", &["a", "bc de"]);
        check("echo $HOME ; rm", &["echo", "$HOME", ";", "rm"]);
        for none in ["", "  ", "a 'b", "''"] {
            assert_eq!(words(none), None, "{none}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_program_gives_a_secret_or_a_reason() {
        let run = |line: &str| output_within(&words(line).unwrap(), Path::new(""), Duration::from_secs(5));
        assert_eq!(run("echo hunter2").unwrap(), "hunter2");
        assert_eq!(run("printf 'a\\n\\n'").unwrap(), "a\n");
        assert!(matches!(run("true"), Err(CommandError::Empty)));
        assert!(matches!(run("false"), Err(CommandError::Failed(_))));
        assert!(matches!(run("no-such-program-anywhere"), Err(CommandError::Start(_))));
        assert!(matches!(run("yes"), Err(CommandError::TooBig)));
        assert!(matches!(run("printf '\\377'"), Err(CommandError::Encoding)));
    }

    #[cfg(unix)]
    #[test]
    fn who_hangs_is_ended() {
        let outcome = output_within(&words("sleep 600").unwrap(), Path::new(""), Duration::from_millis(50));
        assert!(matches!(outcome, Err(CommandError::TimedOut)));
    }
}
