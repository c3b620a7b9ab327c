//! Turning what the engine says about a broken plugin into a failure a person understands: which plugin, in which function, why.

use std::fmt;

use wasmtime::Trap;

use crate::connector::{Failure, FailureKind};
use crate::error::{Code, codes};

/// A plugin used up the processor time of one call.
#[derive(Debug)]
pub(super) struct CpuExceeded;

impl fmt::Display for CpuExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("processor time used up")
    }
}

impl std::error::Error for CpuExceeded {}

/// A plugin called a function of sockets.
#[derive(Debug)]
pub(super) struct SocketWanted;

impl fmt::Display for SocketWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sockets are not there")
    }
}

impl std::error::Error for SocketWanted {}

/// What is known when a call into a plugin ended badly.
pub(super) struct Circumstances<'a> {
    /// `csv@0.1.0`.
    pub plugin: &'a str,
    /// `source.next`.
    pub function: &'a str,
    /// The end of what the plugin wrote to its standard error.
    pub stderr: &'a str,
    /// Whether a wish for more memory was refused during this call.
    pub memory_refused: bool,
}

impl Circumstances<'_> {
    /// The failure for an error that ended an instance.
    pub fn failure(&self, error: &wasmtime::Error) -> Failure {
        let (code, what) = self.classify(error);
        self.fault(code, what)
    }

    /// A failure of this plugin in this function.
    pub fn fault(&self, code: &'static Code, what: String) -> Failure {
        let message = format!("plugin {} {what}", self.plugin);
        let mut failure = Failure::new(FailureKind::Fault, code, self.plugin, message);
        failure.detail_code = self.function.to_owned();
        let stderr = self.stderr.trim();
        if stderr.is_empty() { failure } else { failure.with("stderr", stderr) }
    }

    fn classify(&self, error: &wasmtime::Error) -> (&'static Code, String) {
        let function = self.function;
        if error.is::<CpuExceeded>() {
            return (&codes::PLUGIN_CPU, format!("used up its processor time in {function}"));
        }
        if error.is::<SocketWanted>() {
            let what = format!("wanted a socket in {function}; requests go through the capability `http`");
            return (&codes::PLUGIN_PANICKED, what);
        }
        if self.memory_refused && !matches!(error.downcast_ref(), Some(Trap::StackOverflow)) {
            return (&codes::PLUGIN_MEMORY, format!("ran out of memory in {function}"));
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => (&codes::PLUGIN_STACK, format!("overflowed its stack in {function}")),
            Some(trap) => match panic_text(self.stderr) {
                Some(text) => (&codes::PLUGIN_PANICKED, format!("panicked in {function}: {text}")),
                None => (&codes::PLUGIN_PANICKED, format!("trapped in {function}: {trap}")),
            },
            None => classify_text(&format!("{error:#}"), function),
        }
    }
}

/// The engine gives some limits no type of their own, only a text.
fn classify_text(text: &str, function: &str) -> (&'static Code, String) {
    if text.contains("hostcall") && text.contains("fuel") || text.contains("fuel allocated") {
        (&codes::PLUGIN_PAYLOAD, format!("passed too much to the host at once in {function}"))
    } else if text.contains("handle limit") || text.contains("has no free keys") {
        (&codes::PLUGIN_LIMIT, format!("opened too many handles in {function}"))
    } else if text.contains("Exited with") {
        (&codes::PLUGIN_PANICKED, format!("called exit in {function}"))
    } else {
        let cause = text.rsplit(": ").next().unwrap_or(text);
        (&codes::PLUGIN_PANICKED, format!("broke the contract in {function}: {cause}"))
    }
}

/// What a Rust panic says: the message and the place. Other languages' texts come whole, as their last line.
fn panic_text(stderr: &str) -> Option<String> {
    let stderr = stderr.trim();
    let Some((_, after)) = stderr.rsplit_once("panicked at ") else {
        return stderr.lines().next_back().filter(|line| !line.is_empty()).map(str::to_owned);
    };
    let (place, message) = after.split_once('\n').unwrap_or((after, ""));
    let message = message.split("\nnote: ").next().unwrap_or(message);
    let message = message.trim().strip_suffix("note: run with").unwrap_or(message.trim());
    Some(format!("{message} ({})", place.trim().trim_end_matches(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place() {
        let stderr =
            "\nthread '<unnamed>' (1) panicked at src/lib.rs:10:5:\nno such row\nnote: run with `RUST_BACKTRACE=1`";
        assert_eq!(panic_text(stderr).as_deref(), Some("no such row (src/lib.rs:10:5)"));
        assert_eq!(panic_text("Traceback\nValueError: x").as_deref(), Some("ValueError: x"));
        assert_eq!(panic_text("  "), None);
    }

    #[test]
    fn a_trap_without_words_is_named() {
        let circumstances =
            Circumstances { plugin: "csv@0.1.0", function: "source.next", stderr: "", memory_refused: false };
        let failure = circumstances.failure(&wasmtime::Error::from(Trap::IntegerDivisionByZero));
        assert_eq!(failure.message, "plugin csv@0.1.0 trapped in source.next: wasm trap: integer divide by zero");
        assert_eq!(failure.code.id, "LS0401");
    }
}
