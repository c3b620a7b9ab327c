//! The functions of expressions. None of them ever sees null: that is dealt with before.

use std::sync::Arc;

use super::evaluate::{LIST_ITEMS_MAX, TEXT_BYTES_MAX, too_long, too_many};
use super::operand::{Kind, Operand};
use super::scaled::Scaled;
use crate::record::LogicalType;

type Outcome = Result<Operand, String>;

/// A function with the kinds it takes; a method's object is its first argument.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub parameters: &'static [&'static [Kind]],
    /// How many of the parameters must be given.
    pub required: usize,
    /// Of the result; [`Kind::Any`] if it is that of the first argument.
    pub result: Kind,
    pub call: fn(&[Operand]) -> Outcome,
}

const TEXT: &[Kind] = &[Kind::Text];
const INT: &[Kind] = &[Kind::Int];
const LIST: &[Kind] = &[Kind::List];
const SIZED: &[Kind] = &[Kind::Text, Kind::Bytes, Kind::List];
const NUMBER: &[Kind] = &[Kind::Int, Kind::Double, Kind::Decimal];
const ANY: &[Kind] = &[
    Kind::Bool,
    Kind::Int,
    Kind::Double,
    Kind::Decimal,
    Kind::Text,
    Kind::Bytes,
    Kind::Timestamp,
    Kind::Datetime,
    Kind::Date,
    Kind::Time,
];

/// The one that is no function, because its second argument is looked at only where the first is null.
pub const DEFAULT: &str = "default";

static FUNCTIONS: &[Function] = &[
    function("abs", &[NUMBER], 1, Kind::Any, abs),
    function("bool", &[ANY], 1, Kind::Bool, |operands| convert(operands, LogicalType::Bool)),
    function("bytes", &[ANY], 1, Kind::Bytes, to_bytes),
    function("contains", &[TEXT, TEXT], 2, Kind::Bool, |operands| test(operands, |text, part| text.contains(part))),
    function("date", &[ANY], 1, Kind::Date, |operands| convert(operands, LogicalType::Date)),
    function("datetime", &[ANY], 1, Kind::Datetime, |operands| convert(operands, LogicalType::Datetime)),
    function("decimal", &[ANY], 1, Kind::Decimal, |operands| convert(operands, LogicalType::Decimal(None))),
    function("digits", &[TEXT], 1, Kind::Text, digits),
    function("double", &[ANY], 1, Kind::Double, |operands| convert(operands, LogicalType::Float64)),
    function("endsWith", &[TEXT, TEXT], 2, Kind::Bool, |operands| test(operands, |text, part| text.ends_with(part))),
    function("int", &[ANY], 1, Kind::Int, |operands| convert(operands, LogicalType::Int64)),
    function("join", &[LIST, TEXT], 1, Kind::Text, join),
    function("lower", &[TEXT], 1, Kind::Text, lower),
    function("replace", &[TEXT, TEXT, TEXT], 3, Kind::Text, replace),
    function("size", &[SIZED], 1, Kind::Int, size),
    function("split", &[TEXT, TEXT], 2, Kind::List, split),
    function("startsWith", &[TEXT, TEXT], 2, Kind::Bool, |operands| {
        test(operands, |text, part| text.starts_with(part))
    }),
    function("string", &[ANY], 1, Kind::Text, to_text),
    function("substring", &[TEXT, INT, INT], 2, Kind::Text, substring),
    function("time", &[ANY], 1, Kind::Time, |operands| convert(operands, LogicalType::Time)),
    function("timestamp", &[ANY], 1, Kind::Timestamp, |operands| convert(operands, LogicalType::Timestamp)),
    function("trim", &[TEXT], 1, Kind::Text, trim),
    function("upper", &[TEXT], 1, Kind::Text, upper),
];

const fn function(
    name: &'static str,
    parameters: &'static [&'static [Kind]],
    required: usize,
    result: Kind,
    call: fn(&[Operand]) -> Outcome,
) -> Function {
    Function { name, parameters, required, result, call }
}

pub fn by_name(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

pub fn names() -> Vec<&'static str> {
    let macros = [DEFAULT, "all", "exists", "exists_one", "filter", "map"];
    FUNCTIONS.iter().map(|function| function.name).chain(macros).collect()
}

/// The first argument, which is a text.
fn text(operands: &[Operand]) -> Result<&Arc<str>, String> {
    text_at(operands, 0)
}

fn text_at(operands: &[Operand], at: usize) -> Result<&Arc<str>, String> {
    match operands.get(at) {
        Some(Operand::Text(text)) => Ok(text),
        other => Err(wrong(other, "a string")),
    }
}

fn wrong(operand: Option<&Operand>, wanted: &str) -> String {
    match operand {
        Some(operand) => format!("{} came instead of {wanted}", operand.kind()),
        None => format!("{wanted} is missing"),
    }
}

fn test(operands: &[Operand], holds: fn(&str, &str) -> bool) -> Outcome {
    Ok(Operand::Bool(holds(text(operands)?, text_at(operands, 1)?)))
}

fn lower(operands: &[Operand]) -> Outcome {
    let text = text(operands)?;
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    Ok(if is_lower { Operand::Text(text.clone()) } else { Operand::Text(text.to_lowercase().into()) })
}

fn upper(operands: &[Operand]) -> Outcome {
    let text = text(operands)?;
    let is_upper = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase());
    Ok(if is_upper { Operand::Text(text.clone()) } else { Operand::Text(text.to_uppercase().into()) })
}

fn trim(operands: &[Operand]) -> Outcome {
    let text = text(operands)?;
    let trimmed = text.trim();
    Ok(if trimmed.len() == text.len() { Operand::Text(text.clone()) } else { Operand::text(trimmed) })
}

fn digits(operands: &[Operand]) -> Outcome {
    let kept: String = text(operands)?.chars().filter(char::is_ascii_digit).collect();
    Ok(Operand::Text(kept.into()))
}

/// Characters of a text, bytes, or items.
fn size(operands: &[Operand]) -> Outcome {
    let size = match operands.first() {
        Some(Operand::Text(text)) => text.chars().count(),
        Some(Operand::Bytes(bytes)) => bytes.len(),
        Some(Operand::List(items)) => items.len(),
        other => return Err(wrong(other, "a string, bytes or a list")),
    };
    i64::try_from(size).map(Operand::Int).map_err(|error| error.to_string())
}

fn replace(operands: &[Operand]) -> Outcome {
    let (text, from, to) = (text(operands)?, text_at(operands, 1)?, text_at(operands, 2)?);
    if from.is_empty() {
        return Err("the text to be replaced is empty".to_owned());
    }
    let added = text.matches(&**from).count().saturating_mul(to.len().saturating_sub(from.len()));
    if added > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Operand::Text(text.replace(&**from, to).into()))
}

fn split(operands: &[Operand]) -> Outcome {
    let (text, separator) = (text(operands)?, text_at(operands, 1)?);
    let collect = |parts: &mut dyn Iterator<Item = &str>| -> Vec<Operand> {
        parts.take(LIST_ITEMS_MAX + 1).map(Operand::text).collect()
    };
    // Without a separator: character by character.
    let items = match separator.is_empty() {
        true => collect(&mut text.split("").filter(|part| !part.is_empty())),
        false => collect(&mut text.split(&**separator)),
    };
    if items.len() > LIST_ITEMS_MAX { Err(too_many()) } else { Ok(Operand::List(Arc::new(items))) }
}

fn join(operands: &[Operand]) -> Outcome {
    let Some(Operand::List(items)) = operands.first() else { return Err(wrong(operands.first(), "a list")) };
    let separator = if operands.len() > 1 { text_at(operands, 1)? } else { "" };
    let mut joined = String::new();
    for (at, item) in items.iter().enumerate() {
        let Operand::Text(item) = item else { return Err(wrong(Some(item), "a list of strings")) };
        if joined.len() + item.len() + separator.len() > TEXT_BYTES_MAX {
            return Err(too_long());
        }
        joined.push_str(if at == 0 { "" } else { separator });
        joined.push_str(item);
    }
    Ok(Operand::Text(joined.into()))
}

/// From a character, counted from 0, to the one before another, or to the end.
fn substring(operands: &[Operand]) -> Outcome {
    let text = text(operands)?;
    let start = position(text, operands, 1)?;
    let end = if operands.len() > 2 { position(text, operands, 2)? } else { text.len() };
    let part = text.get(start..end).ok_or_else(|| "the end is before the start".to_owned())?;
    Ok(Operand::text(part))
}

/// Where the character is that an argument counts to.
fn position(text: &str, operands: &[Operand], at: usize) -> Result<usize, String> {
    let Some(Operand::Int(count)) = operands.get(at) else { return Err(wrong(operands.get(at), "an int")) };
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let position = usize::try_from(*count).ok().and_then(|count| ends.nth(count));
    position.ok_or_else(|| format!("there is no character {count} in a text of {}", text.chars().count()))
}

fn abs(operands: &[Operand]) -> Outcome {
    match operands.first() {
        Some(Operand::Int(value)) => {
            value.checked_abs().map(Operand::Int).ok_or_else(|| format!("of {value} is beyond 64 bits"))
        }
        Some(Operand::Double(value)) => Ok(Operand::Double(value.abs())),
        Some(decimal @ Operand::Decimal(text)) => match text.starts_with('-') {
            true => Scaled::of(decimal)?.negated(),
            false => Ok(decimal.clone()),
        },
        other => Err(wrong(other, "a number")),
    }
}

/// Without loss, or not at all.
fn convert(operands: &[Operand], wanted: LogicalType) -> Outcome {
    let operand = operands.first().ok_or_else(|| wrong(None, "a value"))?;
    if Kind::of(wanted) == operand.kind() {
        return Ok(operand.clone());
    }
    Operand::of(&operand.clone().into_value(wanted)?, wanted)
}

/// Of bytes, the text they are in UTF-8.
fn to_text(operands: &[Operand]) -> Outcome {
    match operands.first() {
        Some(Operand::Bytes(bytes)) => {
            std::str::from_utf8(bytes).map(Operand::text).map_err(|error| format!("the bytes are no text: {error}"))
        }
        _ => convert(operands, LogicalType::Text),
    }
}

fn to_bytes(operands: &[Operand]) -> Outcome {
    match operands.first() {
        Some(Operand::Text(text)) => Ok(Operand::Bytes(text.as_bytes().into())),
        _ => convert(operands, LogicalType::Binary),
    }
}
