//! Names in statements.

/// A name as both SQL dialects quote it. Neither knows names with a NUL, and their drivers refuse them.
pub fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for character in name.chars() {
        if character == '"' {
            quoted.push('"');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// `"schema"."table"`.
pub fn quote_path(parts: &[String]) -> String {
    parts.iter().map(|part| quote(part)).collect::<Vec<_>>().join(".")
}

/// `"a", "b"`, each behind a prefix such as `t.`.
pub fn names<'a>(prefix: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("{prefix}{}", quote(name))).collect::<Vec<_>>().join(", ")
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
