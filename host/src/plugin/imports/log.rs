use super::super::bindings::lockstep::plugin::log as wit;
use crate::plugin::instance::State;

impl wit::Host for State {
    async fn log(&mut self, level: wit::Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let level = match level {
            wit::Level::Trace => tracing::Level::TRACE,
            wit::Level::Debug => tracing::Level::DEBUG,
            wit::Level::Info => tracing::Level::INFO,
            wit::Level::Warn => tracing::Level::WARN,
            wit::Level::Error => tracing::Level::ERROR,
        };
        self.output.event(level, &message, &fields);
        Ok(())
    }
}
