//! The streams of a folder, with types guessed from samples.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{LogicalType, Stream};
use lockstep_text_files::classify::{Class, Classes};
use lockstep_text_files::{Sample, Store, StoredFile, Tail, describe_streams, guessed, samples};

use crate::config::{Config, FileDialect};
use crate::header::{Beginning, read_beginning};
use crate::splitter::{Quoting, Span, Split, Splitter, next_line};

/// The streams of a store.
pub fn discover<S: Store>(store: &S, config: &Config, names: &[String]) -> Result<Vec<Stream>> {
    describe_streams(store, config.extensions(), names, |file, stream| describe(store, config, file, stream))
}

fn describe<S: Store>(store: &S, config: &Config, file: &StoredFile, stream: Stream) -> Result<Stream> {
    let dialect = config.dialect_of(&file.path)?;
    let mut guess = None;
    samples(store.open(&file.path)?, &file.path, dialect.encoding, |sample| {
        match (&mut guess, sample) {
            (None, Sample::Head { text, tail }) => guess = Some(Guess::begin(&dialect, &file.path, &text, tail)?),
            (Some(guess), Sample::Middle { text, tail }) => guess.look_at_middle(&text, tail),
            _ => {}
        }
        Ok(())
    })?;
    let columns = guess.into_iter().flat_map(Guess::columns);
    Ok(Stream { fields: columns.map(|(name, logical)| guessed(name, logical)).collect(), ..stream })
}

/// What is known of the columns behind one piece, if it is read in one way.
struct Look {
    classes: Vec<Classes>,
    mistakes: usize,
}

/// What is known of the columns so far.
struct Guess<'a> {
    file: &'a FileDialect,
    beginning: Beginning,
    classes: Vec<Classes>,
    unescaped: Vec<u8>,
}

impl<'a> Guess<'a> {
    fn begin(file: &'a FileDialect, path: &str, text: &[u8], tail: Tail) -> Result<Self> {
        // A first line that does not end in the sample is judged as if it ended with it.
        let beginning = match read_beginning(file, path, text, tail)? {
            Some(beginning) => Some(beginning),
            None => read_beginning(file, path, text, Tail::End)?,
        };
        let beginning = beginning.ok_or_else(|| Error::config(format!("`{path}` cannot be read")))?;
        let classes = vec![Classes::default(); beginning.names.len()];
        let mut guess = Self { file, beginning, classes, unescaped: Vec::new() };
        guess.classes = guess.look_at(text, guess.beginning.records_at, tail).classes;
        Ok(guess)
    }

    /// A piece begins anywhere: perhaps inside of quotes. The way of reading it that has fewer mistakes counts.
    fn look_at_middle(&mut self, text: &[u8], tail: Tail) {
        let outside = next_line(text, 0, tail).map(|start| self.look_at(text, start, tail));
        let best = match outside {
            Some(look) if look.mistakes == 0 => Some(look),
            _ => {
                let inside = self.behind_quote(text).and_then(|behind| next_line(text, behind, tail));
                let inside = inside.map(|start| self.look_at(text, start, tail));
                outside.into_iter().chain(inside).min_by_key(|look| look.mistakes)
            }
        };
        if let Some(look) = best {
            self.classes = look.classes;
        }
    }

    /// Behind the first quote that may be a closing one.
    fn behind_quote(&self, text: &[u8]) -> Option<usize> {
        memchr::memchr(self.file.quote?, text).map(|index| index + 1)
    }

    fn look_at(&mut self, text: &[u8], start: usize, tail: Tail) -> Look {
        let mut look = Look { classes: self.classes.clone(), mistakes: 0 };
        for_each_record(Splitter::new(self.beginning.dialect.clone()), text, start, tail, |spans| {
            // Records of another width will be refused when they are read.
            match spans.filter(|spans| spans.len() == look.classes.len()) {
                Some(spans) => {
                    let fields = look.classes.iter_mut().zip(spans);
                    fields.for_each(|(classes, span)| self.look_at_field(text, *span, classes));
                }
                None => look.mistakes += 1,
            }
        });
        look
    }

    fn look_at_field(&mut self, text: &[u8], span: Span, classes: &mut Classes) {
        if classes.is_settled() {
            return;
        }
        let raw = span.of(text);
        let may_be_null = span.quoting == Quoting::Plain || self.file.null_quoted;
        if may_be_null && self.file.nulls.iter().any(|null| null == raw) {
            return;
        }
        self.unescaped.clear();
        span.unescape(text, self.file.quote, &mut self.unescaped);
        classes.add(Class::of(&self.unescaped));
    }

    fn columns(self) -> impl Iterator<Item = (String, LogicalType)> {
        self.beginning.names.into_iter().zip(self.classes).map(|(name, classes)| (name, classes.logical()))
    }
}

/// Shows the fields of each whole record, or none for one with a mistake.
fn for_each_record(
    mut splitter: Splitter,
    text: &[u8],
    start: usize,
    tail: Tail,
    mut look: impl FnMut(Option<&[Span]>),
) {
    let mut spans = Vec::new();
    let mut at = start;
    loop {
        spans.clear();
        at = match splitter.split(text, 0, at, tail, &mut spans) {
            Split::Record { next, .. } => {
                look(Some(&spans));
                next
            }
            Split::Misquoted { next, .. } => {
                look(None);
                next
            }
            Split::TooLong { .. } | Split::Incomplete { .. } | Split::End => return,
        };
    }
}
