//! What the server's error messages mean for the host.
//!
//! The server's own words are kept: its message, detail, hint, constraint, table and column. They never hold the password,
//! for the server never learns it in a form it could repeat.

use crate::connector::{Failure, FailureKind};
use crate::error::{Code, codes};

/// The fields of an `ErrorResponse` or `NoticeResponse`.
pub(super) struct Notice<'a>(&'a [u8]);

impl<'a> Notice<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// The field with this letter, as the protocol names them.
    pub fn field(&self, letter: u8) -> Option<String> {
        let mut rest = self.0;
        while let Some((kind, tail)) = rest.split_first().filter(|(kind, _)| **kind != 0) {
            let end = tail.iter().position(|byte| *byte == 0)?;
            let (value, after) = tail.split_at_checked(end)?;
            if *kind == letter {
                return Some(String::from_utf8_lossy(value).into_owned());
            }
            rest = after.get(1..)?;
        }
        None
    }

    pub fn state(&self) -> String {
        self.field(b'C').unwrap_or_default()
    }

    /// Whether the server ends the session over this.
    pub fn is_fatal(&self) -> bool {
        matches!(self.field(b'V').as_deref(), Some("FATAL" | "PANIC"))
    }
}

/// The failure an error message stands for. Rows of a COPY are counted from 0.
pub(super) fn failure(origin: &str, body: &[u8]) -> Failure {
    let notice = Notice::new(body);
    let state = notice.state();
    let (kind, code) = classify(&state);
    let message = notice.field(b'M').unwrap_or_else(|| "the server gave no reason".to_owned());
    let mut failure = Failure::new(kind, code, origin, message);
    failure.detail_code = state;
    for (letter, name) in
        [(b'D', "detail"), (b'H', "hint"), (b'n', "constraint"), (b'c', "column"), (b's', "schema"), (b't', "table")]
    {
        if let Some(value) = notice.field(letter) {
            failure.properties.set(name, value);
        }
    }
    if let Some(line) = notice.field(b'W').as_deref().and_then(copy_line) {
        failure.properties.set("row", (line.saturating_sub(1)).to_string());
    }
    failure
}

fn classify(state: &str) -> (FailureKind, &'static Code) {
    use FailureKind::{Auth, Conflict, InvalidData, NotFound, Permanent, Transient};
    match state {
        "23505" => (Conflict, &codes::DATA_REJECTED),
        // A trigger that raises, or a row too big for an index, is about the row.
        "P0001" | "54000" => (InvalidData, &codes::DATA_REJECTED),
        "40001" | "40P01" | "55P03" | "57014" => (Transient, &codes::SQL_STATEMENT),
        "42P01" | "3D000" | "3F000" => (NotFound, &codes::SQL_STATEMENT),
        "53100" => (Transient, &codes::DISK_FULL),
        "53300" => (Transient, &codes::SQL_CONNECT),
        "53200" | "53000" => (Transient, &codes::SQL_STATEMENT),
        "57P01" | "57P02" | "57P05" | "25P03" => (Transient, &codes::SQL_LOST),
        "57P03" => (Transient, &codes::SQL_CONNECT),
        _ => match state.get(..2) {
            Some("08") => (Transient, &codes::SQL_LOST),
            Some("28") => (Auth, &codes::SQL_AUTH),
            Some("22" | "23") => (InvalidData, &codes::DATA_REJECTED),
            _ => (Permanent, &codes::SQL_STATEMENT),
        },
    }
}

/// The line in `COPY customer, line 12, column name: "…"`, in whatever language the server speaks: the first number behind
/// the first comma after the table's name.
fn copy_line(context: &str) -> Option<u64> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let number = match line.find(", line ") {
        Some(at) => line.get(at + 7..)?,
        None => line.split_once(", ")?.1.trim_start_matches(|c: char| !c.is_ascii_digit()),
    };
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(fields: &[(u8, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (letter, text) in fields {
            body.push(*letter);
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        body.push(0);
        body
    }

    fn check(state: &str, kind: FailureKind, code: &'static Code) {
        let failure = failure("sql.main", &body(&[(b'S', "ERROR"), (b'C', state), (b'M', "no")]));
        assert_eq!((failure.kind, failure.code.id, failure.detail_code.as_str()), (kind, code.id, state));
    }

    #[test]
    fn states_become_kinds() {
        check("23505", FailureKind::Conflict, &codes::DATA_REJECTED);
        check("23503", FailureKind::InvalidData, &codes::DATA_REJECTED);
        check("22003", FailureKind::InvalidData, &codes::DATA_REJECTED);
        check("28P01", FailureKind::Auth, &codes::SQL_AUTH);
        check("57P01", FailureKind::Transient, &codes::SQL_LOST);
        check("57P03", FailureKind::Transient, &codes::SQL_CONNECT);
        check("08006", FailureKind::Transient, &codes::SQL_LOST);
        check("40P01", FailureKind::Transient, &codes::SQL_STATEMENT);
        check("42P01", FailureKind::NotFound, &codes::SQL_STATEMENT);
        check("53100", FailureKind::Transient, &codes::DISK_FULL);
        check("42601", FailureKind::Permanent, &codes::SQL_STATEMENT);
        check("", FailureKind::Permanent, &codes::SQL_STATEMENT);
    }

    #[test]
    fn the_servers_words_are_kept() {
        let failure = failure(
            "sql.main",
            &body(&[
                (b'C', "23505"),
                (b'M', "duplicate key"),
                (b'D', "Key (id)=(1) already exists."),
                (b'n', "customer_pkey"),
                (b'W', "COPY a, b, line 13"),
            ]),
        );
        assert_eq!(failure.message, "duplicate key");
        assert_eq!(failure.properties.get("detail"), Some("Key (id)=(1) already exists."));
        assert_eq!(failure.properties.get("constraint"), Some("customer_pkey"));
        assert_eq!(failure.properties.get("row"), Some("12"));
    }

    #[test]
    fn lines_are_found_in_any_language() {
        assert_eq!(copy_line("COPY t, line 3, column a: \"x\""), Some(3));
        assert_eq!(copy_line("COPY t2, Zeile 3, Spalte a"), Some(3));
        assert_eq!(copy_line("PL/pgSQL function f() line 3 at RAISE\nCOPY t, line 7"), Some(7));
        assert_eq!(copy_line("PL/pgSQL function f() line 3 at RAISE"), None);
    }

    #[test]
    fn broken_messages_are_no_trouble() {
        for body in [&b""[..], b"M", b"Mno end", b"\0", b"C\0M\0\0"] {
            let _ = failure("sql.main", body);
        }
    }
}
