//! Why JSON makes no sense, in words.

use lockstep_json::{DEPTH_MAX, Fault};
use lockstep_plugin_sdk::error::Error;
use lockstep_plugin_sdk::http::answer::beginning;

/// Why the text of an answer makes no sense. One that breaks off may be whole the next time.
pub fn fault(text: &str, fault: Fault) -> Error {
    let message = describe(text.as_bytes(), fault);
    let error = match fault {
        Fault::Syntax { at, .. } if at >= text.trim_ascii_end().len() => {
            Error::transient(format!("the answer breaks off: {message}")).with_code("http.cut-off")
        }
        _ => Error::permanent(format!("the answer is not JSON as it should be: {message}")).with_code("http.json"),
    };
    error.with_property("detail", beginning(text.as_bytes()))
}

/// What is wrong with a JSON text.
pub fn describe(text: &[u8], fault: Fault) -> String {
    match fault {
        Fault::Syntax { at, expected } => format!("expected {expected} at byte {}", at + 1),
        Fault::NotAnObject => "it is not an object".to_owned(),
        Fault::TooDeep { .. } => format!("objects and lists are nested more than {DEPTH_MAX} deep"),
        Fault::Surrogate { at } => format!("the escape at byte {} is only half of a character", at + 1),
        Fault::DuplicateKey { key } => {
            format!("the key `{}` occurs twice in an object", String::from_utf8_lossy(&key.of(text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_json::Document;
    use lockstep_plugin_sdk::error::ErrorKind;

    #[test]
    fn an_answer_that_breaks_off_may_be_whole_the_next_time() {
        let found = |text: &str| {
            let read = Document::new(text.as_bytes()).value();
            fault(text, read.unwrap_err())
        };
        for text in ["{\"a\":[1,", "{\"a\":\"b", "{\"a\"", "[tru"] {
            assert!(found(text).is(ErrorKind::Transient) || text == "[tru", "{text}");
        }
        assert!(found("{\"a\":x}").is(ErrorKind::Permanent));
        assert_eq!(found(&"[".repeat(100)).code, "http.json");
    }
}
