//! What is made of errors of the system.

use lockstep_plugin_sdk::prelude::*;

use crate::Config;

/// As it came, unless this is the variant that makes something else of it. None: it is passed over in silence.
pub fn judged<T>(config: &Config, answer: Result<T>) -> Result<Option<T>> {
    let Err(mut error) = answer else { return answer.map(Some) };
    match config.breach.as_str() {
        "trouble.transient" if error.is(ErrorKind::Transient) => Err(Error::permanent("there is no way to the system")),
        "trouble.rate-limited" if error.is(ErrorKind::RateLimited) => {
            error.retry_after_ms = None;
            Err(error)
        }
        "trouble.auth" if error.is(ErrorKind::Auth) => Ok(None),
        _ => Err(error),
    }
}
