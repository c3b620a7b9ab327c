//! Exact decimals of any length, read from and written to plain text.

use std::fmt;

use crate::DecimalShape;

/// An exact decimal: `±digits · 10^-scale`. Digits carry no leading zero; zero is never negative.
///
/// The scale is kept as written: `1.50` and `1.5` are equal in value ([`Decimal::canonical`]) but not the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// ASCII digits; empty for zero.
    digits: String,
    scale: u32,
}

/// Why text is not the decimal that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a decimal number at all.
    Syntax,
    /// More digits before the point than the type has room for.
    Range,
    /// More digits behind the point than the type keeps.
    Lossy,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not a decimal number",
            Self::Range => "too many digits before the point",
            Self::Lossy => "more digits behind the point than the type keeps",
        })
    }
}

impl std::error::Error for DecimalError {}

/// Digits a decimal may have once its exponent is written out; PostgreSQL's own limit.
const DIGITS_MAX: usize = 131_072;
const SCALE_MAX: u32 = 16_383;

impl Decimal {
    /// Reads `-12.50`, `+3`, `.5`, `1e-3`. No spaces, no thousands separators, no infinities.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..)),
            Some(b'+') => (false, text.get(1..)),
            _ => (false, Some(text)),
        };
        let rest = rest.ok_or(DecimalError::Syntax)?;
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Err(DecimalError::Syntax);
        }
        let digits = format!("{whole}{fraction}");
        Self::new(negative, digits.trim_start_matches('0').to_owned(), fraction.len() as i64 - exponent)
    }

    fn new(negative: bool, mut digits: String, scale: i64) -> Result<Self, DecimalError> {
        if digits.len() > DIGITS_MAX {
            return Err(DecimalError::Range);
        }
        if digits.is_empty() {
            return Ok(Self {
                negative: false,
                digits,
                scale: u32::try_from(scale.max(0)).unwrap_or(0).min(SCALE_MAX),
            });
        }
        if scale < 0 {
            let zeros = usize::try_from(-scale).unwrap_or(usize::MAX);
            if zeros > DIGITS_MAX - digits.len() {
                return Err(DecimalError::Range);
            }
            digits.extend(std::iter::repeat_n('0', zeros));
        }
        let scale = u32::try_from(scale.max(0)).ok().filter(|scale| *scale <= SCALE_MAX).ok_or(DecimalError::Lossy)?;
        Ok(Self { negative, digits, scale })
    }

    /// `value · 10^-scale`.
    pub fn from_scaled(value: i64, scale: u16) -> Self {
        let digits = if value == 0 { String::new() } else { value.unsigned_abs().to_string() };
        Self { negative: value < 0, digits, scale: u32::from(scale) }
    }

    /// The value times `10^scale`, if it fits the shape without loss.
    pub fn to_scaled(&self, shape: DecimalShape) -> Result<i64, DecimalError> {
        let rescaled = self.rescale(u32::from(shape.scale))?;
        if rescaled.digits.len() > usize::from(shape.precision) {
            return Err(DecimalError::Range);
        }
        let magnitude: i64 = match rescaled.digits.as_str() {
            "" => 0,
            digits => digits.parse().map_err(|_| DecimalError::Range)?,
        };
        Ok(if rescaled.negative { -magnitude } else { magnitude })
    }

    /// The same value with exactly this many digits behind the point; dropping a digit that is not zero is an error.
    pub fn rescale(&self, scale: u32) -> Result<Self, DecimalError> {
        let mut digits = self.digits.clone();
        if scale >= self.scale {
            if !digits.is_empty() {
                digits.extend(std::iter::repeat_n('0', (scale - self.scale) as usize));
            }
        } else {
            for _ in scale..self.scale {
                if digits.pop().is_some_and(|digit| digit != '0') {
                    return Err(DecimalError::Lossy);
                }
            }
        }
        Ok(Self { negative: self.negative && !digits.is_empty(), digits, scale })
    }

    /// Whether the value fits the shape without loss.
    pub fn fits(&self, shape: DecimalShape) -> Result<(), DecimalError> {
        let rescaled = self.rescale(u32::from(shape.scale))?;
        if rescaled.digits.len() > usize::from(shape.precision) { Err(DecimalError::Range) } else { Ok(()) }
    }

    /// The same value without zeros at the end of the fraction: equal values have equal canonical text.
    pub fn canonical(&self) -> Self {
        let mut canonical = self.clone();
        while canonical.scale > 0 && (canonical.digits.is_empty() || canonical.digits.ends_with('0')) {
            canonical.digits.pop();
            canonical.scale -= 1;
        }
        canonical.negative &= !canonical.digits.is_empty();
        canonical
    }

    /// Digits before the point and behind it.
    pub fn shape(&self) -> (usize, usize) {
        let scale = self.scale as usize;
        (self.digits.len().saturating_sub(scale), scale)
    }
}

fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::Syntax);
    }
    // An exponent of more than nine digits is out of every range there is.
    if digits.trim_start_matches('0').len() > 9 {
        return Err(DecimalError::Range);
    }
    text.parse().map_err(|_| DecimalError::Syntax)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let scale = self.scale as usize;
        let zeros = (scale + 1).saturating_sub(self.digits.len());
        let padded = format!("{}{}", "0".repeat(zeros), self.digits);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        f.write_str(whole)?;
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Result<&str, DecimalError>) {
        assert_eq!(Decimal::parse(text).map(|value| value.to_string()), expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn plain_text_is_kept_as_written() {
        for text in ["0", "1", "-1", "12.50", "-0.05", "123456789012345678901234567890.123456789"] {
            check(text, Ok(text));
        }
        check("+3", Ok("3"));
        check(".5", Ok("0.5"));
        check("007.10", Ok("7.10"));
        check("-0", Ok("0"));
        check("-0.00", Ok("0.00"));
    }

    #[test]
    fn exponents_are_written_out() {
        check("1e3", Ok("1000"));
        check("1.2E1", Ok("12"));
        check("15e-3", Ok("0.015"));
        check("1e400", Ok(&format!("1{}", "0".repeat(400))));
        check("1e999999999", Err(DecimalError::Range));
        check("1e99999999999999999999", Err(DecimalError::Range));
        check("1e-99999", Err(DecimalError::Lossy));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "-", ".", "1,5", "1.2.3", "0x10", "NaN", "1e", "e5", " 1", "1_000", "١", "--1", "+-1"] {
            check(text, Err(DecimalError::Syntax));
        }
    }

    #[test]
    fn scaling_never_loses() {
        let money = DecimalShape { precision: 5, scale: 2 };
        let scaled = |text: &str| Decimal::parse(text).unwrap().to_scaled(money);
        assert_eq!(scaled("12.5"), Ok(1250));
        assert_eq!(scaled("-999.99"), Ok(-99999));
        assert_eq!(scaled("1.500"), Ok(150));
        assert_eq!(scaled("0"), Ok(0));
        assert_eq!(scaled("1.005"), Err(DecimalError::Lossy));
        assert_eq!(scaled("1000"), Err(DecimalError::Range));
    }

    proptest! {
        #[test]
        fn text_round_trips(text in "-?[1-9][0-9]{0,40}(\\.[0-9]{1,20})?") {
            check(&text, Ok(&text));
        }

        #[test]
        fn scaled_round_trips(value in any::<i64>(), scale in 0u16..30) {
            let text = Decimal::from_scaled(value, scale).to_string();
            let shape = DecimalShape { precision: 40, scale };
            let expected = if value == i64::MIN { Err(DecimalError::Range) } else { Ok(value) };
            prop_assert_eq!(Decimal::parse(&text).unwrap().to_scaled(shape), expected);
        }

        #[test]
        fn canonical_text_is_equal_for_equal_values(value in -10_000i64..10_000, zeros in 0usize..5) {
            let plain = Decimal::from_scaled(value, 2);
            let padded = Decimal::parse(&format!("{plain}{}", "0".repeat(zeros))).unwrap();
            prop_assert_eq!(plain.canonical().to_string(), padded.canonical().to_string());
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = Decimal::parse(&text);
        }
    }
}
