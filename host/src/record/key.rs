//! Keys and digests of records.
//!
//! A digest is equal for equal values whichever connector they come from: `12.50` and a scaled `1250` are one decimal, `-0.0`
//! is `0.0`. Digests are seeded per process: they are for comparing inside one run, never for storing.

use std::collections::HashMap;
use std::hash::Hasher as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, UInt32Array};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::{Batch, Column, Decimal, Field, Layout, LogicalType};

/// 128 bits that are equal for equal values and otherwise differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub u128);

/// Computes digests with one seed.
#[derive(Clone, Copy)]
pub struct RowDigester {
    seed: (u64, u64),
}

impl RowDigester {
    /// Two digesters agree only if their seeds do. A seed nobody can guess keeps hostile data from colliding on purpose.
    pub fn new(seed: (u64, u64)) -> Self {
        Self { seed }
    }

    /// One digest per row over the named fields, in that order.
    pub fn digests(&self, batch: &Batch, names: &[String]) -> Result<Vec<Digest>, KeyError> {
        let columns = find_columns(batch, names)?;
        Ok((0..batch.rows())
            .map(|row| {
                let mut hasher = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
                for (field, column) in &columns {
                    hash_value(&mut hasher, field.logical, column, row);
                }
                Digest(hasher.finish128().as_u128())
            })
            .collect())
    }
}

/// Why records have no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("there is no key field `{0}` in these records")]
    NoField(String),
}

/// The keys of a batch.
#[derive(Debug)]
pub struct Keys {
    /// One per row.
    pub digests: Vec<Digest>,
    /// Rows in which a key field is null or absent.
    pub unusable: Vec<u32>,
}

impl Keys {
    pub fn of(digester: &RowDigester, batch: &Batch, key: &[String]) -> Result<Self, KeyError> {
        let columns = find_columns(batch, key)?;
        let digests = digester.digests(batch, key)?;
        let lacks = |row: usize| columns.iter().any(|(_, column)| column.array.is_null(row) || !column.is_present(row));
        let complete = columns.iter().all(|(_, column)| column.array.null_count() == 0 && column.present.is_none());
        let unusable = if complete {
            Vec::new()
        } else {
            (0..batch.rows()).filter(|row| lacks(*row)).map(|row| row as u32).collect()
        };
        Ok(Self { digests, unusable })
    }

    /// The rows that are the last of their key, in order, or none if every key occurs once.
    pub fn last_of_each(&self) -> Option<UInt32Array> {
        let mut last: HashMap<Digest, u32> = HashMap::with_capacity(self.digests.len());
        for (row, digest) in self.digests.iter().enumerate() {
            last.insert(*digest, row as u32);
        }
        if last.len() == self.digests.len() {
            return None;
        }
        let mut rows: Vec<u32> = last.into_values().collect();
        rows.sort_unstable();
        Some(rows.into())
    }
}

fn find_columns<'a>(batch: &'a Batch, names: &[String]) -> Result<Vec<(&'a Field, &'a Column)>, KeyError> {
    names
        .iter()
        .map(|name| batch.iter().find(|(field, _)| field.name == *name).ok_or_else(|| KeyError::NoField(name.clone())))
        .collect()
}

const ABSENT: u8 = 0;
const NULL: u8 = 1;
const VALUE: u8 = 2;

fn hash_value(hasher: &mut SipHasher13, logical: LogicalType, column: &Column, row: usize) {
    if !column.is_present(row) {
        return hasher.write_u8(ABSENT);
    }
    if column.array.is_null(row) {
        return hasher.write_u8(NULL);
    }
    hasher.write_u8(VALUE);
    match logical.layout() {
        Layout::Bits => hasher.write_u8(u8::from(column.array.as_boolean().value(row))),
        Layout::Int64 => {
            let value = column.array.as_primitive::<Int64Type>().value(row);
            match logical {
                LogicalType::Decimal(Some(shape)) => hash_decimal(hasher, &Decimal::from_scaled(value, shape.scale)),
                _ => hasher.write_i64(value),
            }
        }
        Layout::Float64 => hasher.write_u64(float_bits(column.array.as_primitive::<Float64Type>().value(row))),
        Layout::Utf8 => {
            let text = column.array.as_string::<i32>().value(row);
            match (logical, Decimal::parse(text)) {
                (LogicalType::Decimal(_), Ok(decimal)) => hash_decimal(hasher, &decimal),
                _ => hash_bytes(hasher, text.as_bytes()),
            }
        }
        Layout::Bytes => hash_bytes(hasher, column.array.as_binary::<i32>().value(row)),
    }
}

fn hash_decimal(hasher: &mut SipHasher13, decimal: &Decimal) {
    hash_bytes(hasher, decimal.canonical().to_string().as_bytes());
}

/// The length goes in first, so that neighbouring values cannot run into each other.
fn hash_bytes(hasher: &mut SipHasher13, bytes: &[u8]) {
    hasher.write_u64(bytes.len() as u64);
    hasher.write(bytes);
}

fn float_bits(value: f64) -> u64 {
    if value == 0.0 {
        0
    } else if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::batch_from_json;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn batch(fields: &[(&str, &str)], records: &[Value]) -> Batch {
        let fields: Arc<[Field]> =
            fields.iter().map(|(name, logical)| Field::new(*name, logical.parse().unwrap())).collect();
        batch_from_json(&fields, records).unwrap()
    }

    fn digest(logical: &str, value: Value) -> Digest {
        let batch = batch(&[("a", logical)], &[json!({ "a": value })]);
        RowDigester::new((1, 2)).digests(&batch, &["a".into()]).unwrap()[0]
    }

    #[test]
    fn equal_values_have_equal_digests_across_layouts() {
        assert_eq!(digest("decimal(18,2)", json!("12.50")), digest("decimal", json!("12.5")));
        assert_eq!(digest("float64", json!(0.0)), digest("float64", json!(-0.0)));
        assert_ne!(digest("text", json!("")), digest("text", json!(null)));
        assert_ne!(digest("int64", json!(1)), digest("int64", json!(2)));
    }

    #[test]
    fn neighbouring_values_do_not_run_into_each_other() {
        let fields = [("a", "text"), ("b", "text")];
        let batch = batch(&fields, &[json!({"a": "x", "b": "yz"}), json!({"a": "xy", "b": "z"})]);
        let digests = RowDigester::new((1, 2)).digests(&batch, &["a".into(), "b".into()]).unwrap();
        assert_ne!(digests[0], digests[1]);
    }

    #[test]
    fn the_last_of_each_key_wins() {
        let batch = batch(&[("a", "int64")], &[json!({"a": 1}), json!({"a": 2}), json!({"a": 1}), json!({"a": null})]);
        let keys = Keys::of(&RowDigester::new((1, 2)), &batch, &["a".into()]).unwrap();
        assert_eq!(keys.unusable, [3]);
        assert_eq!(keys.last_of_each().unwrap().values(), &[1, 2, 3]);
    }

    #[test]
    fn a_missing_key_field_is_named() {
        let batch = batch(&[("a", "int64")], &[]);
        let error = Keys::of(&RowDigester::new((1, 2)), &batch, &["b".into()]).unwrap_err();
        assert_eq!(error, KeyError::NoField("b".into()));
    }
}
