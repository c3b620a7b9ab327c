//! The page with the figures.

use std::fmt;
use std::time::Duration;

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most so many times the floor.
    Ratio(f64),
    /// At most so many seconds.
    Seconds(f64),
    /// At most so many MiB.
    Mebibytes(u64),
    /// At least so many million rows a second.
    MillionRows(f64),
    /// None; it is shown for comparison.
    Shown,
}

/// How a figure without a goal is marked.
const NO_GOAL: &str = "–";

#[derive(Clone, Debug)]
struct Line {
    group: &'static str,
    what: String,
    floor: String,
    product: String,
    figure: String,
    goal: String,
    /// None without a goal.
    is_met: Option<bool>,
}

pub struct Report {
    rows: u64,
    times: usize,
    lines: Vec<Line>,
}

impl Report {
    pub fn new(rows: u64, times: usize) -> Self {
        Self { rows, times, lines: Vec::new() }
    }

    fn push(&mut self, line: Line) {
        let met = if line.is_met == Some(false) { "   NOT MET" } else { "" };
        eprintln!("   {}: {} {} (goal {}){met}", line.what, line.product, line.figure, line.goal);
        self.lines.push(line);
    }

    /// A time against the floor's, or against a limit of its own.
    pub fn time(&mut self, group: &'static str, what: &str, times: (Option<Duration>, Duration), goal: Goal) {
        let (floor, product) = times;
        let ratio = floor.map(|floor| product.as_secs_f64() / floor.as_secs_f64());
        let (is_met, goal) = match goal {
            Goal::Ratio(most) => (Some(ratio.is_some_and(|ratio| ratio <= most)), format!("≤ {most}×")),
            Goal::Seconds(most) => {
                (Some(product.as_secs_f64() <= most), format!("≤ {}", seconds(Duration::from_secs_f64(most))))
            }
            _ => (None, NO_GOAL.to_owned()),
        };
        self.push(Line {
            group,
            what: what.to_owned(),
            floor: floor.map_or_else(|| "–".to_owned(), seconds),
            product: seconds(product),
            figure: ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×")),
            goal,
            is_met,
        });
    }

    pub fn memory(&mut self, group: &'static str, what: &str, peak: u64, goal: Goal) {
        let mebibytes = peak >> 20;
        let (is_met, goal) = match goal {
            Goal::Mebibytes(most) => (Some(mebibytes <= most), format!("≤ {most} MiB")),
            _ => (None, NO_GOAL.to_owned()),
        };
        let product = format!("{mebibytes} MiB");
        self.push(Line {
            group,
            what: what.to_owned(),
            floor: "–".into(),
            product,
            figure: String::new(),
            goal,
            is_met,
        });
    }

    pub fn rate(&mut self, group: &'static str, what: &str, rows: u64, time: Duration, goal: Goal) {
        let millions = rows as f64 / time.as_secs_f64() / 1e6;
        let (is_met, goal) = match goal {
            Goal::MillionRows(least) => (Some(millions >= least), format!("≥ {least} M rows/s")),
            _ => (None, NO_GOAL.to_owned()),
        };
        let product = format!("{millions:.1} M rows/s");
        self.push(Line {
            group,
            what: what.to_owned(),
            floor: "–".into(),
            product,
            figure: String::new(),
            goal,
            is_met,
        });
    }
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.1 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

const INTRODUCTION: &str = "\
# Benchmarks

Ratios against floors measured in the same run; floor and product take turns, medians. A floor is what the same work costs
with the database's own tools: `psql`, `COPY`, SQL by hand. Times are of whole processes unless said otherwise. Write this page
anew with:

    cargo xtask bench

";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INTRODUCTION)?;
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(f, "{} rows of 12 columns, {} times each, on {cores} cores.", self.rows, self.times)?;
        let mut group = "";
        for line in &self.lines {
            if line.group != group {
                group = line.group;
                writeln!(
                    f,
                    "\n## {group}\n\n| what | floor | Lockstep | ratio | goal | met |\n|---|--:|--:|--:|--:|---|"
                )?;
            }
            let met = match line.is_met {
                None => NO_GOAL,
                Some(true) => "yes",
                Some(false) => "**no**",
            };
            let Line { what, floor, product, figure, goal, .. } = line;
            writeln!(f, "| {what} | {floor} | {product} | {figure} | {goal} | {met} |")?;
        }
        Ok(())
    }
}
