//! Time and peak memory of a process, and medians.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one run of a process took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub time: Duration,
    /// What it and its children have computed, in user and kernel mode.
    pub cpu: Duration,
    /// The peak of its resident memory, bytes.
    pub peak: u64,
}

/// Runs a process to its end. What it printed is shown if it fails.
pub fn run(command: &mut Command) -> Cost {
    let (started, before) = (Instant::now(), cpu_of_children());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        // The kernel keeps the peak; only what comes in the last milliseconds of a process can be missed.
        while let Some(now) = std::fs::read_to_string(&status).ok().and_then(|text| resident_peak(&text)) {
            peak = peak.max(now);
            std::thread::sleep(Duration::from_millis(5));
        }
        peak
    });
    let output = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
        text
    });
    let mut printed = String::new();
    let _ = std::io::Read::read_to_string(&mut stdout, &mut printed);
    let ended = child.wait().unwrap();
    let time = started.elapsed();
    let errors = output.join().unwrap();
    assert!(ended.success(), "{command:?} failed with {ended}:\n{printed}\n{errors}");
    Cost { time, cpu: cpu_of_children().saturating_sub(before), peak: watcher.join().unwrap() }
}

/// What the kernel counts in: a hundredth of a second, on every machine this runs on.
const TICK: Duration = Duration::from_millis(10);

/// What this process has computed so far, in user and kernel mode.
pub fn cpu_of_this_process() -> Duration {
    ticks(11) + ticks(12)
}

/// What children that have ended and were waited for have computed.
fn cpu_of_children() -> Duration {
    ticks(13) + ticks(14)
}

/// A field of this process's `stat`, counted behind its name.
fn ticks(place: usize) -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    TICK * fields.split_whitespace().nth(place).unwrap().parse::<u32>().unwrap()
}

fn resident_peak(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

pub fn median<T: Ord + Copy>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// Measures floor and product in turns, each prepared anew. Medians.
pub fn in_turns(
    times: usize,
    mut floor: impl FnMut() -> Duration,
    mut product: impl FnMut() -> Duration,
) -> (Duration, Duration) {
    let (mut floors, mut products) = (Vec::new(), Vec::new());
    for turn in 0..times {
        floors.push(floor());
        products.push(product());
        eprintln!("   {turn}: {:.3} s, floor {:.3} s", products[turn].as_secs_f64(), floors[turn].as_secs_f64());
    }
    (median(&floors), median(&products))
}
