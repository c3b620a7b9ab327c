//! Log events on standard error: one line each, between the progress bars, as JSON where the answer is JSON.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use super::Output;
use crate::cli::GlobalArgs;

impl Output {
    /// Sends log events to standard error from now on. A second call changes nothing.
    pub fn start_logging(&self, global: &GlobalArgs) {
        let (own, others) = levels(global);
        let filter = Targets::new().with_target("lockstep", own).with_default(others);
        let layer = fmt::layer().with_writer(LogWriter(self.clone()));
        // A subscriber that is there already stays: it belongs to whoever uses this as a library.
        let _ = if global.json {
            tracing_subscriber::registry().with(layer.json().with_filter(filter)).try_init()
        } else {
            let layer = layer.with_target(false).with_ansi(self.screen().color_err);
            tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()
        };
    }
}

/// Our own level, and that of the libraries, which are of interest one step later.
fn levels(global: &GlobalArgs) -> (LevelFilter, LevelFilter) {
    match (global.quiet, global.verbose) {
        (true, _) => (LevelFilter::ERROR, LevelFilter::ERROR),
        (_, 0) => (LevelFilter::WARN, LevelFilter::WARN),
        (_, 1) => (LevelFilter::INFO, LevelFilter::WARN),
        (_, 2) => (LevelFilter::DEBUG, LevelFilter::INFO),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    }
}

struct LogWriter(Output);

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// An event arrives whole, in one call.
impl Write for &LogWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.inner.say(&String::from_utf8_lossy(event));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn check(line: &str, expected: (LevelFilter, LevelFilter)) {
        let cli = crate::cli::Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(levels(&cli.global), expected, "{line}");
    }

    #[test]
    fn more_v_more_words() {
        check("lockstep doctor", (LevelFilter::WARN, LevelFilter::WARN));
        check("lockstep doctor -v", (LevelFilter::INFO, LevelFilter::WARN));
        check("lockstep -v doctor -v", (LevelFilter::INFO, LevelFilter::WARN));
        check("lockstep doctor -vv", (LevelFilter::DEBUG, LevelFilter::INFO));
        check("lockstep doctor -vvvv", (LevelFilter::TRACE, LevelFilter::DEBUG));
        check("lockstep doctor -q", (LevelFilter::ERROR, LevelFilter::ERROR));
    }
}
