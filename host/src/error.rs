//! What an error owes its reader: a stable code, the thing and the place in its message, and a next step.
//!
//! Every module has its own error enum; each implements [`Explain`]. [`Error`] carries any of them to the command line.
//! This module must not know any of the others.

pub mod codes;
mod suggest;

use std::fmt;

pub use suggest::nearest;

/// Who can do something about an error; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Usage or configuration: exit code 2.
    User,
    /// The data did not fit: exit code 1.
    Data,
    /// A plugin misbehaved: exit code 1.
    Plugin,
    /// Network, credentials, disk, lock: exit code 3.
    Environment,
    /// A fault of Lockstep itself: exit code 1.
    Bug,
}

/// A stable error code. All of them stand in [`codes`]; each has a page in `docs/errors/`.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `LS0203`.
    pub id: &'static str,
    pub class: Class,
    /// One line for the list of codes.
    pub title: &'static str,
}

/// An error that can explain itself.
pub trait Explain: std::error::Error + Send + Sync + 'static {
    fn code(&self) -> &'static Code;

    /// What the reader can do now, best first. Commands in it work when pasted.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Any error on its way to a person.
pub struct Error(Box<dyn Explain>);

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn code(&self) -> &'static Code {
        self.0.code()
    }

    pub fn hints(&self) -> Vec<String> {
        self.0.hints()
    }

    /// The messages of the errors below this one, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.0.source();
        while let Some(error) = next {
            causes.push(error.to_string());
            next = error.source();
        }
        causes
    }

    pub fn exit_code(&self) -> u8 {
        match self.code().class {
            Class::User => 2,
            Class::Environment => 3,
            Class::Data | Class::Plugin | Class::Bug => 1,
        }
    }

    /// The error as the module's own type, to act on it.
    pub fn downcast_ref<E: Explain>(&self) -> Option<&E> {
        let error: &(dyn std::error::Error + 'static) = &*self.0;
        error.downcast_ref::<E>()
    }
}

impl<E: Explain> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.code().id, self.0)
    }
}
