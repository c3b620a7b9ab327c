//! What is measured.

mod calls;
mod deciding;
mod files;
mod hub;
mod many;
mod memory;
mod sandbox;
mod start;
mod tables;
mod web;

use lockstep::connector::{ReadMode, ReadRequest};
use lockstep::record::{Properties, Stream};

use crate::lab::Bench;
use crate::report::Report;

type Scenario = fn(&Bench, &mut Report);

pub const ALL: [(&str, Scenario); 10] = [
    ("files", files::measure),
    ("tables", tables::measure),
    ("sandbox", sandbox::measure),
    ("calls", calls::measure),
    ("start", start::measure),
    ("memory", memory::measure),
    ("hub", hub::measure),
    ("many-records", many::measure),
    ("deciding", deciding::measure),
    ("web", web::measure),
];

/// A reading of all there is.
fn whole(stream: &Stream) -> ReadRequest {
    ReadRequest {
        stream: stream.name.clone(),
        key: stream.key.clone(),
        fields: stream.fields.clone(),
        mode: ReadMode::Full,
        cursor: None,
        options: Properties::default(),
    }
}
