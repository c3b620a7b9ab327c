//! The results as JUnit's XML, which every build server reads.

use std::fmt::Write as _;

use super::{CheckResult, Outcome};

/// One test suite, one case per check.
pub fn junit(plugin: &str, results: &[CheckResult]) -> String {
    let count = |name: &str| results.iter().filter(|result| result.outcome.name() == name).count();
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let _ = writeln!(
        text,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" errors=\"0\">",
        escaped(plugin),
        results.len(),
        count("failed"),
        count("skipped")
    );
    for result in results {
        let check = result.check;
        let seconds = result.took.as_secs_f64();
        let _ = write!(text, "  <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\"", check.group(), check.id);
        let _ = match &result.outcome {
            Outcome::Passed => writeln!(text, "/>"),
            Outcome::Skipped(reason) => {
                writeln!(text, ">\n    <skipped message=\"{}\"/>\n  </testcase>", escaped(reason))
            }
            Outcome::Failed(reason) => writeln!(
                text,
                ">\n    <failure message=\"{}\">{}: {}\nfix: {}</failure>\n  </testcase>",
                escaped(reason),
                escaped(check.title),
                escaped(reason),
                escaped(check.fix)
            ),
        };
    }
    text + "</testsuite>\n"
}

/// XML has no way to say most control characters: they become the replacement character.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::checks;

    #[test]
    fn what_a_plugin_says_does_not_leave_its_attribute() {
        let [first, second, third, ..] = checks().collect::<Vec<_>>()[..] else { panic!() };
        let result = |check, outcome| CheckResult { check, outcome, took: std::time::Duration::from_millis(7) };
        let results = [
            result(first, Outcome::Passed),
            result(second, Outcome::Failed("\"a\" < b & \u{1b}[2J\n".into())),
            result(third, Outcome::Skipped("nothing".into())),
        ];
        let text = junit("p@1", &results);
        assert!(text.contains("tests=\"3\" failures=\"1\" skipped=\"1\""), "{text}");
        assert!(text.contains("<failure message=\"&quot;a&quot; &lt; b &amp; \u{fffd}[2J \">"), "{text}");
        assert!(text.contains("time=\"0.007\"/>"), "{text}");
        assert!(text.contains("<skipped message=\"nothing\"/>"), "{text}");
    }
}
