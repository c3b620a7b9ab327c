//! One integration binary, a module per behaviour.

mod clean;
mod contract;
mod mirror;
mod plugins;
mod postgres_plugin;
mod sandbox;
mod sql_driver;
mod sqlite_plugin;
