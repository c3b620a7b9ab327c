//! Rows of tables: each is written with a checksum and read only if the checksum agrees.

use std::marker::PhantomData;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params_from_iter};

use crate::store::StoreErrorKind;
use crate::store::digest::{KeyDigest, row_checksum};

pub type Stored<T> = std::result::Result<T, StoreErrorKind>;

/// A row of one table. Its columns are `id`, [`Table::COLUMNS`] and `checksum`.
pub trait Table: Sized {
    const NAME: &'static str;
    const COLUMNS: &'static [&'static str];
    /// So many of the first columns never change. Other tables refer to them: naming them in an update would make SQLite look
    /// at every row that does.
    const FIXED: usize = 0;

    fn id(&self) -> i64;

    /// One per column.
    fn values(&self) -> Vec<Value>;

    /// None if a value makes no sense.
    fn from_values(id: i64, values: Values) -> Option<Self>;

    /// What `statements!` makes.
    fn statements() -> &'static Statements;
}

/// The statements of a table, written out once.
pub struct Statements {
    next_id: String,
    insert: String,
    update: String,
    select: String,
    get: String,
}

/// The place where a table's statements stay.
pub type Written = LazyLock<Statements>;

impl Statements {
    pub fn of<T: Table>() -> Self {
        let (name, columns) = (T::NAME, T::COLUMNS.join(", "));
        let places = ", ?".repeat(T::COLUMNS.len());
        let changed = T::COLUMNS.get(T::FIXED..).unwrap_or_default().join(" = ?, ");
        // Rows are found by their place in the table, never through an index: a damaged index would hide rows.
        let select = format!("SELECT id, {columns}, checksum FROM {name} NOT INDEXED");
        Self {
            next_id: format!("SELECT id + 1 FROM {name} NOT INDEXED ORDER BY id DESC LIMIT 1"),
            insert: format!("INSERT INTO {name} (id, {columns}, checksum) VALUES (?{places}, ?)"),
            update: format!("UPDATE {name} SET {changed} = ?, checksum = ? WHERE id = ?"),
            get: format!("{select} WHERE id = ?"),
            select,
        }
    }
}

/// A table's statements as [`Table`] wants them.
macro_rules! statements {
    ($table:ty) => {
        fn statements() -> &'static $crate::store::sqlite::stored::Statements {
            static WRITTEN: $crate::store::sqlite::stored::Written =
                std::sync::LazyLock::new($crate::store::sqlite::stored::Statements::of::<$table>);
            &WRITTEN
        }
    };
}
pub(super) use statements;

/// The id for the next row. Rows with the greatest id are never removed, so that no id is used twice.
pub fn next_id<T: Table>(connection: &Connection) -> Stored<i64> {
    Ok(connection.prepare_cached(&T::statements().next_id)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(1))
}

pub fn insert<T: Table>(connection: &Connection, row: &T) -> Stored<()> {
    let values = row.values();
    let checksum = row_checksum(T::NAME, row.id(), &values);
    let places = [Value::Integer(row.id())].into_iter().chain(values).chain([Value::Blob(checksum.to_vec())]);
    connection.prepare_cached(&T::statements().insert)?.execute(params_from_iter(places))?;
    Ok(())
}

/// Writes the row over the one with its id.
pub fn update<T: Table>(connection: &Connection, row: &T) -> Stored<()> {
    overwrite::<T>(connection, row.id(), row.values())
}

fn overwrite<T: Table>(connection: &Connection, id: i64, values: Vec<Value>) -> Stored<()> {
    let checksum = row_checksum(T::NAME, id, &values);
    let places = values.into_iter().skip(T::FIXED).chain([Value::Blob(checksum.to_vec()), Value::Integer(id)]);
    match connection.prepare_cached(&T::statements().update)?.execute(params_from_iter(places))? {
        1 => Ok(()),
        changed => Err(StoreErrorKind::corrupt(format!("{} {id} was there {changed} times", T::NAME))),
    }
}

pub fn get<T: Table>(connection: &Connection, id: i64) -> Stored<Option<T>> {
    let mut statement = connection.prepare_cached(&T::statements().get)?;
    statement.query_row([id], |row| Ok(read(row))).optional()?.transpose()
}

/// The rows that fit `condition`, which may also order and limit them.
pub fn list<T: Table>(connection: &Connection, condition: &str, parameters: &[&dyn ToSql]) -> Stored<Vec<T>> {
    let sql = [T::statements().select.as_str(), condition].join(" ");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(parameters)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        list.push(read(row)?);
    }
    Ok(list)
}

fn read<T: Table>(row: &Row<'_>) -> Stored<T> {
    let (id, values) = checked::<T>(row)?;
    T::from_values(id, Values(values.into_iter())).ok_or_else(|| damaged::<T>(id))
}

/// The values of a row, if they are those that were written.
fn checked<T: Table>(row: &Row<'_>) -> Stored<(i64, Vec<Value>)> {
    let id: i64 = row.get(0)?;
    let values = (1..=T::COLUMNS.len()).map(|column| row.get(column)).collect::<Result<Vec<Value>, _>>()?;
    match row.get_ref(T::COLUMNS.len() + 1)? {
        ValueRef::Blob(checksum) if checksum == row_checksum(T::NAME, id, &values) => Ok((id, values)),
        _ => Err(damaged::<T>(id)),
    }
}

fn damaged<T: Table>(id: i64) -> StoreErrorKind {
    StoreErrorKind::corrupt(format!("row {id} of table `{}` is not what was written", T::NAME))
}

/// A row as it lies in its table: what was written, whether or not it makes sense.
pub struct RawRow<T> {
    id: i64,
    values: Vec<Value>,
    table: PhantomData<T>,
}

impl<T: Table> RawRow<T> {
    pub fn get(connection: &Connection, id: i64) -> Stored<Option<Self>> {
        let mut statement = connection.prepare_cached(&T::statements().get)?;
        let found = statement.query_row([id], |row| Ok(checked::<T>(row))).optional()?.transpose()?;
        Ok(found.map(|(id, values)| Self { id, values, table: PhantomData }))
    }

    /// None if there is no such column or it has no text.
    pub fn text(&self, column: &str) -> Option<&str> {
        match T::COLUMNS.iter().zip(&self.values).find(|(name, _)| **name == column)? {
            (_, Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn set(&mut self, column: &str, value: Value) {
        if let Some((_, place)) = T::COLUMNS.iter().zip(&mut self.values).find(|(name, _)| **name == column) {
            *place = value;
        }
    }

    /// Writes it over the one it was read from.
    pub fn update(self, connection: &Connection) -> Stored<()> {
        overwrite::<T>(connection, self.id, self.values)
    }
}

/// The values of a row, taken one after the other.
pub struct Values(std::vec::IntoIter<Value>);

impl Values {
    pub fn int(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// The outer option is none if the value makes no sense.
    pub fn int_or_null(&mut self) -> Option<Option<i64>> {
        match self.0.next()? {
            Value::Integer(value) => Some(Some(value)),
            Value::Null => Some(None),
            _ => None,
        }
    }

    pub fn count(&mut self) -> Option<u64> {
        u64::try_from(self.int()?).ok()
    }

    pub fn time(&mut self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.int()?)
    }

    pub fn time_or_null(&mut self) -> Option<Option<DateTime<Utc>>> {
        match self.int_or_null()? {
            Some(micros) => Some(Some(DateTime::from_timestamp_micros(micros)?)),
            None => Some(None),
        }
    }

    pub fn text(&mut self) -> Option<String> {
        self.text_or_null()?
    }

    pub fn text_or_null(&mut self) -> Option<Option<String>> {
        match self.0.next()? {
            Value::Text(value) => Some(Some(value)),
            Value::Null => Some(None),
            _ => None,
        }
    }

    pub fn blob_or_null(&mut self) -> Option<Option<Vec<u8>>> {
        match self.0.next()? {
            Value::Blob(value) => Some(Some(value)),
            Value::Null => Some(None),
            _ => None,
        }
    }

    pub fn digest(&mut self) -> Option<KeyDigest> {
        Some(KeyDigest(self.blob_or_null()??.try_into().ok()?))
    }

    /// A value stored by its name.
    pub fn named<T>(&mut self, from_name: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        from_name(&self.text()?)
    }

    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        serde_json::from_str(&self.text()?).ok()
    }
}

/// Counters never reach 63 bits.
pub fn count(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

pub fn time(value: DateTime<Utc>) -> Value {
    Value::Integer(value.timestamp_micros())
}

pub fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// JSON of a value that always has a JSON form.
pub fn json(value: &impl serde::Serialize) -> Value {
    Value::Text(serde_json::to_string(value).unwrap_or_default())
}

pub fn or_null<T>(value: Option<T>, some: impl FnOnce(T) -> Value) -> Value {
    value.map_or(Value::Null, some)
}
