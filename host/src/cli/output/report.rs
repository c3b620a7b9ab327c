//! Errors, for people and for programs.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use serde_json::{Value, json};

use super::screen::{Screen, visible};
use crate::error::{Error, Explain};
use crate::project::{ProjectError, ProjectErrors};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// One error, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub code: &'static str,
    pub message: String,
    /// Outermost first.
    pub causes: Vec<String>,
    /// Best first.
    pub hints: Vec<String>,
}

impl Report {
    /// The reports of an error: several if it stands for all that is wrong with a file, and how many more were left out.
    pub fn of(error: &Error) -> (Vec<Self>, usize) {
        match error.downcast_ref::<ProjectErrors>() {
            Some(errors) if errors.iter().next().is_some() => {
                (errors.iter().map(Self::of_one).collect(), errors.left_out())
            }
            _ => {
                let (code, message) = (error.code().id, error.to_string());
                (vec![Self { code, message, causes: error.causes(), hints: error.hints() }], 0)
            }
        }
    }

    fn of_one(error: &ProjectError) -> Self {
        let causes = std::iter::successors(std::error::Error::source(error), |error| error.source())
            .map(ToString::to_string)
            .collect();
        Self { code: error.code().id, message: error.to_string(), causes, hints: error.hints() }
    }

    fn write(&self, text: &mut String, screen: Screen) {
        let label = Screen::paint(screen.color_err, ERROR, &format!("error[{}]:", self.code));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label} {}", visible(&self.message));
        for cause in &self.causes {
            let _ = writeln!(text, "Caused by: {}", visible(cause));
        }
        let label = Screen::paint(screen.color_err, HINT, "hint:");
        for hint in &self.hints {
            let _ = writeln!(text, "{label} {}", visible(hint));
        }
    }
}

/// One error by itself.
pub(super) fn error_to_text(error: &Error, screen: Screen) -> String {
    to_text([error], screen)
}

/// In the shape of the final document's error.
pub(super) fn error_to_json(error: &Error) -> Value {
    to_json(std::slice::from_ref(error))
}

/// All reports, an empty line between two.
pub(in crate::cli) fn to_text<'a>(errors: impl IntoIterator<Item = &'a Error>, screen: Screen) -> String {
    let mut text = String::new();
    for error in errors {
        let (reports, left_out) = Report::of(error);
        for report in reports {
            if !text.is_empty() {
                text.push('\n');
            }
            report.write(&mut text, screen);
        }
        if left_out > 0 {
            let _ = writeln!(text, "\nand {left_out} more, which may go away with these");
        }
    }
    text
}

/// The first error, with the others in `others` if there are any; `null` without errors.
pub(super) fn to_json(errors: &[Error]) -> Value {
    let mut reports = errors.iter().flat_map(|error| Report::of(error).0);
    let Some(first) = reports.next() else { return Value::Null };
    let others: Vec<Value> = reports.map(|report| json!(report)).collect();
    let mut value = json!(first);
    if let (Some(object), false) = (value.as_object_mut(), others.is_empty()) {
        object.insert("others".to_owned(), Value::Array(others));
    }
    value
}
