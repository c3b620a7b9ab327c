//! A window that moves over a file.

use std::rc::Rc;

use lockstep_plugin_sdk::error::Result;

use crate::encoding::{Decoder, Encoding};
use crate::input::Input;
use crate::store::FileRead;
use crate::text::{Tail, Text};

/// The longest byte order mark.
const MARK_BYTES_MAX: usize = 3;

/// Text of a file, growing at its end and dropped at its beginning.
pub struct Window<F> {
    text: Text,
    input: Input<F>,
    decoder: Decoder,
    /// Bytes in an encoding other than UTF-8, on their way.
    raw: Vec<u8>,
}

impl<F: FileRead> Window<F> {
    /// At the beginning of a file, behind its byte order mark.
    pub fn open(file: Rc<F>, path: &str, encoding: Encoding) -> Result<Self> {
        let mut input = Input::new(file, path);
        let mut raw = Vec::new();
        while raw.len() < MARK_BYTES_MAX && input.read(&mut raw)? > 0 {}
        let (encoding, mark_bytes) = encoding.resolve(&raw);
        let mut window = Self::at(input, encoding, mark_bytes as u64, 1);
        window.decoder.decode(raw.get(mark_bytes..).unwrap_or_default(), &mut window.text.bytes);
        window.text.check_utf8();
        Ok(window)
    }

    fn at(input: Input<F>, encoding: Encoding, offset: u64, line: u64) -> Self {
        let (text, decoder) = (Text::new(encoding, offset, line), Decoder::new(encoding));
        Self { text, input, decoder, raw: Vec::new() }
    }

    pub fn text(&self) -> &Text {
        &self.text
    }

    pub fn text_mut(&mut self) -> &mut Text {
        &mut self.text
    }

    /// Drops what has been dealt with and reads more. At the end of the file, [`Text::tail`] says so from then on.
    pub fn fill(&mut self) -> Result<()> {
        self.text.compact();
        if self.fill_raw()? == 0 && self.text.tail == Tail::More {
            self.decoder.finish(&mut self.text.bytes);
            self.text.tail = Tail::End;
        }
        self.text.check_utf8();
        Ok(())
    }

    fn fill_raw(&mut self) -> Result<usize> {
        if self.decoder.encoding() == Encoding::Utf8 {
            return self.input.read(&mut self.text.bytes);
        }
        self.raw.clear();
        let length = self.input.read(&mut self.raw)?;
        self.decoder.decode(&self.raw, &mut self.text.bytes);
        Ok(length)
    }

    /// Goes on at a record that a cursor points at.
    pub fn resume(mut self, offset: u64, line: u64) -> Result<Self> {
        self.input.skip_to(offset)?;
        Ok(Self::at(self.input, self.decoder.encoding(), offset, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use crate::store::Store;

    fn check(source: &[u8], encoding: Encoding, expected: &str) {
        let store = MemoryStore::with("a", source).with_short_reads(1);
        let mut window = Window::open(Rc::new(store.open("a").unwrap()), "a", encoding).unwrap();
        while window.text().tail() == Tail::More {
            window.fill().unwrap();
        }
        assert_eq!(std::str::from_utf8(window.text().bytes()).unwrap(), expected);
        window.text_mut().advance(expected.len());
        assert_eq!(window.text_mut().settle().0, source.len() as u64);
    }

    #[test]
    fn marks_are_not_text() {
        check(b"\xef\xbb\xbfabc", Encoding::Auto, "abc");
        check(b"\xff\xfea\0\xfc\0", Encoding::Auto, "aü");
        check(b"\xfe\xff\0a\0\xfc", Encoding::Utf16Be, "aü");
        check(b"a\0b\0", Encoding::Utf16Le, "ab");
        check(b"", Encoding::Auto, "");
        check(b"a\xfc", Encoding::Latin1, "aü");
    }

    #[test]
    fn a_resumed_window_begins_where_it_should() {
        let store = MemoryStore::with("a", *b"\xff\xfea\0\n\0b\0");
        let window = Window::open(Rc::new(store.open("a").unwrap()), "a", Encoding::Auto).unwrap();
        let mut window = window.resume(6, 2).unwrap();
        window.fill().unwrap();
        assert_eq!((window.text().bytes(), window.text().line_of(1)), (&b"b"[..], 2));
    }
}
