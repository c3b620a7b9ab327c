//! A deterministic simulation of hubs: the production engine and the production store on simulated time, between systems that
//! delay, repeat, reorder, lose, refuse and reshape what they are told, with users who edit all of them at once and processes that
//! die and come back at the worst moments. One number, the seed, decides everything.
//!
//! Three parts know nothing of each other. [`plan`] says what a seed stands for. [`world`], [`system`], [`users`] and [`connect`]
//! are what the engine meets. [`ledger`] and [`check`] judge what came of it, from what the systems accepted alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err,
    reason = "a harness: whatever is wrong here has to be seen at once"
)]

pub mod campaign;
pub mod chance;
pub mod check;
pub mod connect;
pub mod cover;
pub mod desk;
pub mod engine;
pub mod field;
pub mod ledger;
pub mod mutate;
pub mod plan;
pub mod process;
pub mod quirks;
pub mod reference;
pub mod run;
pub mod shrink;
mod store;
pub mod system;
pub mod trace;
pub mod users;
pub mod view;
mod words;
pub mod world;
