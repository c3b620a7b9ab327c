//! The only place that prints. Data goes to standard output, everything else to standard error.
//!
//! Verbs answer with a [`Reply`]: blocks for people, a value for programs. While a verb runs it may print lines and events and
//! report progress. What a record, a plugin or a server says is printed with its control characters made visible: none of them
//! gets to steer the terminal. A reader who goes away (a broken pipe) is no error.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::builder::StyledStr;
use indicatif::MultiProgress;
use serde_json::{Value, json};

use super::error::CliError;
use super::{ColorWhen, GlobalArgs};
use crate::error::{Error, Result};
use crate::world::{Clock, World};

mod confirm;
mod log;
mod progress;
mod quantity;
pub(in crate::cli) mod report;
mod screen;
mod steps;
mod summary;
mod table;
mod value;

pub use confirm::{Answer, Consent};
pub use progress::SyncProgress;
pub use quantity::{bytes, count, elapsed, noun};
pub use report::Report;
pub use screen::{Screen, visible};
pub use steps::StepProgress;
pub use summary::SyncSummary;
pub use table::{Align, Table};
pub use value::{shortened, shown, shown_json, shown_key, shown_record, time};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// It ran, but something failed or waits for a person.
    Attention,
    /// Usage or configuration.
    Usage,
    /// Network, credentials, disk, lock.
    Environment,
    /// Interrupted twice.
    Interrupted,
}

/// What a verb answers.
#[derive(Debug)]
pub struct Reply {
    /// For people.
    pub blocks: Vec<Block>,
    /// For programs; `null` if there is nothing to say.
    pub result: Value,
    /// What failed on the way, the most important first.
    pub errors: Vec<Error>,
    pub exit: Exit,
}

/// A part of an answer for people; an empty line separates it from the next.
#[derive(Debug)]
pub enum Block {
    Text(String),
    Table(Table),
}

/// Where a command's words go. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub struct Output {
    inner: Arc<Inner>,
}

struct Inner {
    format: Format,
    talk: Talk,
    screen: Screen,
    clock: Arc<dyn Clock>,
    stdout: Mutex<Stream>,
    stderr: Mutex<Stream>,
    bars: MultiProgress,
    /// Whether lines have been printed to standard output, so that an answer keeps its distance.
    printed: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Human,
    Json,
}

/// What is said on standard error besides errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    Normal,
    Quiet,
}

/// A stream and the first thing that went wrong with it; nothing is written after that.
struct Stream {
    write: Box<dyn Write + Send>,
    failed: Option<io::Error>,
}

impl Reply {
    /// Everything went well.
    pub fn done(blocks: Vec<Block>, result: Value) -> Self {
        Self { blocks, result, errors: Vec::new(), exit: Exit::Done }
    }

    /// Nothing was done because of these errors; the first decides the exit code.
    pub fn refused(errors: Vec<Error>) -> Self {
        let exit = errors.first().map_or(Exit::Attention, Exit::of);
        Self { blocks: Vec::new(), result: Value::Null, errors, exit }
    }

    /// It ran, and some of it failed or waits for a person.
    pub fn attention(blocks: Vec<Block>, result: Value, errors: Vec<Error>) -> Self {
        Self { blocks, result, errors, exit: Exit::Attention }
    }
}

impl Exit {
    /// The exit an error leads to if nothing else was achieved.
    pub fn of(error: &Error) -> Self {
        match error.exit_code() {
            2 => Self::Usage,
            3 => Self::Environment,
            _ => Self::Attention,
        }
    }

    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Attention => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Output {
    /// The process's own streams.
    pub fn standard(global: &GlobalArgs, world: &World) -> Self {
        let format = if global.json { Format::Json } else { Format::Human };
        let talk = if global.quiet { Talk::Quiet } else { Talk::Normal };
        let screen = Screen::detect(global.color);
        let (stdout, stderr) = (Box::new(io::stdout()), Box::new(io::stderr()));
        Self::new(format, talk, screen, Arc::clone(&world.clock), stdout, stderr)
    }

    /// The process's own streams for a command line that was not understood.
    pub(super) fn early(json: bool, color: Option<&OsStr>) -> Self {
        let color = match color.and_then(OsStr::to_str) {
            Some("always") => ColorWhen::Always,
            Some("never") => ColorWhen::Never,
            _ => ColorWhen::Auto,
        };
        let format = if json { Format::Json } else { Format::Human };
        let (stdout, stderr) = (Box::new(io::stdout()), Box::new(io::stderr()));
        Self::new(format, Talk::Normal, Screen::detect(color), World::real().clock, stdout, stderr)
    }

    fn new(
        format: Format,
        talk: Talk,
        screen: Screen,
        clock: Arc<dyn Clock>,
        stdout: Box<dyn Write + Send>,
        stderr: Box<dyn Write + Send>,
    ) -> Self {
        let inner = Inner {
            format,
            talk,
            screen,
            clock,
            stdout: Mutex::new(Stream { write: stdout, failed: None }),
            stderr: Mutex::new(Stream { write: stderr, failed: None }),
            bars: MultiProgress::new(),
            printed: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether the reader is a program.
    pub fn is_json(&self) -> bool {
        self.inner.format == Format::Json
    }

    pub fn screen(&self) -> Screen {
        self.inner.screen
    }

    /// Whether the reader of standard output has gone away; whoever streams for ever may stop.
    pub fn is_abandoned(&self) -> bool {
        self.inner.stdout().failed.is_some()
    }

    /// Prints a line of data for people at once; nothing with `--json`.
    pub fn line(&self, text: &str) {
        if !self.is_json() {
            self.inner.print(&format!("{}\n", visible(text)));
        }
    }

    /// Prints one JSON line at once; nothing without `--json`.
    pub fn event(&self, event: &Value) {
        if self.is_json() {
            self.inner.print(&format!("{event}\n"));
        }
    }

    /// Says something on standard error that is neither data nor an error; nothing with `--json` or `-q`.
    pub fn note(&self, text: &str) {
        if !self.is_json() && self.inner.talk == Talk::Normal {
            self.inner.say(&format!("{}\n", visible(text)));
        }
    }

    /// Prints a part of an answer at once; nothing with `--json`.
    pub fn show(&self, block: &Block) {
        if !self.is_json() {
            self.line(block.render(self.inner.screen).trim_end_matches('\n'));
        }
    }

    /// Tells an error that does not end the command.
    pub fn warn(&self, error: &Error) {
        if self.is_json() {
            self.event(&json!({"event": "error", "error": report::error_to_json(error)}));
        } else {
            self.inner.say(&report::error_to_text(error, self.inner.screen));
        }
    }

    /// Begins to show how a sync is getting on.
    pub fn progress(&self, sync: &str) -> SyncProgress {
        SyncProgress::new(self.clone(), sync)
    }

    /// Begins to show how a command of so many steps is getting on.
    pub fn steps(&self, title: &str, steps: usize) -> StepProgress {
        StepProgress::new(self, title, steps)
    }

    /// The one final line of a sync, or its event.
    pub fn finished(&self, summary: &SyncSummary) {
        self.line(&summary.to_string());
        self.event(&summary.to_event());
    }

    /// Prints a verb's answer and says how the process ends. Without a verb, `command` is empty.
    pub fn reply(&self, command: &str, outcome: Result<Reply>) -> Exit {
        let reply = outcome.unwrap_or_else(|error| Reply::refused(vec![error]));
        let _ = self.inner.bars.clear();
        match self.inner.format {
            Format::Json => self.reply_json(command, &reply),
            Format::Human => self.reply_human(&reply),
        }
        self.close(reply.exit)
    }

    fn reply_json(&self, command: &str, reply: &Reply) {
        let document = json!({
            "command": Some(command).filter(|command| !command.is_empty()),
            "ok": reply.exit == Exit::Done,
            "result": reply.result,
            "error": report::to_json(&reply.errors),
        });
        // On a terminal for reading, unless it is the last of several lines.
        let readable = self.inner.screen.terminal && !self.inner.printed.load(Ordering::Relaxed);
        let text = if readable { format!("{document:#}\n") } else { format!("{document}\n") };
        self.inner.print(&text);
    }

    fn reply_human(&self, reply: &Reply) {
        let mut parts: Vec<String> = reply.blocks.iter().map(|block| block.render(self.inner.screen)).collect();
        if self.inner.printed.load(Ordering::Relaxed) && !parts.is_empty() {
            parts.insert(0, String::new());
        }
        self.inner.print(&parts.join("\n"));
        if !reply.errors.is_empty() {
            self.inner.say(&report::to_text(&reply.errors, self.inner.screen));
        }
    }

    /// Help and the version are data: somebody asked for them.
    pub(super) fn help(&self, text: &StyledStr) -> Exit {
        self.inner.print(&self.inner.screen.styled(text, self.inner.screen.color_out));
        self.close(Exit::Done)
    }

    /// Help that nobody asked for.
    pub(super) fn missing_verb(&self, text: &StyledStr) -> Exit {
        self.inner.say(&self.inner.screen.styled(text, self.inner.screen.color_err));
        Exit::Usage
    }

    /// A reader who went away has what it wanted. Any other failure is an answer that nobody got.
    fn close(&self, exit: Exit) -> Exit {
        let failed = self.inner.stdout().flush_and_take();
        match failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let error = Error::from(CliError::StandardOutput(error));
                self.inner.say(&report::to_text(std::slice::from_ref(&error), self.inner.screen));
                if exit == Exit::Done { Exit::of(&error) } else { exit }
            }
            _ => exit,
        }
    }
}

impl Block {
    /// The first lines of a text, the first rows of a table.
    pub fn first(self, count: usize) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.lines().take(count).collect::<Vec<_>>().join("\n")),
            Self::Table(table) => Self::Table(table.first(count)),
        }
    }

    #[cfg(test)]
    pub fn text(&self, screen: Screen) -> String {
        self.render(screen)
    }

    fn render(&self, screen: Screen) -> String {
        match self {
            Self::Text(text) => format!("{}\n", visible(text.trim_end())),
            Self::Table(table) => table.render(screen),
        }
    }
}

impl From<&str> for Block {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Block {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl Inner {
    fn stdout(&self) -> MutexGuard<'_, Stream> {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stderr(&self) -> MutexGuard<'_, Stream> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, text: &str) {
        self.printed.fetch_or(!text.is_empty(), Ordering::Relaxed);
        self.bars.suspend(|| self.stdout().write_text(text));
    }

    fn say(&self, text: &str) {
        self.bars.suspend(|| self.stderr().write_text(text));
    }
}

impl Stream {
    fn write_text(&mut self, text: &str) {
        if self.failed.is_none() {
            let written = self.write.write_all(text.as_bytes()).and_then(|()| self.write.flush());
            self.failed = written.err();
        }
    }

    fn flush_and_take(&mut self) -> Option<io::Error> {
        self.write_text("");
        self.failed.take()
    }
}

impl Screen {
    fn detect(color: ColorWhen) -> Self {
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self::of(color, stdout, stderr, &|name| std::env::var(name).ok())
    }
}

#[cfg(test)]
mod tests;
