//! `plugin record` and `plugin replay`: what goes into a recording, what stays out, and what is told when something differs.

mod audit;
mod checks;
mod databases;
mod diff;
mod faults;
mod requests;
mod writes;

use serde_json::Value;

use crate::mirror::project::Project;

/// The lines of a recording.
fn lines(project: &Project, name: &str) -> Vec<Value> {
    project.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
