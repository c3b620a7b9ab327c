//! What our plugins for HTTP APIs share besides the SDK's `http`: JSON read without deserializers, which is a tenth of their size:
//! settings, objects as rows, what is wrong with them; and values as text.
//!
//! This crate must not know any API's own words: what an error looks like, what a page is called, how keys are written.

pub mod answer;
#[cfg(any(test, feature = "floats"))]
mod float;
mod member;
mod rows;
mod same;
pub mod settings;
mod text;

pub use member::member;
pub use rows::{Form, Rows, as_it_is};
pub use same::same;
pub use text::plain;
