//! Bodies with a checksum at their end.

use rusqlite::types::ValueRef;

use crate::store::StoreErrorKind;
use crate::store::digest::body_checksum;
use crate::store::sqlite::stored::Stored;

const CHECKSUM_BYTES: usize = 8;

/// Puts the checksum behind `body`, which is of the row of `table` with these numbers.
pub fn seal(table: &str, numbers: &[i64], body: &mut Vec<u8>) {
    let checksum = body_checksum(table, numbers, body);
    body.extend_from_slice(&checksum.to_le_bytes());
}

/// The body without its checksum. The first of the numbers is the row's id.
pub fn unseal<'a>(table: &str, numbers: &[i64], value: ValueRef<'a>) -> Stored<&'a [u8]> {
    let body = match value {
        ValueRef::Blob(bytes) => bytes.split_last_chunk::<CHECKSUM_BYTES>(),
        _ => None,
    };
    body.filter(|(body, checksum)| body_checksum(table, numbers, body).to_le_bytes() == **checksum)
        .map(|(body, _)| body)
        .ok_or_else(|| damaged(table, numbers.first().copied().unwrap_or_default()))
}

pub fn damaged(table: &str, id: i64) -> StoreErrorKind {
    StoreErrorKind::corrupt(format!("row {id} of table `{table}` is not what was written"))
}

/// The checksum of a link, four bytes of it.
pub fn link_mark(endpoint: i64, remote: &[u8], record: i64) -> i64 {
    // Cut on purpose; as a signed number it takes four bytes in the file.
    let mark = body_checksum("link", &[endpoint, record], remote) as i32;
    i64::from(mark)
}

pub fn damaged_link(endpoint: i64, remote: &[u8]) -> StoreErrorKind {
    let remote = String::from_utf8_lossy(remote);
    StoreErrorKind::corrupt(format!("the link of `{remote}` of endpoint {endpoint} is not what was written"))
}
