//! JSON read into a tree and taken apart by hand: a deserializer for each structure would take several kilobytes of a plugin.

use std::fmt;

use serde_json::{Map, Value as Json};

/// Something that is read from JSON.
pub trait FromJson: Sized {
    fn from_json(json: Json) -> Result<Self, Unfit>;

    /// What a member stands for that is not there; none if it has to be.
    fn missing() -> Option<Self> {
        None
    }
}

/// Why a document is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(String);

impl Unfit {
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    fn expected(what: &str) -> Self {
        Self(format!("invalid type, expected {what}"))
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a whole document.
pub fn read_document<T: FromJson>(text: &[u8]) -> Result<T, Unfit> {
    parse(text).and_then(T::from_json)
}

/// The only parser: one for texts beside one for bytes would be all of it twice.
pub(crate) fn parse(text: &[u8]) -> Result<Json, Unfit> {
    serde_json::from_slice(text).map_err(|error| Unfit(error.to_string()))
}

/// The members of an object, to be taken one by one.
#[derive(Debug)]
pub struct Members(Map<String, Json>);

impl Members {
    pub fn take<T: FromJson>(&mut self, name: &str) -> Result<T, Unfit> {
        match self.0.remove(name) {
            Some(json) => T::from_json(json),
            None => T::missing().ok_or_else(|| Unfit(format!("missing field `{name}`"))),
        }
    }

    /// As [`Members::take`]; what is not there is empty.
    pub fn take_or_empty<T: FromJson + Default>(&mut self, name: &str) -> Result<T, Unfit> {
        self.0.remove(name).map_or_else(|| Ok(T::default()), T::from_json)
    }

    /// An error if there are others than have been taken.
    pub fn end(self) -> Result<(), Unfit> {
        self.0.keys().next().map_or(Ok(()), |name| Err(Unfit(format!("unknown field `{name}`"))))
    }
}

/// An object of these members, in this order.
pub fn object(members: Vec<(&str, Json)>) -> Json {
    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A list of texts as JSON.
pub fn texts_to_json<'a>(texts: impl IntoIterator<Item = &'a str>) -> Json {
    Json::Array(texts.into_iter().map(Json::from).collect())
}

/// A choice and what it says: `"done"` or `{"full":[1]}`.
pub fn choice(json: Json) -> Result<(String, Json), Unfit> {
    match json {
        Json::String(name) => Ok((name, Json::Null)),
        Json::Object(members) if members.len() == 1 => members.into_iter().next().ok_or_else(|| Unfit::expected("map")),
        _ => Err(Unfit::expected("string or map with a single key")),
    }
}

impl FromJson for Members {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        match json {
            Json::Object(members) => Ok(Self(members)),
            _ => Err(Unfit::expected("a map")),
        }
    }
}

impl FromJson for Json {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        Ok(json)
    }
}

impl FromJson for String {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        match json {
            Json::String(text) => Ok(text),
            _ => Err(Unfit::expected("a string")),
        }
    }
}

impl FromJson for bool {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        json.as_bool().ok_or_else(|| Unfit::expected("a boolean"))
    }
}

impl FromJson for f64 {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        json.as_f64().ok_or_else(|| Unfit::expected("f64"))
    }
}

impl FromJson for u64 {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        json.as_u64().ok_or_else(|| Unfit::expected("u64"))
    }
}

impl FromJson for i64 {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        json.as_i64().ok_or_else(|| Unfit::expected("i64"))
    }
}

macro_rules! small_integers {
    ($($integer:ident),*) => {$(
        impl FromJson for $integer {
            fn from_json(json: Json) -> Result<Self, Unfit> {
                i64::from_json(json)?.try_into().map_err(|_| Unfit::expected(stringify!($integer)))
            }
        }
    )*};
}

small_integers!(i32, u8, u32);

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        if json.is_null() { Ok(None) } else { T::from_json(json).map(Some) }
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        match json {
            Json::Array(values) => values.into_iter().map(T::from_json).collect(),
            _ => Err(Unfit::expected("a sequence")),
        }
    }
}

/// A list of two.
impl<A: FromJson, B: FromJson> FromJson for (A, B) {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        match <[Json; 2]>::try_from(Vec::from_json(json)?) {
            Ok([a, b]) => Ok((A::from_json(a)?, B::from_json(b)?)),
            Err(_) => Err(Unfit::expected("a list of two")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"name":…,"number":…,"pairs":[[…,…]]}`
    #[derive(Debug, PartialEq)]
    struct Thing {
        name: Option<String>,
        number: u8,
        pairs: Vec<(i64, bool)>,
    }

    impl FromJson for Thing {
        fn from_json(json: Json) -> Result<Self, Unfit> {
            let mut members = Members::from_json(json)?;
            let thing =
                Self { name: members.take("name")?, number: members.take("number")?, pairs: members.take("pairs")? };
            members.end().map(|()| thing)
        }
    }

    fn read(text: &str) -> Result<Thing, String> {
        read_document(text.as_bytes()).map_err(|unfit| unfit.to_string())
    }

    #[test]
    fn structures_are_read() {
        let thing = Thing { name: None, number: 255, pairs: vec![(i64::MIN, true)] };
        assert_eq!(read(r#"{"pairs":[[-9223372036854775808,true]],"number":255,"name":null}"#).unwrap(), thing);
        assert_eq!(read(r#"{"number":255,"pairs":[[-9223372036854775808,true]]}"#).unwrap(), thing);
    }

    #[test]
    fn what_does_not_fit_says_why() {
        for (text, reason) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{} {}", "trailing characters at line 1 column 4"),
            ("[]", "invalid type, expected a map"),
            ("{}", "missing field `number`"),
            (r#"{"number":1}"#, "missing field `pairs`"),
            (r#"{"number":256,"pairs":[]}"#, "invalid type, expected u8"),
            (r#"{"number":1.5,"pairs":[]}"#, "invalid type, expected i64"),
            (r#"{"number":1,"pairs":[[1]]}"#, "invalid type, expected a list of two"),
            (r#"{"number":1,"pairs":[[1,1]]}"#, "invalid type, expected a boolean"),
            (r#"{"number":1,"pairs":null}"#, "invalid type, expected a sequence"),
            (r#"{"number":1,"pairs":[],"name":2}"#, "invalid type, expected a string"),
            (r#"{"number":1,"pairs":[],"more":2}"#, "unknown field `more`"),
        ] {
            assert_eq!(read(text).unwrap_err(), reason, "{text}");
        }
    }

    #[test]
    fn choices_have_one_name() {
        let read = |text: &str| parse(text.as_bytes()).and_then(choice);
        assert_eq!(read("\"done\"").unwrap(), ("done".to_owned(), Json::Null));
        assert_eq!(read("{\"full\":[]}").unwrap(), ("full".to_owned(), Json::Array(Vec::new())));
        for text in ["{}", "{\"a\":1,\"b\":2}", "null", "[]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn objects_keep_their_order() {
        let object = object(vec![("b", Json::from(1)), ("a", texts_to_json(["x"]))]);
        assert_eq!(object.to_string(), r#"{"b":1,"a":["x"]}"#);
    }
}
