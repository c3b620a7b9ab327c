//! Names of projects, connections, syncs and plugins. They stand in file names, table names and URLs, so the alphabet is small.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes; short enough for a file name with a suffix on every file system.
pub const NAME_BYTES_MAX: usize = 64;

/// A text that is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name needs at least one character")]
    Empty,
    #[error("a name has at most {NAME_BYTES_MAX} characters")]
    TooLong,
    #[error("a name consists of a-z, 0-9, `_` and `-`; `{0}` is none of these")]
    Character(char),
}

/// Whether a text is a name.
pub fn check_name(text: &str) -> Result<(), NameError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(NameError::Character(c)),
        None if text.is_empty() => Err(NameError::Empty),
        None if text.len() > NAME_BYTES_MAX => Err(NameError::TooLong),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check_name(text).map(|()| Self(text.to_owned()))
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a connection: `[connection.NAME]`.
    ConnectionName
}
name! {
    /// The name of a sync: `[sync.NAME]`.
    SyncName
}
name! {
    /// The name of a bundled plugin: `csv`.
    PluginName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "crm-2", "_x", "0", &"n".repeat(NAME_BYTES_MAX)] {
            assert_eq!(good.parse::<SyncName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        assert_eq!("".parse::<SyncName>(), Err(NameError::Empty));
        assert_eq!("Crm".parse::<SyncName>(), Err(NameError::Character('C')));
        assert_eq!("a.b".parse::<SyncName>(), Err(NameError::Character('.')));
        assert_eq!("é".parse::<SyncName>(), Err(NameError::Character('é')));
        assert_eq!("n".repeat(NAME_BYTES_MAX + 1).parse::<SyncName>(), Err(NameError::TooLong));
    }
}
