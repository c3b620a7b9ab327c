//! What the plugins for HTTP APIs share: targets below a service's root and the links that lead on, answers and what is wrong with
//! them, JSON objects as rows, values as text.
//!
//! This crate must not know any API's own words: what an error looks like, what a page is called, how keys are written.

pub mod answer;
mod clock;
mod member;
mod request;
mod rows;
mod same;
mod service;
pub mod settings;
mod text;

pub use clock::clock;
pub use member::member;
pub use request::{Ask, Reply, ask, ask_all};
pub use rows::{Form, Rows, as_it_is};
pub use same::same;
pub use service::{Service, encode};
pub use text::plain;
