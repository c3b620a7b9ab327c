//! Names in statements.

/// The mark names are quoted with. A mark within a name is doubled. No dialect knows names with a NUL, and their drivers refuse
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotes(char);

impl Quotes {
    /// As the standard, PostgreSQL and SQLite quote.
    pub const DOUBLE: Self = Self('"');
    /// As MariaDB and MySQL quote.
    pub const BACKTICKS: Self = Self('`');

    pub fn name(self, name: &str) -> String {
        let Self(mark) = self;
        let mut quoted = String::with_capacity(name.len() + 2);
        quoted.push(mark);
        for character in name.chars() {
            if character == mark {
                quoted.push(mark);
            }
            quoted.push(character);
        }
        quoted.push(mark);
        quoted
    }

    pub fn path(self, parts: &[String]) -> String {
        parts.iter().map(|part| self.name(part)).collect::<Vec<_>>().join(".")
    }

    /// Several names, each behind a prefix such as `t.`.
    pub fn names<'a>(self, prefix: &str, names: impl IntoIterator<Item = &'a str>) -> String {
        names.into_iter().map(|name| format!("{prefix}{}", self.name(name))).collect::<Vec<_>>().join(", ")
    }
}

/// `"name"`.
pub fn quote(name: &str) -> String {
    Quotes::DOUBLE.name(name)
}

/// `"schema"."table"`.
pub fn quote_path(parts: &[String]) -> String {
    Quotes::DOUBLE.path(parts)
}

/// `"a", "b"`, each behind a prefix such as `t.`.
pub fn names<'a>(prefix: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    Quotes::DOUBLE.names(prefix, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_are_doubled() {
        for (name, expected) in
            [("a", r#""a""#), ("", r#""""#), ("a\"b", r#""a""b""#), ("s.t", r#""s.t""#), ("Größe 人", r#""Größe 人""#)]
        {
            assert_eq!(quote(name), expected);
        }
        assert_eq!(quote_path(&["s".into(), "t\"".into()]), r#""s"."t""""#);
        assert_eq!(names("t.", ["a", "b"]), r#"t."a", t."b""#);
        assert_eq!(Quotes::BACKTICKS.names("t.", ["a", "b`\""]), "t.`a`, t.`b``\"`");
    }

    /// Reads a quoted name back, as a server does.
    fn unquote(quoted: &str) -> Option<String> {
        let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
        let bare = inner.replace("\"\"", "");
        (!bare.contains('"')).then(|| inner.replace("\"\"", "\""))
    }

    proptest! {
        #[test]
        fn every_name_survives(name in any::<String>()) {
            prop_assert_eq!(unquote(&quote(&name)), Some(name));
        }
    }
}
