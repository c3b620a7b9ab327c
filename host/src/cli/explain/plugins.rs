//! What the codes of our own plugins mean: the pages of `docs/errors/plugins/`, compiled in. A section of a page is about one code, or about
//! those of several plugins that mean the same.

macro_rules! pages {
    ($($name:literal)*) => {
        &[$(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors/plugins/", $name, ".md"))),*]
    };
}

static PAGES: &[&str] = pages!("api" "clean" "databases" "files" "http" "odata" "salesforce" "soap");

/// Stands for the status of an answer: `odata.STATUS` is also `odata.404`.
const STATUS: &str = "STATUS";

/// A code and what is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub code: &'static str,
    pub text: &'static str,
}

/// All of them, page by page.
pub(super) fn all() -> impl Iterator<Item = Section> {
    PAGES.iter().flat_map(|page| page.split("\n## ").skip(1)).flat_map(|section| {
        let (codes, text) = section.split_once('\n').unwrap_or((section, ""));
        let codes = codes.split(", ").map(|code| code.trim_matches('`'));
        codes.map(move |code| Section { code, text: text.trim() })
    })
}

/// The section about a code, as an error's detail shows it.
pub(super) fn find(code: &str) -> Option<Section> {
    let code = code.trim().to_ascii_lowercase();
    let of_status = code.split_once('.').and_then(|(plugin, rest)| {
        let is_status = rest.len() == 3 && rest.bytes().all(|byte| byte.is_ascii_digit());
        is_status.then(|| format!("{plugin}.{STATUS}"))
    });
    all().find(|section| section.code == code || of_status.as_deref() == Some(section.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_also_those_of_a_status_and_of_several_plugins() {
        let starts = |code: &str| find(code).map(|section| section.text.split(' ').next().unwrap_or_default());
        assert_eq!(starts("odata.no-set"), Some("The"));
        assert_eq!(find(" ODATA.no-set\n"), find("odata.no-set"));
        assert_eq!(find("odata.404").unwrap().code, "odata.STATUS");
        assert_eq!(find("mysql.exists").unwrap().text, find("sqlite.exists").unwrap().text);
        for nothing in ["", "odata", "odata.", "odata.40", "odata.4040", "clean.404", "23505"] {
            assert_eq!(find(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn every_page_is_in_here_and_every_section_says_something_once() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors/plugins");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), PAGES.len());
        let mut seen = Vec::new();
        for Section { code, text } in all() {
            assert!(text.len() > 15 && text.ends_with('.') && !text.contains("\n#"), "{code}: {text}");
            assert!(!seen.contains(&code), "{code} is there twice");
            seen.push(code);
        }
        assert!(seen.len() > 100);
    }
}
