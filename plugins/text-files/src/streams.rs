//! Files as streams.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Field, LogicalType, Stream};

use crate::names::Extensions;
use crate::store::{Store, StoredFile};

/// The files with the right names, as streams; only those in `names` unless it is empty. `describe` adds the fields.
///
/// A file that cannot be described is an error if it was asked for by name. Where all are asked for, it must not hide the others:
/// it is listed without fields, and its property `problem` says why.
pub fn describe_streams<S: Store>(
    store: &S,
    extensions: &Extensions,
    names: &[String],
    describe: impl Fn(&StoredFile, Stream) -> Result<Stream>,
) -> Result<Vec<Stream>> {
    let files = store.list()?;
    let files = files.iter().filter(|file| extensions.cover(&file.path));
    if !names.is_empty() {
        return files.filter(|file| names.contains(&file.path)).map(|file| describe(file, stream(file))).collect();
    }
    let listed =
        |file| describe(file, stream(file)).unwrap_or_else(|error| stream(file).property("problem", error.message));
    Ok(files.map(listed).collect())
}

/// A field whose type is a guess from a sample; the property tells the host that another guess is no change of the schema.
pub fn guessed(name: String, logical: LogicalType) -> Field {
    let mut field = Field::new(name, logical);
    field.properties.push(("inferred".to_owned(), "true".to_owned()));
    field
}

fn stream(file: &StoredFile) -> Stream {
    Stream::new(file.path.clone()).property("bytes", file.bytes.to_string())
}
