//! Errors of our own. They are made in many places, and so in few bytes.

use lockstep_plugin_sdk::error::{Error, ErrorKind};

/// An error of this kind, with our code for it.
#[inline(never)]
pub fn failure(kind: ErrorKind, code: &str, message: &str) -> Box<Error> {
    Box::new(Error::new(kind, message).with_code(code))
}

/// What else there is to say.
pub trait Say {
    fn hint(self, hint: &str) -> Self;
    fn field(self, name: &str) -> Self;
    fn detail(self, detail: &str) -> Self;
}

impl Say for Box<Error> {
    fn hint(self, hint: &str) -> Self {
        say(self, "hint", hint)
    }

    fn field(self, name: &str) -> Self {
        say(self, "field", name)
    }

    fn detail(self, detail: &str) -> Self {
        say(self, "detail", detail)
    }
}

#[inline(never)]
fn say(mut error: Box<Error>, name: &str, value: &str) -> Box<Error> {
    error.properties.push((name.to_owned(), value.to_owned()));
    error
}
