//! One integration binary, a module per behaviour.

mod plugins;
mod postgres_plugin;
mod sandbox;
mod sql_driver;
