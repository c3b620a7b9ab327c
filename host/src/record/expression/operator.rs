//! Operators between two operands: exact or an error.

use std::cmp::Ordering;
use std::sync::Arc;

use super::operand::{Kind, Operand};
use super::scaled::{Scaled, is_decimal_pair, too_long};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Index,
}

use Operator as O;

/// The operators by the names the parser gives them.
const NAMES: [(&str, Operator); 13] = [
    ("_+_", O::Add),
    ("_-_", O::Subtract),
    ("_*_", O::Multiply),
    ("_/_", O::Divide),
    ("_%_", O::Remainder),
    ("_==_", O::Equal),
    ("_!=_", O::NotEqual),
    ("_<_", O::Less),
    ("_<=_", O::LessOrEqual),
    ("_>_", O::Greater),
    ("_>=_", O::GreaterOrEqual),
    ("@in", O::In),
    ("_[_]", O::Index),
];

impl Operator {
    pub fn by_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    /// For people.
    pub fn symbol(self) -> &'static str {
        let name = NAMES.iter().find(|(_, operator)| *operator == self).map_or("", |(name, _)| *name);
        name.trim_matches(['_', '@'])
    }

    /// What comes out; none if these never go together.
    pub fn result_kind(self, left: Kind, right: Kind) -> Option<Kind> {
        let is_open = !left.is_known() || !right.is_known();
        let numbers = left.is_number() && right.is_number();
        match self {
            O::Equal | O::NotEqual if is_open || left == right || numbers => Some(Kind::Bool),
            O::In if !right.is_known() || right == Kind::List => Some(Kind::Bool),
            O::Index if matches!(left, Kind::List | Kind::Any | Kind::Null) => Some(Kind::Any),
            O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual => {
                (is_open || numbers || (left == right && left != Kind::List)).then_some(Kind::Bool)
            }
            O::Add | O::Subtract | O::Multiply | O::Divide | O::Remainder if is_open => Some(Kind::Any),
            O::Add if left == right && matches!(left, Kind::Text | Kind::Bytes | Kind::List) => Some(left),
            O::Remainder => (left == Kind::Int && right == Kind::Int).then_some(Kind::Int),
            O::Divide if left == right && left != Kind::Decimal && numbers => Some(left),
            O::Add | O::Subtract | O::Multiply if numbers && left == right => Some(left),
            O::Add | O::Subtract | O::Multiply if numbers && (left == Kind::Decimal || right == Kind::Decimal) => {
                Some(Kind::Decimal)
            }
            _ => None,
        }
    }

    /// Neither operand is null unless this is [`Self::Equal`], [`Self::NotEqual`] or [`Self::In`].
    pub fn apply(self, left: &Operand, right: &Operand) -> Result<Operand, String> {
        match self {
            O::Equal => equal(left, right).map(Operand::Bool),
            O::NotEqual => equal(left, right).map(|equal| Operand::Bool(!equal)),
            O::Less => self.ordered(left, right, Ordering::is_lt),
            O::LessOrEqual => self.ordered(left, right, Ordering::is_le),
            O::Greater => self.ordered(left, right, Ordering::is_gt),
            O::GreaterOrEqual => self.ordered(left, right, Ordering::is_ge),
            O::In => is_in(left, right),
            O::Index => index(left, right),
            O::Add => self.add(left, right),
            O::Subtract | O::Multiply | O::Divide | O::Remainder => self.calculate(left, right),
        }
    }

    fn mismatch(self, left: &Operand, right: &Operand) -> String {
        format!("`{}` does not take {} and {}", self.symbol(), left.kind(), right.kind())
    }

    fn ordered(self, left: &Operand, right: &Operand, holds: fn(Ordering) -> bool) -> Result<Operand, String> {
        let ordering = compare(left, right).unwrap_or_else(|| Err(self.mismatch(left, right)))?;
        Ok(Operand::Bool(ordering.is_some_and(holds)))
    }

    fn add(self, left: &Operand, right: &Operand) -> Result<Operand, String> {
        match (left, right) {
            (Operand::Text(left), Operand::Text(right)) => Ok(Operand::Text(format!("{left}{right}").into())),
            (Operand::Bytes(left), Operand::Bytes(right)) => Ok(Operand::Bytes([&**left, &**right].concat().into())),
            (Operand::List(left), Operand::List(right)) => {
                Ok(Operand::List(Arc::new(left.iter().chain(right.iter()).cloned().collect())))
            }
            _ => self.calculate(left, right),
        }
    }

    fn calculate(self, left: &Operand, right: &Operand) -> Result<Operand, String> {
        match (left, right) {
            (Operand::Int(left), Operand::Int(right)) => self.ints(*left, *right).map(Operand::Int),
            (Operand::Double(left), Operand::Double(right)) => self.doubles(*left, *right).map(Operand::Double),
            _ if is_decimal_pair(left, right) => self.decimals(left, right),
            _ => Err(self.mismatch(left, right)),
        }
    }

    fn ints(self, left: i64, right: i64) -> Result<i64, String> {
        let result = match self {
            O::Add => left.checked_add(right),
            O::Subtract => left.checked_sub(right),
            O::Multiply => left.checked_mul(right),
            O::Divide | O::Remainder if right == 0 => return Err("a division by zero".to_owned()),
            O::Divide => left.checked_div(right),
            _ => left.checked_rem(right),
        };
        result.ok_or_else(|| format!("`{left} {} {right}` is beyond 64 bits", self.symbol()))
    }

    fn doubles(self, left: f64, right: f64) -> Result<f64, String> {
        Ok(match self {
            O::Add => left + right,
            O::Subtract => left - right,
            O::Multiply => left * right,
            O::Divide => left / right,
            _ => return Err("`%` takes ints".to_owned()),
        })
    }

    fn decimals(self, left: &Operand, right: &Operand) -> Result<Operand, String> {
        let (left, right) = (Scaled::of(left)?, Scaled::of(right)?);
        let result = match self {
            O::Add => left.aligned(right).and_then(|(a, b, scale)| Some((a.checked_add(b)?, scale))),
            O::Subtract => left.aligned(right).and_then(|(a, b, scale)| Some((a.checked_sub(b)?, scale))),
            O::Multiply => left.digits.checked_mul(right.digits).map(|digits| (digits, left.scale + right.scale)),
            _ => return Err("decimals cannot be divided without rounding: do it in a transform plugin".to_owned()),
        };
        let (digits, scale) = result.ok_or_else(too_long)?;
        Scaled { digits, scale }.into_operand()
    }
}

/// Null equals null alone. Values of kinds that never go together are an error, since somebody is mistaken about a type.
fn equal(left: &Operand, right: &Operand) -> Result<bool, String> {
    match (left, right) {
        (Operand::Null, right) => Ok(matches!(right, Operand::Null)),
        (_, Operand::Null) => Ok(false),
        (Operand::Decimal(left), Operand::Decimal(right)) => Ok(left == right),
        (Operand::List(left), Operand::List(right)) => lists_equal(left, right),
        _ => {
            let ordering = compare(left, right).unwrap_or_else(|| Err(O::Equal.mismatch(left, right)))?;
            Ok(ordering == Some(Ordering::Equal))
        }
    }
}

fn lists_equal(left: &[Operand], right: &[Operand]) -> Result<bool, String> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right) {
        if !equal(left, right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Outer none: they never go together. Inner none: a `NaN` is neither less nor more.
fn compare(left: &Operand, right: &Operand) -> Option<Result<Option<Ordering>, String>> {
    Some(Ok(match (left, right) {
        (Operand::Bool(left), Operand::Bool(right)) => Some(left.cmp(right)),
        (Operand::Int(left), Operand::Int(right)) => Some(left.cmp(right)),
        (Operand::Double(left), Operand::Double(right)) => left.partial_cmp(right),
        (Operand::Int(left), Operand::Double(right)) => compare_int(*left, *right),
        (Operand::Double(left), Operand::Int(right)) => compare_int(*right, *left).map(Ordering::reverse),
        (Operand::Text(left), Operand::Text(right)) => Some(left.cmp(right)),
        (Operand::Bytes(left), Operand::Bytes(right)) => Some(left.cmp(right)),
        (Operand::Moment(left_type, left), Operand::Moment(right_type, right)) if left_type == right_type => {
            Some(left.cmp(right))
        }
        _ if is_decimal_pair(left, right) => return Some(Scaled::compare(left, right).map(Some)),
        _ => return None,
    }))
}

/// Exact, where a conversion to a float would not be.
fn compare_int(int: i64, double: f64) -> Option<Ordering> {
    /// 2^63, the first double beyond the ints.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double < -BEYOND {
        return Some(Ordering::Greater);
    }
    let whole = int.cmp(&(double.trunc() as i64));
    Some(whole.then_with(|| 0.0.partial_cmp(&double.fract()).unwrap_or(Ordering::Equal)))
}

fn is_in(item: &Operand, list: &Operand) -> Result<Operand, String> {
    match list {
        Operand::Null => Ok(Operand::Null),
        Operand::List(items) => {
            for other in items.iter() {
                if equal(item, other)? {
                    return Ok(Operand::Bool(true));
                }
            }
            Ok(Operand::Bool(false))
        }
        other => Err(O::In.mismatch(item, other)),
    }
}

fn index(list: &Operand, at: &Operand) -> Result<Operand, String> {
    match (list, at) {
        (Operand::List(items), Operand::Int(at)) => {
            let item = usize::try_from(*at).ok().and_then(|at| items.get(at));
            item.cloned().ok_or_else(|| format!("there is no item {at} in a list of {}", items.len()))
        }
        _ => Err(O::Index.mismatch(list, at)),
    }
}
