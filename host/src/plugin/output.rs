//! What plugins say: standard output, standard error and log calls become one structured event per line, bounded and harmless.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamResult};

/// What is kept for a fault's report.
const TAIL_BYTES: usize = 4 << 10;
/// What a plugin may write in one go.
const WRITE_BYTES: usize = 64 << 10;
/// A longer line is cut.
const LINE_BYTES: usize = 4 << 10;

/// The output of one instance; clones share it.
#[derive(Clone)]
pub(super) struct Output {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    plugin: String,
    tail: VecDeque<u8>,
    /// An unfinished line.
    line: Vec<u8>,
    budget: usize,
    budget_per_call: usize,
    dropped: u64,
}

impl Output {
    pub fn new(plugin: String, budget_per_call: usize) -> Self {
        let shared = Shared {
            plugin,
            tail: VecDeque::new(),
            line: Vec::new(),
            budget: budget_per_call,
            budget_per_call,
            dropped: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// A new call begins: its budget is whole again.
    pub fn begin_call(&self) {
        self.with(|shared| {
            shared.report_dropped();
            shared.budget = shared.budget_per_call;
        });
    }

    /// The end of what was written, for a fault's report.
    pub fn tail(&self) -> String {
        self.with(|shared| {
            let bytes: Vec<u8> = shared.tail.iter().copied().collect();
            sanitize_lines(&String::from_utf8_lossy(&bytes))
        })
    }

    /// One event through the `log` capability, if the budget allows.
    pub fn event(&self, level: tracing::Level, message: &str, fields: &[(String, String)]) {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", sanitize(name), sanitize(value))).collect();
        self.with(|shared| {
            let text = [std::slice::from_ref(&sanitize(message)), &fields].concat().join(" ");
            if shared.spend(text.len()) {
                emit(&shared.plugin, level, &text);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().skip(bytes.len().saturating_sub(TAIL_BYTES)) {
            if self.tail.len() == TAIL_BYTES {
                self.tail.pop_front();
            }
            self.tail.push_back(*byte);
        }
        if !self.spend(bytes.len()) {
            return;
        }
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < LINE_BYTES => self.line.push(*byte),
                _ => self.dropped += 1,
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            emit(&self.plugin, tracing::Level::DEBUG, &sanitize(&String::from_utf8_lossy(&line)));
        }
    }

    fn spend(&mut self, bytes: usize) -> bool {
        if bytes > self.budget {
            self.dropped += bytes as u64;
            return false;
        }
        self.budget -= bytes;
        true
    }

    fn report_dropped(&mut self) {
        if self.dropped > 0 {
            tracing::warn!(
                plugin = self.plugin,
                bytes = self.dropped,
                "a plugin wrote more than it may; the rest was dropped"
            );
            self.dropped = 0;
        }
    }
}

/// The plugin's text is a field of its own, never the message: it cannot pass for one of ours.
fn emit(plugin: &str, level: tracing::Level, text: &str) {
    match level {
        tracing::Level::ERROR => tracing::error!(plugin, text, "plugin says"),
        tracing::Level::WARN => tracing::warn!(plugin, text, "plugin says"),
        tracing::Level::INFO => tracing::info!(plugin, text, "plugin says"),
        tracing::Level::DEBUG => tracing::debug!(plugin, text, "plugin says"),
        tracing::Level::TRACE => tracing::trace!(plugin, text, "plugin says"),
    }
}

fn sanitize_lines(text: &str) -> String {
    text.lines().map(sanitize).collect::<Vec<_>>().join("\n")
}

/// Escapes what could drive a terminal or forge a line: control characters and the marks that turn the direction of text.
fn sanitize(text: &str) -> String {
    let harmless = |c: char| {
        !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if clean.len() >= LINE_BYTES {
            clean.push('…');
            break;
        }
        if harmless(c) { clean.push(c) } else { clean.extend(c.escape_default()) }
    }
    clean
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.2 is linked, and that asks for `p2_stream`.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.with(|shared| shared.write(&bytes));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_drives_a_terminal_is_escaped() {
        assert_eq!(sanitize("a\u{1b}[31mred\r\u{202e}"), "a\\u{1b}[31mred\\r\\u{202e}");
        assert_eq!(sanitize("plain – ünïcode"), "plain – ünïcode");
    }

    #[test]
    fn output_is_bounded_and_its_end_is_kept() {
        let mut output = Output::new("p@1.0.0".into(), 100);
        for _ in 0..10_000 {
            output.write(Bytes::from_static(b"0123456789")).unwrap();
        }
        output.write(Bytes::from_static(b"the end")).unwrap();
        assert!(output.tail().ends_with("the end"));
        assert_eq!(output.tail().len(), TAIL_BYTES);
        assert!(output.with(|shared| shared.dropped) > 99_000);
    }
}
