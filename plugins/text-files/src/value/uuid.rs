//! UUIDs.

use lockstep_plugin_sdk::batch::ColumnBuilder;

use super::ValueError;

/// The canonical form, `67e55044-10b1-426f-9247-bb680e5fe0c8`, of one written with digits of either case.
pub fn canonical_uuid(text: &[u8]) -> Option<[u8; 36]> {
    let mut uuid = *text.first_chunk::<36>().filter(|_| text.len() == 36)?;
    let is_written_well = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    uuid.make_ascii_lowercase();
    uuid.iter().enumerate().all(is_written_well).then_some(uuid)
}

pub(super) fn push_uuid(column: &mut ColumnBuilder, text: &[u8]) -> Result<usize, ValueError> {
    let uuid = canonical_uuid(text).ok_or_else(|| ValueError::new("not a UUID"))?;
    column.push_bytes(&uuid);
    Ok(uuid.len())
}
