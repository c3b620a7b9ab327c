//! The languages' own tools: found, run, and heard.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::KitError;

/// What is shown of a tool's words.
const SAID_BYTES: usize = 8 << 10;

/// A program of the plugin's own environment, or one on the path.
pub fn find(dir: &Path, own: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::path::absolute(dir.join(own)).ok().filter(|program| program.is_file());
    own.or_else(|| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file()))
}

/// Runs a tool to its end and returns what it wrote to standard output.
pub fn run(command: &mut Command, missing: impl FnOnce() -> KitError) -> Result<String, KitError> {
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
        Err(source) => return Err(KitError::Read { path: command.get_program().into(), source }),
        Ok(output) => output,
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = if stderr.trim().is_empty() { &stdout } else { &*stderr };
    Err(KitError::Failed { command: shown(command), output: end(said).to_owned(), hint: None })
}

/// The command without the folders of its program: what a person would type.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().take(2).map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// The last lines: errors stand at the end.
fn end(text: &str) -> &str {
    let text = text.trim_end();
    let Some(from) = text.len().checked_sub(SAID_BYTES) else { return text };
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> KitError {
        KitError::ToolMissing { tool: "tool", hints: Vec::new() }
    }

    #[test]
    fn a_tool_is_heard_or_missed() {
        assert_eq!(run(Command::new("echo").arg("word"), missing).unwrap(), "word\n");
        assert!(matches!(run(&mut Command::new("no-such-tool"), missing), Err(KitError::ToolMissing { .. })));
        let failed = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"]), missing).unwrap_err();
        assert_eq!(failed.to_string(), "`sh -c echo why >&2; exit 3` failed:\nwhy");
    }

    #[test]
    fn only_the_end_of_long_words_is_kept() {
        let text = "ä".repeat(SAID_BYTES);
        assert_eq!(end(&text).len(), SAID_BYTES);
        assert_eq!(end("short\n"), "short");
    }
}
