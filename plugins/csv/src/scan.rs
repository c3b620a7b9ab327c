//! Finds the few bytes that mean something in CSV, 64 at a time: delimiters, quotes and line ends.
//!
//! Knows nothing of what they mean together. Written twice: with the vectors of WebAssembly, and plainly for everything else.

/// How many bytes are looked at together: one bit of a word for each.
const BLOCK: usize = 64;

/// The bytes to be found.
#[derive(Clone, Copy, Debug)]
pub struct Needles([u8; 4]);

impl Needles {
    /// A quote that is not used can be given as any of the others.
    pub fn new(delimiter: u8, quote: u8) -> Self {
        Self([delimiter, quote, b'\n', b'\r'])
    }

    /// Bit `i` says whether byte `i` is one of the needles.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    #[inline]
    fn find(self, block: &[u8; BLOCK]) -> u64 {
        let (vectors, _) = block.as_chunks::<16>();
        let found = vectors.iter().map(|vector| u64::from(self.find_in_vector(vector)));
        found.enumerate().fold(0, |all, (index, found)| all | found << (index * 16))
    }

    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    #[inline]
    fn find_in_vector(self, bytes: &[u8; 16]) -> u16 {
        use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, u64x2_splat, v128_or};
        let (low, high) = bytes.split_at(8);
        let [low, high] = [low, high].map(|half| half.first_chunk().map_or(0, |half| u64::from_le_bytes(*half)));
        let hits = self.0.map(|needle| u8x16_eq(u64x2(low, high), u8x16_splat(needle)));
        u8x16_bitmask(hits.into_iter().fold(u64x2_splat(0), |all, hits| v128_or(all, hits)))
    }

    /// Bit `i` says whether byte `i` is one of the needles.
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    #[inline]
    fn find(self, block: &[u8; BLOCK]) -> u64 {
        let [a, b, c, d] = self.0;
        // Written so that compilers make vectors of it: one byte for each byte, then one bit for each of those.
        let hits = block.map(|byte| u8::from((byte == a) | (byte == b) | (byte == c) | (byte == d)));
        let (words, _) = hits.as_chunks::<8>();
        let found = words.iter().map(|word| gather(u64::from_le_bytes(*word)));
        found.rev().fold(0, |all, found| all << 8 | found)
    }
}

/// The lowest bits of the eight bytes, as the lowest eight bits.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline]
fn gather(bytes: u64) -> u64 {
    let pairs = bytes | bytes >> 7;
    let fours = pairs | pairs >> 14;
    (fours | fours >> 28) & 0xff
}

/// Goes through a text from one found byte to the next.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    needles: Needles,
    /// Where the block begins whose bits are in `found`.
    block: usize,
    /// Where the next block begins.
    next_block: usize,
    found: u64,
}

impl Scan {
    pub fn new(needles: Needles) -> Self {
        Self { needles, block: 0, next_block: 0, found: 0 }
    }

    /// Goes on at a position.
    pub fn seek(&mut self, position: usize) {
        self.block = position;
        self.next_block = position;
        self.found = 0;
    }

    /// The position of the next byte found; none at the end of the text.
    #[inline]
    pub fn next(&mut self, text: &[u8]) -> Option<usize> {
        while self.found == 0 {
            self.load(text)?;
        }
        let position = self.block + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(position)
    }

    #[inline]
    fn load(&mut self, text: &[u8]) -> Option<()> {
        let rest = text.get(self.next_block..).filter(|rest| !rest.is_empty())?;
        self.block = self.next_block;
        match rest.first_chunk() {
            Some(block) => {
                self.found = self.needles.find(block);
                self.next_block += BLOCK;
            }
            None => {
                // No needle is the byte zero.
                let mut block = [0; BLOCK];
                block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                self.found = self.needles.find(&block);
                self.next_block += rest.len();
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_needle_is_found_and_nothing_else(
            text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b','), Just(b'"'), Just(b'\n'), Just(b'-'), Just(0xac), Just(0)], 0..300),
            start in 0usize..300,
        ) {
            let start = start.min(text.len());
            let mut scan = Scan::new(Needles::new(b',', b'"'));
            scan.seek(start);
            let found: Vec<usize> = std::iter::from_fn(|| scan.next(&text)).collect();
            let expected: Vec<usize> = (start..text.len()).filter(|index| b",\"\n\r".contains(&text[*index])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
