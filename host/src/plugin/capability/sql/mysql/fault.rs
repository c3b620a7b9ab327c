//! What the server's error messages mean for the host. The server's own words are kept; they never hold the password.

use super::packet::Reader;
use crate::connector::{Failure, FailureKind};
use crate::error::{Code, codes};

/// An error packet, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub number: u16,
    state: String,
    message: String,
}

impl Notice {
    /// Reads the packet with its first byte. Before the session has begun it has no state.
    pub fn new(packet: &[u8]) -> Self {
        let mut reader = Reader(packet.get(1..).unwrap_or_default());
        let number = reader.u16().unwrap_or_default();
        let mut state = String::new();
        if reader.0.first() == Some(&b'#') {
            let marked = reader.bytes(6).unwrap_or_default();
            state = String::from_utf8_lossy(marked.get(1..).unwrap_or_default()).into_owned();
        }
        Self { number, state, message: String::from_utf8_lossy(reader.0).into_owned() }
    }

    /// The failure it stands for. `first_row`: the number of the first row of the statement, if it has rows of ours.
    pub fn failure(&self, origin: &str, first_row: Option<u64>) -> Failure {
        let (kind, code) = classify(self.number, &self.state);
        let mut failure = Failure::new(kind, code, origin, self.message.clone());
        failure.detail_code = self.number.to_string();
        if let Some(constraint) = self.constraint() {
            failure.properties.set("constraint", constraint);
        }
        if let Some(column) = between(&self.message, "olumn '", "'") {
            failure.properties.set("column", column);
        }
        if let Some(row) = first_row.and_then(|first| first.checked_add(self.row()?.checked_sub(1)?)) {
            failure.properties.set("row", row.to_string());
        }
        failure
    }

    /// The index in `Duplicate entry '…' for key 't.name'`; the entry may hold anything, so it is looked for from the end.
    fn constraint(&self) -> Option<&str> {
        if !DUPLICATES.contains(&self.number) {
            return None;
        }
        let (_, name) = self.message.trim_end_matches('\'').rsplit_once("for key '")?;
        Some(name.rsplit_once('.').map_or(name, |(_, name)| name))
    }

    /// The number at the end of `… for column 'a' at row 3`, from 1.
    fn row(&self) -> Option<u64> {
        self.message.rsplit_once(" at row ")?.1.parse().ok()
    }

    /// Whether the server ends the session over this.
    pub fn is_fatal(&self) -> bool {
        LOST.contains(&self.number) || matches!(self.number, 1153..=1161)
    }
}

const DUPLICATES: &[u16] = &[1022, 1062, 1586];
/// Shutting down, killed, disconnected for having been idle.
const LOST: &[u16] = &[1053, 1927, 4031];
/// Too many sessions, of all or of one user.
const FULL: &[u16] = &[1040, 1203, 1226];
/// Refused before the first statement: user, password, host, database, expired passwords.
const REFUSED: &[u16] = &[1044, 1045, 1129, 1130, 1251, 1524, 1698, 1820, 1862, 3118, 3159, 3955, 4151];
/// Lock waits, deadlocks, statements that were stopped or ran out of time, rows changed since they were seen.
const PASSING: &[u16] = &[1020, 1205, 1213, 1317, 1614, 1969, 3024, 3058, 3572];
/// What strict mode, constraints, triggers and partitions say about single rows.
const ROWS: &[u16] = &[
    1048, 1216, 1217, 1263, 1264, 1265, 1292, 1364, 1365, 1366, 1367, 1406, 1411, 1416, 1451, 1452, 1526, 1644, 1690,
    1748, 3140, 3141, 3156, 3819, 4025, 4038, 4078,
];

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

fn classify(number: u16, state: &str) -> (FailureKind, &'static Code) {
    use FailureKind::{Auth, Conflict, InvalidData, NotFound, Permanent, Transient};
    let is_one_of = |list: &[u16]| list.contains(&number);
    match number {
        1021 | 1114 | 1653 => (Transient, &codes::DISK_FULL),
        1049 | 1051 | 1146 | 1932 => (NotFound, &codes::SQL_STATEMENT),
        1153..=1161 => (Transient, &codes::SQL_LOST),
        _ if is_one_of(DUPLICATES) => (Conflict, &codes::DATA_REJECTED),
        _ if is_one_of(LOST) => (Transient, &codes::SQL_LOST),
        _ if is_one_of(FULL) => (Transient, &codes::SQL_CONNECT),
        _ if is_one_of(REFUSED) => (Auth, &codes::SQL_AUTH),
        _ if is_one_of(PASSING) => (Transient, &codes::SQL_STATEMENT),
        _ if is_one_of(ROWS) => (InvalidData, &codes::DATA_REJECTED),
        _ => match state.get(..2) {
            Some("08") => (Transient, &codes::SQL_LOST),
            Some("28") => (Auth, &codes::SQL_AUTH),
            Some("22" | "23" | "45") => (InvalidData, &codes::DATA_REJECTED),
            Some("40") => (Transient, &codes::SQL_STATEMENT),
            _ => (Permanent, &codes::SQL_STATEMENT),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u16, state: &str, message: &str) -> Vec<u8> {
        let mut packet = vec![0xff];
        packet.extend_from_slice(&number.to_le_bytes());
        packet.extend_from_slice(format!("#{state}{message}").as_bytes());
        packet
    }

    fn check(number: u16, state: &str, kind: FailureKind, code: &'static Code) {
        let failure = Notice::new(&packet(number, state, "no")).failure("sql.main", None);
        let found = (failure.kind, failure.code.id, failure.detail_code.as_str(), failure.message.as_str());
        assert_eq!(found, (kind, code.id, number.to_string().as_str(), "no"), "{number}");
    }

    #[test]
    fn numbers_become_kinds() {
        use FailureKind::*;
        check(1062, "23000", Conflict, &codes::DATA_REJECTED);
        for number in [1048, 1264, 1292, 1366, 1406, 1451, 1452, 1644, 3819, 4025] {
            check(number, "HY000", InvalidData, &codes::DATA_REJECTED);
        }
        check(1045, "28000", Auth, &codes::SQL_AUTH);
        check(1044, "42000", Auth, &codes::SQL_AUTH);
        for number in [1205, 1213, 1317, 1020] {
            check(number, "HY000", Transient, &codes::SQL_STATEMENT);
        }
        check(1040, "08004", Transient, &codes::SQL_CONNECT);
        check(1053, "08S01", Transient, &codes::SQL_LOST);
        check(1927, "70100", Transient, &codes::SQL_LOST);
        check(1146, "42S02", NotFound, &codes::SQL_STATEMENT);
        check(1064, "42000", Permanent, &codes::SQL_STATEMENT);
        check(1142, "42000", Permanent, &codes::SQL_STATEMENT);
        check(1021, "HY000", Transient, &codes::DISK_FULL);
        check(30001, "22003", InvalidData, &codes::DATA_REJECTED);
    }

    #[test]
    fn the_servers_words_tell_index_column_and_row() {
        let failure = |number, message: &str| Notice::new(&packet(number, "HY000", message)).failure("a", Some(100));
        let duplicate = failure(1062, "Duplicate entry 'it's for key 'x'' for key 't.name'");
        assert_eq!(duplicate.properties.get("constraint"), Some("name"));
        let duplicate = failure(1062, "Duplicate entry '1-2' for key 'PRIMARY'");
        assert_eq!(duplicate.properties.get("constraint"), Some("PRIMARY"));
        let long = failure(1406, "Data too long for column 'who' at row 3");
        assert_eq!((long.properties.get("column"), long.properties.get("row")), (Some("who"), Some("102")));
        let null = failure(1048, "Column 'id' cannot be null");
        assert_eq!((null.properties.get("column"), null.properties.get("row")), (Some("id"), None));
    }

    #[test]
    fn broken_messages_are_no_trouble() {
        for packet in [&b""[..], b"\xff", b"\xff\x01", b"\xff\x10\x04#42", b"\xff\x10\x04Too many connections"] {
            let _ = Notice::new(packet).failure("sql.main", Some(0));
        }
        let early = Notice::new(b"\xff\x10\x04Too many connections");
        assert_eq!((early.number, early.message.as_str()), (1040, "Too many connections"));
    }
}
