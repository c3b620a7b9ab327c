//! What is done to which field.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::steps::calling_codes::{self, Region};

/// The configuration of the transform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Steps of single text fields, done in their order.
    pub fields: BTreeMap<String, Vec<Step>>,
    /// Steps of every text field that `fields` does not name.
    pub all_text: Vec<Step>,
    /// Fields that must have a value after cleaning; text must not be empty.
    pub required: Vec<String>,
    /// What becomes of a record that says nothing about a required field.
    pub absent: Absent,
}

/// What becomes of a record that says nothing about a required field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Absent {
    /// It is rejected, as if the field were null.
    #[default]
    Reject,
    /// It goes on: an absent field leaves alone what the target holds.
    Pass,
}

/// One thing that is done to the values of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// White space at both ends goes.
    Trim,
    /// Every run of white space becomes one space.
    Collapse,
    /// Unicode normalisation form C.
    Nfc,
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// Empty text becomes null.
    EmptyAsNull,
    /// An e-mail address with its domain in lower case.
    Email(EmailOptions),
    /// A phone number as E.164.
    Phone(PhoneOptions),
    /// Other values for some.
    Map(Map),
    /// At most this many characters.
    MaxLength(u32, Longer),
}

/// What becomes of a value that cannot be brought into form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// Its record is rejected.
    #[default]
    Reject,
    /// It stays as it is.
    Keep,
    /// It becomes null.
    Null,
}

/// How e-mail addresses are brought into form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmailOptions {
    /// What becomes of the part before the `@`.
    pub local: LocalPart,
    /// What becomes of values that cannot be addresses.
    pub invalid: Fallback,
}

/// What becomes of the part before the `@`: its case may matter, though it hardly ever does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalPart {
    /// It stays as it is.
    #[default]
    Keep,
    /// Its ASCII letters become lower case.
    Lower,
}

/// How phone numbers are brought into form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhoneOptions {
    /// Where numbers without a calling code belong; without it, such numbers are invalid.
    #[serde(deserialize_with = "region")]
    pub default: Option<Region>,
    /// What becomes of values that are no numbers, or whose number is not certain.
    pub invalid: Fallback,
}

/// Other values for some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// New values by old ones; none is null.
    pub values: BTreeMap<String, Option<String>>,
    /// What becomes of a value that is neither an old nor a new one.
    pub default: Fallback,
}

/// What becomes of a value that is too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Longer {
    /// Its record is rejected.
    #[default]
    Reject,
    /// It loses its end, and white space before the cut.
    Cut,
}

fn region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Region>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let unknown =
        || D::Error::custom(format_args!("there is no country or calling code `{text}`; write `DE` or `+49`"));
    calling_codes::region(&text).map(Some).ok_or_else(unknown)
}

/// A step with options: `{ phone = { default = "DE" } }`, `{ map = { "Mr." = "mr" }, default = "reject" }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepWithOptions {
    email: Option<EmailOptions>,
    phone: Option<PhoneOptions>,
    map: Option<BTreeMap<String, Option<String>>>,
    default: Option<Fallback>,
    max_length: Option<u32>,
    longer: Option<Longer>,
}

impl StepWithOptions {
    fn step(self) -> Result<Step, &'static str> {
        match self {
            Self { email: Some(email), phone: None, map: None, default: None, max_length: None, longer: None } => {
                Ok(Step::Email(email))
            }
            Self { phone: Some(phone), email: None, map: None, default: None, max_length: None, longer: None } => {
                Ok(Step::Phone(phone))
            }
            Self { map: Some(values), default, email: None, phone: None, max_length: None, longer: None } => {
                Ok(Step::Map(Map { values, default: default.unwrap_or(Fallback::Keep) }))
            }
            Self { max_length: Some(length), longer, email: None, phone: None, map: None, default: None } => {
                Ok(Step::MaxLength(length, longer.unwrap_or_default()))
            }
            _ => Err("a step is one of `email`, `phone`, `map` (with `default`) and `max_length` (with `longer`)"),
        }
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step such as `trim` or `{ max_length = 40 }`")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Step, E> {
        Ok(match word {
            "trim" => Step::Trim,
            "collapse" => Step::Collapse,
            "nfc" => Step::Nfc,
            "lower" => Step::Lower,
            "upper" => Step::Upper,
            "empty_as_null" => Step::EmptyAsNull,
            "email" => Step::Email(EmailOptions::default()),
            "phone" => Step::Phone(PhoneOptions::default()),
            other => return Err(E::custom(format_args!("there is no step `{other}`"))),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Step, A::Error> {
        StepWithOptions::deserialize(MapAccessDeserializer::new(map))?.step().map_err(A::Error::custom)
    }
}
