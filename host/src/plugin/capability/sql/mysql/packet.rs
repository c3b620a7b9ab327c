//! What packets are made of: integers, counted strings, strings that end with a NUL.

/// A packet's payload, read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.fixed::<1>().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.fixed().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.fixed().map(u32::from_le_bytes)
    }

    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    /// An integer that says itself how long it is. None for the mark of a null.
    #[inline]
    pub fn counted_int(&mut self) -> Option<u64> {
        match self.u8()? {
            small @ 0..=0xfa => Some(u64::from(small)),
            0xfc => self.u16().map(u64::from),
            0xfd => {
                let [a, b, c] = self.fixed::<3>()?;
                Some(u64::from(u32::from_le_bytes([a, b, c, 0])))
            }
            0xfe => self.fixed().map(u64::from_le_bytes),
            _ => None,
        }
    }

    /// Bytes behind their count.
    #[inline]
    pub fn counted(&mut self) -> Option<&'a [u8]> {
        let count = self.counted_int()?;
        self.bytes(usize::try_from(count).ok()?)
    }

    pub fn counted_text(&mut self) -> Option<String> {
        self.counted().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Bytes up to a NUL, or to the end.
    pub fn until_nul(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let (head, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        head
    }

    pub fn until_nul_text(&mut self) -> String {
        String::from_utf8_lossy(self.until_nul()).into_owned()
    }
}

pub(super) fn put_counted_int(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0xfa => out.push(value as u8),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&(value as u16).to_le_bytes());
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend(value.to_le_bytes().into_iter().take(3));
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

pub(super) fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_counted_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_nul_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counted_integers_round_trip(value in prop_oneof![any::<u64>(), 0u64..0x2_0000, 0xff_0000u64..0x100_ffff]) {
            let mut out = Vec::new();
            put_counted_int(&mut out, value);
            prop_assert_eq!(Reader(&out).counted_int(), Some(value));
        }

        #[test]
        fn broken_packets_are_no_trouble(bytes in any::<Vec<u8>>()) {
            let mut reader = Reader(&bytes);
            while !reader.0.is_empty() {
                if reader.counted().is_none() {
                    break;
                }
            }
            let _ = reader.until_nul_text();
        }
    }

    #[test]
    fn strings_end_at_their_count_or_at_a_nul() {
        let mut reader = Reader(b"\x02abcd\0e");
        assert_eq!(reader.counted(), Some(&b"ab"[..]));
        assert_eq!(reader.until_nul(), b"cd");
        assert_eq!(reader.until_nul(), b"e");
        assert_eq!(Reader(b"\xfb").counted(), None);
        assert_eq!(Reader(b"\x05ab").counted(), None);
    }
}
