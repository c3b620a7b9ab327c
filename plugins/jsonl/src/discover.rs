//! The streams of a folder, with fields and types guessed from samples.

use std::collections::BTreeMap;

use lockstep_json::{Kinds, Looks, Member, read_object};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::Stream;
use lockstep_text_files::classify::Class;
use lockstep_text_files::{Sample, Store, StoredFile, Tail, describe_streams, guessed, samples};

use crate::config::Config;

/// More fields than any table has columns: then keys are data, and nothing good comes of a field for each.
const FIELDS_MAX: usize = 4096;

/// The streams of a store.
pub fn discover<S: Store>(store: &S, config: &Config, names: &[String]) -> Result<Vec<Stream>> {
    describe_streams(store, &config.extensions(), names, |file, stream| describe(store, config, file, stream))
}

fn describe<S: Store>(store: &S, config: &Config, file: &StoredFile, stream: Stream) -> Result<Stream> {
    let mut guess = Guess::default();
    samples(store.open(&file.path)?, &file.path, config.encoding_of(&file.path), |sample| {
        guess.look_at(&sample);
        guess.check(&file.path)
    })?;
    if guess.objects == 0 && guess.others > 0 {
        let message = format!("`{}` has no line that is a JSON object", file.path);
        return Err(Error::config(message).with_code("jsonl.object"));
    }
    let fields = guess.fields.into_iter().map(|(name, kinds)| guessed(name, kinds.logical())).collect();
    Ok(Stream { fields, ..stream })
}

/// What is known of the fields so far.
#[derive(Default)]
struct Guess {
    /// In the order in which they were first seen.
    fields: Vec<(String, Kinds)>,
    positions: BTreeMap<String, usize>,
    objects: usize,
    others: usize,
    members: Vec<Member>,
}

impl Guess {
    fn look_at(&mut self, sample: &Sample) {
        let (text, tail) = match sample {
            Sample::Head { text, tail } => (text.as_slice(), tail),
            // The first line of a piece from the middle is only the end of one.
            Sample::Middle { text, tail } => (behind_line(text), tail),
        };
        let whole = if *tail == Tail::End { text } else { up_to_line_end(text) };
        whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .for_each(|line| self.look_at_line(line));
    }

    fn look_at_line(&mut self, line: &[u8]) {
        let mut members = std::mem::take(&mut self.members);
        members.clear();
        // Lines that are broken will be refused when they are read.
        if std::str::from_utf8(line).is_ok() && read_object(line, &mut members).is_ok() {
            self.objects += 1;
            members.iter().for_each(|member| self.look_at_member(line, member));
        } else {
            self.others += 1;
        }
        self.members = members;
    }

    fn look_at_member(&mut self, line: &[u8], member: &Member) {
        let key = member.key.of(line);
        let Ok(name) = std::str::from_utf8(&key) else { return };
        let position = match self.positions.get(name) {
            Some(position) => *position,
            None => {
                self.fields.push((name.to_owned(), Kinds::default()));
                self.positions.insert(name.to_owned(), self.fields.len() - 1);
                self.fields.len() - 1
            }
        };
        if let Some((_, kinds)) = self.fields.get_mut(position) {
            kinds.add(member.value, line, looks);
        }
    }

    fn check(&self, path: &str) -> Result<()> {
        if self.fields.len() <= FIELDS_MAX {
            return Ok(());
        }
        let message = format!("the objects in `{path}` have more than {FIELDS_MAX} different keys");
        let hint = "move what is keyed by data into a list, or into one nested object";
        Err(Error::config(message).with_code("jsonl.fields").with_hint(hint))
    }
}

fn behind_line(text: &[u8]) -> &[u8] {
    let start = memchr::memchr(b'\n', text).map_or(text.len(), |index| index + 1);
    text.get(start..).unwrap_or_default()
}

fn up_to_line_end(text: &[u8]) -> &[u8] {
    let end = memchr::memrchr(b'\n', text).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

fn looks(text: &[u8]) -> Looks {
    match Class::of(text) {
        Class::Date => Looks::Date,
        Class::Timestamp => Looks::Timestamp,
        _ => Looks::Text,
    }
}
