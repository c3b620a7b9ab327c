//! Decimals as whole numbers and a scale: what is calculated with.

use std::cmp::Ordering;

use super::operand::Operand;
use crate::record::{Decimal, DecimalError};

/// `digits · 10^-scale`.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    pub digits: i128,
    pub scale: u32,
}

/// Whether the two are calculated with as decimals.
pub fn is_decimal_pair(left: &Operand, right: &Operand) -> bool {
    let has_decimal = matches!(left, Operand::Decimal(_)) || matches!(right, Operand::Decimal(_));
    has_decimal && left.kind().is_number() && right.kind().is_number()
}

pub fn too_long() -> String {
    "the decimals have too many digits to calculate with: 38 at most".to_owned()
}

impl Scaled {
    /// A double is the shortest decimal that names it.
    pub fn of(operand: &Operand) -> Result<Self, String> {
        match operand {
            Operand::Int(value) => Ok(Self { digits: i128::from(*value), scale: 0 }),
            Operand::Decimal(text) => Self::parse(text),
            Operand::Double(value) => Self::parse(&double_text(*value)?),
            other => Err(format!("{} is no number", other.kind())),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let scale = u32::try_from(fraction.len()).map_err(|_| too_long())?;
        let is_decimal = text.ends_with(|last: char| last.is_ascii_digit());
        if !is_decimal {
            return Err(format!("`{text}` is no number to calculate with"));
        }
        let digits = format!("{whole}{fraction}").parse().map_err(|_| too_long())?;
        Ok(Self { digits, scale })
    }

    /// Both with the greater of the two scales.
    pub fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.digits_at(scale)?, other.digits_at(scale)?, scale))
    }

    fn digits_at(self, scale: u32) -> Option<i128> {
        10i128.checked_pow(scale - self.scale)?.checked_mul(self.digits)
    }

    pub fn compare(left: &Operand, right: &Operand) -> Result<Ordering, String> {
        let (left, right, _) = Self::of(left)?.aligned(Self::of(right)?).ok_or_else(too_long)?;
        Ok(left.cmp(&right))
    }

    pub fn negated(self) -> Result<Operand, String> {
        Self { digits: self.digits.checked_neg().ok_or_else(too_long)?, ..self }.into_operand()
    }

    pub fn into_operand(self) -> Result<Operand, String> {
        let decimal = Decimal::parse(&format!("{}e-{}", self.digits, self.scale));
        decimal.map(|decimal| Operand::decimal(&decimal)).map_err(|error: DecimalError| error.to_string())
    }
}

/// The shortest plain text that names the double.
fn double_text(value: f64) -> Result<String, String> {
    match value.is_finite() {
        true => Ok(format!("{value}")),
        false => Err(format!("`{value}` is no decimal")),
    }
}
