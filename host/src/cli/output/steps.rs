//! How a command of many steps is getting on: a bar on a terminal, nothing elsewhere.

use indicatif::ProgressBar;

use super::progress::bar_style;
use super::{Output, Talk};

/// Counts steps; gone with its value.
pub struct StepProgress(Option<ProgressBar>);

impl StepProgress {
    pub(super) fn new(output: &Output, title: &str, steps: usize) -> Self {
        let talks = output.inner.talk == Talk::Normal && !output.is_json();
        let bar = (talks && output.screen().terminal_err).then(|| {
            let bar = output.inner.bars.add(ProgressBar::new(steps as u64));
            bar.set_style(bar_style("{spinner} {prefix}  {bar:20} {pos}/{len}  {msg}", output.screen().unicode));
            bar.set_prefix(title.to_owned());
            bar
        });
        Self(bar)
    }

    /// The next step begins.
    pub fn step(&self, name: &'static str) {
        if let Some(bar) = &self.0 {
            bar.set_message(name);
            bar.inc(1);
        }
    }
}

impl Drop for StepProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
