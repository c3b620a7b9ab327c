//! A hub with very many records: what it keeps of them, and what a run costs in which nothing changed.

use std::time::Duration;

use lockstep_test_servers::Folder;

use super::hub::systems::{Pair, project_file};
use crate::lab::{Bench, project, server};
use crate::measure::{Cost, median};
use crate::report::{Goal, Report};

const GROUP: &str = "A hub with very many records";
/// What the project calls the hub's endpoints' look for deletes: not in these runs.
const LATER: &str = ", enumerate = { every = \"1d\" }";

pub fn measure(bench: &Bench, report: &mut Report) {
    let server = server();
    let pair = Pair { server: &server, databases: ["east", "west"], rows: bench.rows, turns: 1 };
    pair.fill();
    let folder = project("many", &project_file([pair.url(0), pair.url(1)], LATER));
    let link = bench.run(folder.path());
    let what = format!("first link of two databases with the same {} records", bench.rows);
    report.time(GROUP, &what, (None, link.time), Goal::Shown);
    report.memory(GROUP, "the same, peak memory of the host", link.peak, Goal::Shown);
    let bytes = state_bytes(&folder) / bench.rows;
    report.bytes(GROUP, "state on disk, per record of 12 fields at 2 endpoints", bytes, Goal::Bytes(2_000));

    bench.run(folder.path());
    let what = "a run in which nothing changed, both read incrementally: what the host computes";
    report.time(GROUP, what, (None, cpu(&idle(bench, &folder))), Goal::Seconds(1.0));
    std::fs::write(folder.path().join("lockstep.toml"), project_file([pair.url(0), pair.url(1)], "")).unwrap();
    let idle = idle(bench, &folder);
    let times: Vec<Duration> = idle.iter().map(|cost| cost.time).collect();
    let what = "the same, all keys of both read to find what was deleted: what the host computes";
    report.time(GROUP, what, (None, cpu(&idle)), Goal::Shown);
    report.time(GROUP, "the same, time", (None, median(&times)), Goal::Shown);
}

fn idle(bench: &Bench, folder: &Folder) -> Vec<Cost> {
    (0..bench.times).map(|_| bench.run(folder.path())).collect()
}

fn cpu(costs: &[Cost]) -> Duration {
    median(&costs.iter().map(|cost| cost.cpu).collect::<Vec<_>>())
}

/// Everything in the folder of the state.
fn state_bytes(folder: &Folder) -> u64 {
    let files = std::fs::read_dir(folder.path().join(".lockstep")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}
