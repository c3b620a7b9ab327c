//! The battery of `plugin check`: every check has a twin that fails it and nothing else, and bundled plugins pass.

mod bundled;
mod command;
mod lab;
mod twins;
