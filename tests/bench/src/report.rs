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
    /// At least so many thousand records a second.
    ThousandRecords(f64),
    /// At most so many bytes.
    Bytes(u64),
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
            floor: floor.map_or_else(|| NO_GOAL.to_owned(), seconds),
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
        self.plain(group, what, format!("{mebibytes} MiB"), goal, is_met);
    }

    /// Bytes of each record.
    pub fn bytes(&mut self, group: &'static str, what: &str, bytes: u64, goal: Goal) {
        let (is_met, goal) = match goal {
            Goal::Bytes(most) => (Some(bytes <= most), format!("≤ {most} bytes")),
            _ => (None, NO_GOAL.to_owned()),
        };
        self.plain(group, what, format!("{bytes} bytes"), goal, is_met);
    }

    /// Records in a second.
    pub fn records(&mut self, group: &'static str, what: &str, records: u64, time: Duration, goal: Goal) {
        let thousands = records as f64 / time.as_secs_f64() / 1e3;
        let (is_met, goal) = match goal {
            Goal::ThousandRecords(least) => (Some(thousands >= least), format!("≥ {least} k records/s")),
            _ => (None, NO_GOAL.to_owned()),
        };
        self.plain(group, what, format!("{thousands:.1} k records/s"), goal, is_met);
    }

    /// How often something came out right, and how often with the floor.
    pub fn share(&mut self, group: &'static str, what: &str, right: (Option<u64>, u64), of: u64) {
        let (floor, product) = right;
        let shown = |count: u64| format!("{count} of {of}");
        self.push(Line {
            group,
            what: what.to_owned(),
            floor: floor.map_or_else(|| "–".to_owned(), shown),
            product: shown(product),
            figure: String::new(),
            goal: shown(of),
            is_met: Some(product == of),
        });
    }

    /// Without a floor.
    fn plain(&mut self, group: &'static str, what: &str, product: String, goal: String, is_met: Option<bool>) {
        let (what, floor, figure) = (what.to_owned(), NO_GOAL.to_owned(), String::new());
        self.push(Line { group, what, floor, product, figure, goal, is_met });
    }

    pub fn rate(&mut self, group: &'static str, what: &str, rows: u64, time: Duration, goal: Goal) {
        let millions = rows as f64 / time.as_secs_f64() / 1e6;
        let (is_met, goal) = match goal {
            Goal::MillionRows(least) => (Some(millions >= least), format!("≥ {least} M rows/s")),
            _ => (None, NO_GOAL.to_owned()),
        };
        self.plain(group, what, format!("{millions:.1} M rows/s"), goal, is_met);
    }
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        _ if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

const INTRODUCTION: &str = "\
# Benchmarks

Ratios against floors measured in the same run; floor and product take turns, medians. A floor is what the same work costs
with the database's own tools: `psql`, `COPY`, SQL by hand; of hubs, what it costs with Bucardo. Times are of whole processes unless
said otherwise. Write this page anew, or one group of it:

    cargo xtask bench
    cargo xtask bench --only hub
";

/// How a group begins on the page.
const HEADING: &str = "\n## ";

impl Report {
    /// The page with the groups that were measured put in place of the same groups of an older page. Groups that are new stand at
    /// its end.
    pub fn page(&self, old: &str) -> String {
        let measured = self.groups();
        let mut old = old.split(HEADING);
        let _introduction = old.next();
        let mut page = INTRODUCTION.to_owned();
        let mut done: Vec<&str> = Vec::new();
        for group in old {
            let title = group.lines().next().unwrap_or_default();
            match measured.iter().find(|(name, _)| *name == title) {
                Some((name, text)) => {
                    page.push_str(text);
                    done.push(name);
                }
                None => page.extend([HEADING, group]),
            }
        }
        measured.iter().filter(|(name, _)| !done.contains(name)).for_each(|(_, text)| page.push_str(text));
        page
    }

    /// Each group's name and its text.
    fn groups(&self) -> Vec<(&'static str, String)> {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let mut groups: Vec<(&'static str, String)> = Vec::new();
        for line in &self.lines {
            if groups.last().is_none_or(|(name, _)| *name != line.group) {
                let head = format!(
                    "{HEADING}{}\n\n{} rows, {} times each, on {cores} cores.\n\n\
                     | what | floor | Lockstep | ratio | goal | met |\n|---|--:|--:|--:|--:|---|\n",
                    line.group, self.rows, self.times
                );
                groups.push((line.group, head));
            }
            if let Some((_, text)) = groups.last_mut() {
                text.push_str(&line.to_string());
            }
        }
        groups
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = match self.is_met {
            None => NO_GOAL,
            Some(true) => "yes",
            Some(false) => "**no**",
        };
        let Self { what, floor, product, figure, goal, .. } = self;
        writeln!(f, "| {what} | {floor} | {product} | {figure} | {goal} | {met} |")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(group: &'static str, seconds: u64) -> Report {
        let mut report = Report::new(10, 1);
        report.time(group, "it", (None, Duration::from_secs(seconds)), Goal::Shown);
        report
    }

    #[test]
    fn groups_that_were_not_measured_stay() {
        let first = report("one", 1).page("");
        let both = report("two", 2).page(&first);
        let again = report("one", 3).page(&both);
        let lines: Vec<&str> = again.lines().filter(|line| line.starts_with("## ") || line.contains(" s |")).collect();
        assert_eq!(lines, ["## one", "| it | – | 3.00 s |  | – | – |", "## two", "| it | – | 2.00 s |  | – | – |"]);
        assert_eq!(report("one", 3).page(&again), again);
    }
}
