//! How a running sync is getting on: a bar on a terminal, a line or an event every few seconds elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::quantity::{bytes, elapsed, noun, rate};
use super::{Output, Talk};

/// How often somebody reading a file or a program reading events hears of a sync.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How often a bar is written anew; between, a report costs three additions.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// How often a bar shows that it is alive when nothing is reported.
const TICK: Duration = Duration::from_millis(200);

/// Takes the reports of one sync. Cheap to clone, to be called from any thread; each clone is the same. The display goes away when
/// the last clone does; the final line is [`Output::finished`]'s.
#[derive(Clone)]
pub struct SyncProgress {
    inner: Arc<Inner>,
}

struct Inner {
    output: Output,
    sync: String,
    began: Duration,
    read: AtomicU64,
    written: AtomicU64,
    bytes: AtomicU64,
    /// 0 = unknown.
    expected: AtomicU64,
    phase: Mutex<&'static str>,
    /// Since the clock's beginning, in milliseconds.
    shown_ms: AtomicU64,
    show: Show,
}

enum Show {
    Bar(ProgressBar),
    Lines,
    Events,
    Nothing,
}

impl SyncProgress {
    pub(super) fn new(output: Output, sync: &str) -> Self {
        let began = output.inner.clock.elapsed();
        let show = Show::choose(&output, sync);
        let inner = Inner {
            output,
            sync: sync.to_owned(),
            began,
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            phase: Mutex::new("starting"),
            shown_ms: AtomicU64::new(millis(began)),
            show,
        };
        Self { inner: Arc::new(inner) }
    }

    /// What the sync does now: `reading`, `comparing`.
    pub fn phase(&self, phase: &'static str) {
        *self.inner.phase_guard() = phase;
        self.inner.show_if_due();
    }

    /// How many rows there will be, as far as anybody knows.
    pub fn rows_expected(&self, rows: u64) {
        self.inner.expected.store(rows, Ordering::Relaxed);
        self.inner.adopt_expected(rows);
    }

    /// So many more rows have been read.
    pub fn rows_read(&self, rows: u64) {
        self.inner.read.fetch_add(rows, Ordering::Relaxed);
        self.inner.show_if_due();
    }

    /// So many more rows have been written or found equal, and are safe.
    pub fn rows_written(&self, rows: u64) {
        self.inner.written.fetch_add(rows, Ordering::Relaxed);
        self.inner.show_if_due();
    }

    /// So many more bytes have been read.
    pub fn bytes_read(&self, bytes: u64) {
        self.inner.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.inner.show_if_due();
    }

    /// Takes the display away, before the last clone goes.
    pub fn end(&self) {
        self.inner.end();
    }
}

impl Show {
    fn choose(output: &Output, sync: &str) -> Self {
        if output.is_json() {
            return Self::Events;
        }
        match (output.inner.talk, output.screen().terminal_err) {
            (Talk::Quiet, _) => Self::Nothing,
            (Talk::Normal, false) => Self::Lines,
            (Talk::Normal, true) => Self::Bar(bar(output, sync)),
        }
    }
}

/// Colours and characters are left to the reader's side: a bar is ASCII where the terminal knows no more.
fn bar(output: &Output, sync: &str) -> ProgressBar {
    let bar = output.inner.bars.add(ProgressBar::new_spinner());
    bar.set_style(bar_style("{spinner} {prefix}  {msg}", output.screen().unicode));
    bar.set_prefix(sync.to_owned());
    bar.enable_steady_tick(TICK);
    bar
}

pub(super) fn bar_style(template: &str, unicode: bool) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    if unicode { style.progress_chars("━╸─") } else { style.tick_chars("|/-\\ ").progress_chars("=> ") }
}

impl Inner {
    fn phase_guard(&self) -> MutexGuard<'_, &'static str> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread shows; the others go on.
    fn show_if_due(&self) {
        let every = match self.show {
            Show::Bar(_) => BAR_EVERY,
            Show::Lines | Show::Events => LINE_EVERY,
            Show::Nothing => return,
        };
        let now = self.output.inner.clock.elapsed();
        let shown_ms = self.shown_ms.load(Ordering::Relaxed);
        if millis(now) < shown_ms.saturating_add(millis(every)) {
            return;
        }
        let won = self.shown_ms.compare_exchange(shown_ms, millis(now), Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() {
            self.show(now.saturating_sub(self.began));
        }
    }

    fn show(&self, since: Duration) {
        match &self.show {
            Show::Bar(bar) => {
                bar.set_position(self.read.load(Ordering::Relaxed));
                bar.set_message(self.describe(since));
            }
            Show::Lines => {
                self.output.note(&format!("{}: {} after {}", self.sync, self.describe(since), elapsed(since)))
            }
            Show::Events => self.output.event(&self.to_event(since)),
            Show::Nothing => {}
        }
    }

    /// `reading, 120 000 rows read, 110 000 rows written, 12.3 MB, 40 000 rows/s`.
    fn describe(&self, since: Duration) -> String {
        let [read, written, size] =
            [&self.read, &self.written, &self.bytes].map(|number| number.load(Ordering::Relaxed));
        let mut parts = vec![self.phase_guard().to_string(), format!("{} read", noun(read, "row", "rows"))];
        parts.extend((written > 0).then(|| format!("{} written", noun(written, "row", "rows"))));
        parts.extend((size > 0).then(|| bytes(size)));
        parts.extend(rate(read, since).filter(|_| read > 0));
        parts.join(", ")
    }

    fn to_event(&self, since: Duration) -> serde_json::Value {
        json!({
            "event": "progress",
            "sync": self.sync,
            "phase": *self.phase_guard(),
            "read": self.read.load(Ordering::Relaxed),
            "written": self.written.load(Ordering::Relaxed),
            "bytes": self.bytes.load(Ordering::Relaxed),
            "expected": Some(self.expected.load(Ordering::Relaxed)).filter(|rows| *rows > 0),
            "elapsed_ms": millis(since),
        })
    }

    fn adopt_expected(&self, rows: u64) {
        if let (Show::Bar(bar), true) = (&self.show, rows > 0) {
            let template = "{spinner} {prefix}  {bar:20} {percent:>3} %  {msg}";
            bar.set_length(rows);
            bar.set_style(bar_style(template, self.output.screen().unicode));
        }
    }

    fn end(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
