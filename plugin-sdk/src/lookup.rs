//! Reading records by their keys.

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::types::{Batch, Changes, ReadRequest};

pub trait Lookup {
    type Config: DeserializeOwned;

    /// The records whose key fields equal a row of `keys`, in any order; those that do not exist are left out.
    fn lookup(config: Self::Config, request: ReadRequest, keys: Batch) -> Result<Changes>;
}
