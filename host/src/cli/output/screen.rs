//! What the reader can see: how wide, in colour or not, with which characters.

use clap::builder::StyledStr;
use clap::builder::styling::Style;

use crate::cli::ColorWhen;

/// The widest line of a table: beyond it, eyes lose the line.
pub const WIDTH_MAX: u16 = 100;

/// The narrowest a table is squeezed to.
const WIDTH_MIN: u16 = 40;

/// The reader's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// In columns.
    pub width: u16,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard error is a terminal.
    pub terminal_err: bool,
    /// Whether more than ASCII may be drawn.
    pub unicode: bool,
    pub color_out: bool,
    pub color_err: bool,
}

impl Screen {
    /// Not a terminal: full width, plain ASCII, no colour.
    pub fn plain() -> Self {
        Self {
            width: WIDTH_MAX,
            terminal: false,
            terminal_err: false,
            unicode: false,
            color_out: false,
            color_err: false,
        }
    }

    pub(super) fn of(when: ColorWhen, stdout: bool, stderr: bool, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let width = terminal_size::terminal_size().map_or(WIDTH_MAX, |(width, _)| width.0.clamp(WIDTH_MIN, WIDTH_MAX));
        Self {
            width: if stdout { width } else { WIDTH_MAX },
            terminal: stdout,
            terminal_err: stderr,
            unicode: stdout && speaks_utf8(variable),
            color_out: wants_color(when, stdout, variable),
            color_err: wants_color(when, stderr, variable),
        }
    }

    pub(super) fn paint(color: bool, style: Style, text: &str) -> String {
        if color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    pub(super) fn styled(self, text: &StyledStr, color: bool) -> String {
        if color { text.ansi().to_string() } else { text.to_string() }
    }
}

/// See <https://no-color.org>: set to anything but nothing.
fn wants_color(when: ColorWhen, terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> bool {
    let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = variable("TERM").is_some_and(|term| term == "dumb");
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => terminal && !refused && !dumb,
    }
}

/// The first of these variables that says anything decides, as POSIX has it.
fn speaks_utf8(variable: &dyn Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The text with control characters made visible (`\x1b`), except line breaks and tabs.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() || is_direction(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// Characters that reorder the text around them: a file name may use them to look like another.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(when: ColorWhen, terminal: bool, variables: &[(&str, &str)], expected: bool) {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let screen = Screen::of(when, terminal, false, &variable);
        assert_eq!(screen.color_out, expected, "{when:?} {variables:?}");
    }

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        check(ColorWhen::Auto, true, &[], true);
        check(ColorWhen::Auto, false, &[], false);
        check(ColorWhen::Auto, true, &[("NO_COLOR", "1")], false);
        check(ColorWhen::Auto, true, &[("NO_COLOR", "")], true);
        check(ColorWhen::Auto, true, &[("TERM", "dumb")], false);
        check(ColorWhen::Always, false, &[("NO_COLOR", "1")], true);
        check(ColorWhen::Never, true, &[], false);
    }

    #[test]
    fn more_than_ascii_is_for_terminals_that_know_it() {
        let unicode = |stdout, locale: &str| {
            Screen::of(ColorWhen::Auto, stdout, false, &|name| (name == "LANG").then(|| locale.to_owned())).unicode
        };
        assert!(unicode(true, "de_DE.UTF-8"));
        assert!(!unicode(true, "C"));
        assert!(!unicode(false, "de_DE.UTF-8"));
    }

    #[test]
    fn nobody_steers_the_terminal() {
        assert_eq!(visible("a\u{1b}[31mb\rc\n\td\u{7}é"), "a\\u{1b}[31mb\\rc\n\td\\u{7}é");
        assert_eq!(visible("gpj\u{202e}exe"), "gpj\\u{202e}exe");
    }
}
