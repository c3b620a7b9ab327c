//! What is measured.

mod files;
mod memory;
mod sandbox;
mod start;
mod tables;

use crate::lab::Bench;
use crate::report::Report;

type Scenario = fn(&Bench, &mut Report);

pub const ALL: [(&str, Scenario); 5] = [
    ("files", files::measure),
    ("tables", tables::measure),
    ("sandbox", sandbox::measure),
    ("start", start::measure),
    ("memory", memory::measure),
];
