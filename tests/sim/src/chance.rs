//! Chance that is the same whenever a seed is run.

/// A stream of numbers. Each purpose has its own, so that switching one thing off leaves the others as they were.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a: only to keep purposes apart.
        let mix = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut chance = Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ mix);
        chance.draw();
        chance
    }

    /// SplitMix64 (Steele, Lea, Flood).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `limit` - 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).unsigned_abs() + 1) as i64
    }

    /// True in so many cases of a thousand.
    pub fn permille(&mut self, cases: u64) -> bool {
        self.below(1000) < cases
    }

    pub fn coin(&mut self) -> bool {
        self.draw() & 1 == 1
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// Small numbers are as likely as big ones: from `low` to `high`, by their logarithm.
    pub fn scaled(&mut self, low: i64, high: i64) -> i64 {
        let (low, high) = (low.max(1), high.max(1));
        let bits = |value: i64| 63 - u64::from(value.leading_zeros());
        let magnitude = bits(low) + self.below(bits(high) - bits(low) + 1);
        self.between(1 << magnitude, (1 << (magnitude + 1)) - 1).clamp(low, high)
    }
}
