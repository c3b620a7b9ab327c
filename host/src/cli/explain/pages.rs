//! The pages of `docs/errors/`, compiled in: an error can be explained where there is no network and no source.

use crate::error::Code;

macro_rules! pages {
    ($($id:literal)*) => {
        &[$(($id, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors/", $id, ".md")))),*]
    };
}

/// By code.
static PAGES: &[(&str, &str)] = pages! {
    "LS0101" "LS0102" "LS0103" "LS0104" "LS0105" "LS0201" "LS0202" "LS0203" "LS0204" "LS0205" "LS0206" "LS0207" "LS0208"
    "LS0209" "LS0210" "LS0301" "LS0302" "LS0303" "LS0304" "LS0305" "LS0306" "LS0307" "LS0308" "LS0309" "LS0310" "LS0311"
    "LS0312" "LS0313"
    "LS0401" "LS0402" "LS0403" "LS0404" "LS0405" "LS0406" "LS0407" "LS0408" "LS0409" "LS0410" "LS0501" "LS0502" "LS0503"
    "LS0504" "LS0505" "LS0506" "LS0507" "LS0508" "LS0509" "LS0510" "LS0511" "LS0512" "LS0513" "LS0514" "LS0515" "LS0516"
    "LS0517" "LS0518" "LS0519" "LS0601" "LS0602" "LS0603" "LS0604" "LS0605" "LS0606" "LS0607" "LS0701" "LS0702" "LS0703" "LS0704" "LS0705"
    "LS0706" "LS0707" "LS0708" "LS0709" "LS0801" "LS0802" "LS0803" "LS0804" "LS0805" "LS0806" "LS0807" "LS0808" "LS0901"
    "LS0902" "LS0999"
};

/// The page of a code, in Markdown.
pub(super) fn of(code: &Code) -> Option<&'static str> {
    PAGES.iter().find(|(id, _)| *id == code.id).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let codes: Vec<&str> = codes::ALL.iter().map(|code| code.id).collect();
        let pages: Vec<&str> = PAGES.iter().map(|(id, _)| *id).collect();
        assert_eq!(pages, codes);
        let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            // Those of plugins have a module of their own.
            .filter(|name| name != "plugins")
            .collect();
        files.sort();
        assert_eq!(files, codes.iter().map(|id| format!("{id}.md")).collect::<Vec<_>>());
    }

    /// The tests of bad projects show what is really printed: the pages' examples are taken from there.
    #[test]
    fn examples_of_project_errors_are_real() {
        let printed = [
            include_str!("../bad_projects.rs"),
            include_str!("../bad_projects/connections.rs"),
            include_str!("../bad_projects/syncs.rs"),
        ];
        for id in ["LS0202", "LS0203", "LS0204", "LS0205", "LS0206", "LS0208", "LS0209"] {
            let page = codes::find(id).and_then(of).unwrap();
            let example = page.lines().find(|line| line.starts_with("error[")).unwrap();
            assert!(printed.iter().any(|tests| tests.contains(example)), "{example}");
        }
    }

    #[test]
    fn every_page_begins_with_its_code_and_title_and_says_enough() {
        for code in codes::ALL {
            let page = of(code).unwrap();
            assert_eq!(page.lines().next(), Some(format!("# {}: {}", code.id, code.title).as_str()));
            let lines = page.lines().count();
            assert!((10..=40).contains(&lines), "{}: {lines} lines", code.id);
            for part in ["```text\n", "## Why", "## What to do"] {
                assert!(page.contains(part), "{} lacks `{part}`", code.id);
            }
            let shown = [format!("\nerror[{}]: ", code.id), format!("\ncause: {}: ", code.id)];
            let is_note = ["LS0705", "LS0902"].contains(&code.id);
            assert!(is_note || shown.iter().any(|form| page.contains(form)), "{} does not show it", code.id);
        }
    }

    /// `lockstep …` in backquotes is what people paste.
    fn commands(page: &str) -> impl Iterator<Item = &str> {
        page.split('`')
            .filter(|part| part.starts_with("lockstep "))
            .map(|part| part.split(" 2>").next().unwrap_or(part))
    }

    #[test]
    fn every_command_in_a_page_is_understood() {
        use clap::Parser as _;
        use clap::error::ErrorKind;
        let mut found = 0;
        for command in PAGES.iter().flat_map(|(_, page)| commands(page)) {
            found += 1;
            match crate::cli::Cli::try_parse_from(command.split_whitespace()) {
                Err(error) if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                    panic!("`{command}`: {error}")
                }
                _ => {}
            }
        }
        assert!(found > 100, "{found}");
    }

    /// Settings in backquotes must be TOML.
    #[test]
    fn every_setting_in_a_page_is_toml() {
        for (id, page) in PAGES {
            let lines = page.replace("```", "");
            for setting in lines.split('`').filter(|part| part.contains(" = ") && !part.contains(['\n', '…', '+', ';']))
            {
                assert!(setting.parse::<toml_edit::DocumentMut>().is_ok(), "{id}: {setting}");
            }
        }
    }
}
