//! Paths: where relative ones begin, and how they stand in commands that people paste.

use std::path::{Path, PathBuf};

/// A path of the project file: relative ones begin in the project's folder. `data` rather than `./data`, as it is shown to people.
pub(super) fn below(dir: &Path, path: &Path) -> PathBuf {
    if dir == Path::new(".") { path.to_owned() } else { dir.join(path) }
}

/// The path as one word of a shell.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | '@' | '%' | ',');
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        assert_eq!(shell_word(Path::new(path)), expected);
    }

    #[test]
    fn only_what_needs_quotes_has_them() {
        check("/srv/shop-1/data", "/srv/shop-1/data");
        check("my shop", "'my shop'");
        check("it's", "'it'\\''s'");
        check("", "''");
        check("$HOME", "'$HOME'");
    }
}
