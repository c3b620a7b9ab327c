//! Events as lines of a file that grows.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Appends one line and waits until it is on the disk.
///
/// A process that died between this and noting it down left the line, or a part of it, at the end: the part is cut off, and a line
/// that is there is not written twice.
pub(super) fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let record = format!("{line}\n");
    match end_of(&mut file, &record)? {
        End::Clean => {}
        End::Written => return Ok(()),
        End::Torn { keep } => file.set_len(keep)?,
        End::Unfinished => file.write_all(b"\n")?,
    }
    file.write_all(record.as_bytes())?;
    file.sync_data()
}

/// How a file ends that a line is to be added to.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It is empty, or ends with a line of its own.
    Clean,
    /// This very line is its last one.
    Written,
    /// The beginning of this line is, after so many bytes.
    Torn { keep: u64 },
    /// Something else, without its line break.
    Unfinished,
}

fn end_of(file: &mut File, record: &str) -> io::Result<End> {
    let length = file.metadata()?.len();
    // The byte in front of the line tells whether it begins there.
    let start = length.saturating_sub(record.len() as u64 + 1);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(record.len() as u64 + 1).read_to_end(&mut tail)?;
    let whole = if start == 0 { tail.strip_prefix(b"\n").unwrap_or(&tail) } else { tail.get(1..).unwrap_or_default() };
    let begins_there = tail.len() == whole.len() || tail.first() == Some(&b'\n');
    if whole == record.as_bytes() && begins_there {
        return Ok(End::Written);
    }
    if tail.last().is_none_or(|last| *last == b'\n') {
        return Ok(End::Clean);
    }
    let line_start = tail.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1).or((start == 0).then_some(0));
    let part = line_start.and_then(|at| tail.get(at..));
    Ok(match part {
        Some(part) if record.as_bytes().starts_with(part) => End::Torn { keep: length - part.len() as u64 },
        _ => End::Unfinished,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(before: &str, line: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        std::fs::write(&path, before).unwrap();
        append(&path, line).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "{before:?} + {line:?}");
    }

    #[test]
    fn a_line_stands_there_once_and_whole() {
        check("", "abc", "abc\n");
        check("x\n", "abc", "x\nabc\n");
        check("x\nabc\n", "abc", "x\nabc\n");
        check("abc\n", "abc", "abc\n");
        check("xabc\n", "abc", "xabc\nabc\n");
        check("x\nab", "abc", "x\nabc\n");
        check("abc", "abc", "abc\n");
        check("a", "abc", "abc\n");
        check("x", "abc", "x\nabc\n");
        check("longer than that", "abc", "longer than that\nabc\n");
        check("\n", "abc", "\nabc\n");
        check("\n\n", "abc", "\n\nabc\n");
        check("xyab", "abc", "xyab\nabc\n");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(append(&dir.path().join("no/events"), "a").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    proptest! {
        /// Wherever a crash tears the file, writing once more gives the file there would be without one.
        #[test]
        fn a_torn_line_is_mended(lines in proptest::collection::vec("[a-c]{1,6}", 1..5), cut in 0usize..7) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("events");
            let (last, before) = lines.split_last().unwrap();
            let last = format!("{{{last}");
            before.iter().for_each(|line| append(&path, &format!("[{line}")).unwrap());
            let whole = std::fs::read_to_string(&path).unwrap_or_default();
            let torn: String = last.chars().take(cut).collect();
            std::fs::write(&path, format!("{whole}{torn}")).unwrap();
            append(&path, &last).unwrap();
            prop_assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{last}\n"));
        }
    }
}
