//! What the plugins that read JSON share: a strict scanner that copies nothing, documents gone through from front to end, objects as
//! rows and values as columns.
//!
//! This crate must not know where the text comes from, nor what its keys mean.

mod column;
mod document;
mod escape;
mod kinds;
mod plain;
mod scan;
mod shape;
mod text;
mod tree;

pub use column::push;
pub use document::{Document, Element};
pub use kinds::{Kinds, Looks};
pub use scan::{DEPTH_MAX, Fault, Kind, Member, Text, Value, find_duplicate, read_object};
pub use shape::Shape;
pub use text::{read_strings, write_string, write_strings};
pub use tree::Node;
