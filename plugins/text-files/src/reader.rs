//! Pages of records, with cursors: the part of reading that does not depend on how records are written.

use std::rc::Rc;

use lockstep_plugin_sdk::batch::BatchBuilder;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::source::{ReadMode, Reader};
use lockstep_plugin_sdk::types::{Limits, Page, ReadRequest, Rejection, Status};

use crate::cursor::{Cursor, Fingerprint, Progress};
use crate::encoding::Encoding;
use crate::refusal::Refusal;
use crate::store::{FileRead, Store};
use crate::text::Text;
use crate::window::Window;

/// How records are written, and how they become rows.
pub trait Format: 'static {
    /// Deals with the records from [`Text::at`] on. At most `rows_max` rows are pushed to every column of the batch, but not ended.
    fn read(&mut self, text: &Text, rows_max: usize, batch: &mut BatchBuilder) -> Step;
}

/// What a format found.
#[derive(Debug)]
pub enum Step {
    /// One row or more. The next record begins at `next`; the rows take `bytes` in the page.
    Rows { rows: usize, next: usize, bytes: u64 },
    /// Something that is no record, up to `next`.
    Nothing { next: usize },
    /// A record that cannot be a row; nothing was pushed.
    Refused { next: usize, refusal: Box<Refusal> },
    /// The end of a record that was [`Step::Swallowed`]: unlike a refused one, it cannot be read again.
    Discarded { next: usize, refusal: Box<Refusal> },
    /// There is not enough text for the record that begins at `from`.
    Incomplete { from: usize },
    /// All of the text belongs to a record that is being thrown away: a page cannot end here.
    Swallowed,
    /// There are no more records.
    End,
}

/// What is needed to begin.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    pub request: &'a ReadRequest,
    pub encoding: Encoding,
    /// Of everything rows depend on beside the file.
    pub fingerprint: Fingerprint,
}

/// Reads one file.
pub struct TextReader<F, R> {
    file: Rc<F>,
    path: String,
    digest: [u8; 32],
    fingerprint: Fingerprint,
    batch: BatchBuilder,
    /// The status of the last page.
    conclusion: Status,
    place: (u64, u64),
    state: State<F, R>,
}

enum State<F, R> {
    Reading { window: Box<Window<F>>, format: R },
    Done,
}

impl<F: FileRead, R: Format> TextReader<F, R> {
    /// Begins at the request's cursor if it is of the same file, read in the same way; else at the beginning.
    ///
    /// `begin` deals with what stands before the first record and answers the format of what follows.
    pub fn open(
        store: &impl Store<File = F>,
        opening: Opening<'_>,
        begin: impl FnOnce(&mut Window<F>) -> Result<R>,
    ) -> Result<Self> {
        let Opening { request, encoding, fingerprint } = opening;
        let path = request.stream.clone();
        refuse_modified(request)?;
        let file = Rc::new(store.open(&path)?);
        let digest = digest(&*file, &path)?;
        let cursor = request.cursor.as_deref().and_then(Cursor::from_bytes);
        let cursor = cursor.filter(|cursor| cursor.digest == digest && cursor.fingerprint == fingerprint);
        let conclusion = match (&cursor, request.read_mode()) {
            (None, ReadMode::Full) => Status::EnumerationComplete,
            // Only a reading that has begun at the beginning has shown every record.
            _ => Status::CaughtUp,
        };
        let state = begin_at(&file, &path, encoding, cursor.as_ref(), begin)?;
        let place = cursor.map_or((0, 1), |cursor| (cursor.offset, cursor.line));
        let batch = BatchBuilder::for_fields(&request.fields)?;
        Ok(Self { file, path, digest, fingerprint, batch, conclusion, place, state })
    }

    fn cursor(&self) -> Cursor {
        let (offset, line) = self.place;
        let progress = if matches!(self.state, State::Done) { Progress::Done } else { Progress::Reading };
        Cursor { digest: self.digest, fingerprint: self.fingerprint, offset, line, progress }
    }

    /// What has been read is worth something only if it was one version of the file.
    fn check_unchanged(&self) -> Result<()> {
        if digest(&*self.file, &self.path)? == self.digest {
            return Ok(());
        }
        let message = format!("`{}` was changed while it was read", self.path);
        let hint = "write the file under another name and rename it when it is whole";
        Err(Error::transient(message).with_code("files.changed").with_hint(hint))
    }
}

/// A field cannot tell which records of a file are new without reading all of them.
fn refuse_modified(request: &ReadRequest) -> Result<()> {
    let Some(field) = request.option("modified") else { return Ok(()) };
    let message = format!("`modified = \"{field}\"` has no use for the file `{}`", request.stream);
    let hint = "remove it: a file is read whole when it has changed, and not at all when it has not";
    Err(Error::config(message).with_code("files.modified").with_hint(hint))
}

fn begin_at<F: FileRead, R>(
    file: &Rc<F>,
    path: &str,
    encoding: Encoding,
    cursor: Option<&Cursor>,
    begin: impl FnOnce(&mut Window<F>) -> Result<R>,
) -> Result<State<F, R>> {
    if cursor.is_some_and(|cursor| cursor.progress == Progress::Done) {
        return Ok(State::Done);
    }
    let mut window = Window::open(file.clone(), path, encoding)?;
    let format = begin(&mut window)?;
    let window = match cursor {
        Some(cursor) => window.resume(cursor.offset, cursor.line)?,
        None => window,
    };
    Ok(State::Reading { window: Box::new(window), format })
}

fn digest(file: &impl FileRead, path: &str) -> Result<[u8; 32]> {
    let digest = file.digest()?;
    let length = digest.len();
    digest.try_into().map_err(|_| Error::permanent(format!("the digest of `{path}` has {length} bytes instead of 32")))
}

impl<F: FileRead, R: Format> Reader for TextReader<F, R> {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        let mut filling = Filling::new(limits);
        if let State::Reading { window, format } = &mut self.state {
            let flow = filling.fill(window, format, &mut self.batch)?;
            self.place = window.text_mut().settle();
            if matches!(flow, Flow::End) {
                self.check_unchanged()?;
                self.state = State::Done;
            }
        }
        let status = if matches!(self.state, State::Done) { self.conclusion } else { Status::More };
        let mut page = Page::new(self.batch.finish()?, self.cursor().to_bytes(), status);
        page.rejected = filling.rejected;
        Ok(page)
    }
}

/// Whether a page can take more.
enum Flow {
    On,
    PageFull,
    End,
}

/// A page on its way.
struct Filling {
    limits: Limits,
    bytes: u64,
    rejected: Vec<Rejection>,
    /// Whether the page is so full that every further row may be the last.
    is_nearly_full: bool,
}

impl Filling {
    fn new(limits: Limits) -> Self {
        Self { limits, bytes: 0, rejected: Vec::new(), is_nearly_full: false }
    }

    fn fill<F: FileRead>(
        &mut self,
        window: &mut Window<F>,
        format: &mut impl Format,
        batch: &mut BatchBuilder,
    ) -> Result<Flow> {
        loop {
            match self.step(window, format, batch)? {
                Flow::On => {}
                flow => return Ok(flow),
            }
        }
    }

    #[inline]
    fn step<F: FileRead>(
        &mut self,
        window: &mut Window<F>,
        format: &mut impl Format,
        batch: &mut BatchBuilder,
    ) -> Result<Flow> {
        let room = (self.limits.rows.max(1) as usize).saturating_sub(self.records(batch));
        if room == 0 {
            return Ok(Flow::PageFull);
        }
        let rows_max = if self.is_nearly_full { 1 } else { room };
        Ok(match format.read(window.text(), rows_max, batch) {
            Step::Rows { rows, next, bytes } => self.take_rows(window.text_mut(), rows, next, bytes, batch),
            Step::Nothing { next } => {
                window.text_mut().advance(next);
                Flow::On
            }
            Step::Refused { refusal, .. } if !self.has_room(refusal.bytes(), batch) => Flow::PageFull,
            Step::Refused { next, refusal } | Step::Discarded { next, refusal } => {
                self.take_refusal(window.text_mut(), next, *refusal)
            }
            Step::Incomplete { from } => read_on(window, from)?,
            Step::Swallowed => {
                let end = window.text().bytes().len();
                read_on(window, end)?
            }
            Step::End => Flow::End,
        })
    }

    fn records(&self, batch: &BatchBuilder) -> usize {
        batch.rows() + self.rejected.len()
    }

    /// A record that would burst the page is left for the next one, unless it is the only one.
    fn has_room(&self, bytes: u64, batch: &BatchBuilder) -> bool {
        self.bytes + bytes <= self.limits.bytes || self.records(batch) == 0
    }

    #[inline]
    fn take_rows(&mut self, text: &mut Text, rows: usize, next: usize, bytes: u64, batch: &mut BatchBuilder) -> Flow {
        if !self.has_room(bytes, batch) || (rows > 1 && bytes > self.limits.bytes) {
            batch.abandon_row();
            // Some of several rows may still fit.
            self.is_nearly_full = true;
            return if rows > 1 { Flow::On } else { Flow::PageFull };
        }
        (0..rows).for_each(|_| batch.end_row());
        self.bytes += bytes;
        text.advance(next);
        Flow::On
    }

    fn take_refusal(&mut self, text: &mut Text, next: usize, refusal: Refusal) -> Flow {
        self.bytes += refusal.bytes();
        self.rejected.push(refusal.into_rejection());
        text.advance(next);
        text.settle();
        Flow::On
    }
}

fn read_on<F: FileRead>(window: &mut Window<F>, from: usize) -> Result<Flow> {
    window.text_mut().advance(from);
    window.fill()?;
    Ok(Flow::On)
}
