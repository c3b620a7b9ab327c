//! Which files are streams.

/// The longest piece of a value or name that is repeated in an error message.
pub const NAME_MAX_BYTES: usize = 80;

/// The name extensions of the files that are streams, without the dot; case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions(Vec<String>);

impl Extensions {
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(|name| name.as_ref().trim_start_matches('.').to_ascii_lowercase()).collect())
    }

    /// Whether the file ends in one of them, or in one of them and `.gz`.
    pub fn cover(&self, path: &str) -> bool {
        let file_name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let unpacked = file_name.strip_suffix(".gz").unwrap_or(&file_name);
        self.0.iter().any(|extension| {
            unpacked.strip_suffix(extension.as_str()).is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
        })
    }
}

/// Whether the file is packed.
pub fn is_gzip(path: &str) -> bool {
    path.len() > 3 && path.get(path.len() - 3..).is_some_and(|end| end.eq_ignore_ascii_case(".gz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_streams_by_their_extension() {
        let extensions = Extensions::new(["csv", ".TSV"]);
        for (path, expected) in [
            ("customers.csv", true),
            ("2026/orders.CSV.gz", true),
            ("a.tsv", true),
            ("a.txt", false),
            ("csv", false),
            (".csv", false),
            ("a.csv.bak", false),
            ("a.gz", false),
            ("a.csv/readme", false),
        ] {
            assert_eq!(extensions.cover(path), expected, "{path}");
        }
    }

    #[test]
    fn packed_files() {
        for (path, expected) in
            [("a.csv.gz", true), ("a.CSV.GZ", true), ("a.csv", false), (".gz", false), ("ä.csv", false)]
        {
            assert_eq!(is_gzip(path), expected, "{path}");
        }
    }
}
