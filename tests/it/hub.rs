//! Hubs as people have them: a project folder, the real command in a process of its own, real plugins, SQLite files and PostgreSQL
//! databases whose records are changed behind the hub's back.
//!
//! What counts is what stands in the systems, what the conflicts say, and that the next run has nothing to do.

mod absent;
mod checks;
mod components;
mod deletes;
mod endpoints;
mod forms;
mod four_systems;
mod kills;
mod linking;
mod merging;
mod races;
mod references;
mod refused;
mod same_records;
mod segments;
pub mod systems;
mod tombstones;
