//! The keys that a database has given new records.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::outcome::{Outcome, at_row};
use lockstep_plugin_sdk::types::{Batch, Field};

use crate::record::key_to_json;

/// The keys under which these rows were inserted, in the same order.
pub fn identify_all(outcome: &mut Outcome, rows: &[u32], key: &[Field], keys: &Batch) -> Result<()> {
    for (index, row) in rows.iter().enumerate() {
        let lacking = || Error::invalid_data("the database gave the record no value for its key");
        let id = key_to_json(key, keys, index);
        outcome.identify(*row, id.ok_or_else(|| at_row(lacking().with_code("sql.null-key"), *row))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::batch_of;
    use crate::value::Value;
    use lockstep_plugin_sdk::types::LogicalType;

    #[test]
    fn records_are_told_by_their_keys() {
        let mut outcome = Outcome::new(4);
        let key = [Field::new("id", LogicalType::Int64)];
        let keys = batch_of(&key, &[vec![Value::Int64(17)], vec![Value::Null]]).unwrap();
        identify_all(&mut outcome, &[2], &key, &keys).unwrap();
        assert_eq!(identify_all(&mut outcome, &[0, 2], &key, &keys).unwrap_err().property("row"), Some("2"));
        assert_eq!(outcome.into_results().ids.unwrap().value(2), Some(&b"[\"17\"]"[..]));
    }
}
