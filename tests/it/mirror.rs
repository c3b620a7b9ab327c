//! The whole product: a project folder, the real command in a process of its own, real plugins and a real PostgreSQL.
//!
//! What a plugin does by itself is looked at elsewhere; here counts what a person finds in the target, on the terminal and in the
//! state after a command has ended, in whatever way.

mod answers;
mod bad_records;
mod bad_surroundings;
mod csv_to_postgres;
mod hostile_plugins;
mod interrupts;
pub mod kills;
mod outages;
mod postgres_to_postgres;
pub mod project;
mod reshaping;
mod schemas;
mod through_mysql;
mod types;
mod watching;
