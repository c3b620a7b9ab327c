//! Answers to requests that wrote several records, row by row.

use lockstep_json::Node;
use lockstep_plugin_sdk::error::Error;

use super::verdict::{Circumstances, Verdict, judge};
use crate::manifest::Manifest;
use crate::manifest::rules::all;
use crate::manifest::writing::Writing;
use crate::trouble::told;

/// A row of a request: what it is called in the answer, if that tells.
pub struct Asked {
    pub token: Option<String>,
    pub about: Circumstances,
}

/// What an answer says of each row.
pub fn sort_out(manifest: &Manifest, writing: &Writing, asked: &[Asked], status: u16, document: &Node) -> Vec<Verdict> {
    let Some(path) = &writing.results else {
        return asked.iter().map(|_| Verdict::Done(Node::Null)).collect();
    };
    let results = document.at(path).map(Node::list).unwrap_or_default();
    let mut verdicts: Vec<Option<Verdict>> = asked.iter().map(|_| None).collect();
    let one = |result: &Node, about: Circumstances| match writing.failed.iter().any(|test| test.holds(result)) {
        true => judge(about, &told(manifest, status_of(result, status), result, about.deed.name())),
        false => Verdict::Done(result.clone()),
    };
    match &writing.token {
        // Of a list that is longer or shorter nobody knows what belongs to which row.
        None if results.len() == asked.len() => {
            for ((place, result), row) in verdicts.iter_mut().zip(results).zip(asked) {
                *place = Some(one(result, row.about));
            }
        }
        None => {}
        Some(token) => {
            for result in results {
                for place in places(asked, all(result, &token.result), token.ignores_case) {
                    set(&mut verdicts, place, |at| asked.get(at).map(|row| one(result, row.about)));
                }
            }
            let errors = writing.errors.as_ref().and_then(|path| document.at(path)).map(Node::list).unwrap_or_default();
            for error in errors {
                let failure = |about: Circumstances| {
                    judge(about, &told(manifest, status_of(error, status), error, about.deed.name()))
                };
                for place in places(asked, all(error, &token.error), token.ignores_case) {
                    set(&mut verdicts, place, |at| asked.get(at).map(|row| failure(row.about)));
                }
            }
        }
    }
    verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| Verdict::Unknown(untold()))).collect()
}

/// A failure within a success is no success.
fn status_of(error: &Node, status: u16) -> u16 {
    let own = error.get("status").or_else(|| error.get("statusCode")).and_then(Node::said);
    let own = own.and_then(|own| own.parse::<i64>().ok()).and_then(|own| u16::try_from(own).ok());
    own.unwrap_or(if (200..300).contains(&status) { 400 } else { status })
}

/// What is said twice about a row is not believed.
fn set(verdicts: &mut [Option<Verdict>], at: usize, verdict: impl Fn(usize) -> Option<Verdict>) {
    if let Some(place) = verdicts.get_mut(at) {
        *place = match place {
            None => verdict(at),
            Some(_) => Some(Verdict::Unknown(untold())),
        };
    }
}

/// The rows that are meant.
fn places(asked: &[Asked], tokens: Vec<&Node>, ignores_case: bool) -> Vec<usize> {
    let flat = tokens
        .into_iter()
        .flat_map(|token| if let Node::List(list) = token { list.iter().collect() } else { vec![token] });
    let same = |a: &str, b: &str| if ignores_case { a.eq_ignore_ascii_case(b) } else { a == b };
    let found = flat
        .filter_map(Node::said)
        .filter_map(|said| asked.iter().position(|row| row.token.as_ref().is_some_and(|token| same(token, &said))));
    found.collect()
}

fn untold() -> Error {
    Error::transient("the API's answer does not say what became of the record").with_code("api.no-result")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;
    use crate::manifest::place::Place;
    use crate::manifest::request::Known;
    use crate::manifest::tests::with_errors;
    use crate::sink::verdict::Deed;

    fn node(text: &str) -> Node {
        Node::read(text.as_bytes()).unwrap()
    }

    fn check(writing: &str, tokens: &[&str], answer: &str, expected: &[&str]) {
        let manifest =
            with_errors(r#"{"code":["code"],"message":["message"],"rules":[{"code":"conflict","means":"changed"}]}"#);
        let mut described = node(r#"{"path":"/x","method":"POST"}"#);
        described.merge(node(writing));
        let known = Known { protocol: &Json, envelopes: Vec::new() };
        let writing = Writing::read(&Place::root(&described), &known, &[]).unwrap();
        let about = Circumstances { deed: Deed::Update, has_version: true, is_addressed: false, is_repeatable: false };
        let asked: Vec<Asked> = tokens.iter().map(|token| Asked { token: Some((*token).to_owned()), about }).collect();
        let verdicts = sort_out(&manifest, &writing, &asked, 207, &node(answer));
        let shown: Vec<String> = verdicts
            .iter()
            .map(|verdict| format!("{verdict:?}").split(['(', ' ']).next().unwrap().to_owned())
            .collect();
        assert_eq!(shown, expected, "{answer}");
    }

    #[test]
    fn results_belong_to_rows_by_their_order_if_there_are_as_many() {
        let writing = r#"{"results":"docs","failed":["code"]}"#;
        let answer = r#"{"docs":[{"ok":true},{"code":"conflict"},{"code":"x","message":"no"}]}"#;
        check(writing, &["a", "b", "c"], answer, &["Done", "Conflict", "Rejected"]);
        check(writing, &["a", "b"], r#"{"docs":[{"ok":true}]}"#, &["Unknown", "Unknown"]);
        check(writing, &["a"], r#"{}"#, &["Unknown"]);
    }

    #[test]
    fn results_belong_to_rows_by_what_they_are_called() {
        let writing =
            r#"{"results":"results","errors":"errors","token":{"row":"${token}","result":"id","error":"context.ids"}}"#;
        let answer =
            r#"{"results":[{"id":"c"},{"id":1}],"errors":[{"code":"x","message":"no","context":{"ids":["a"]}}]}"#;
        check(writing, &["a", "b", "c", "1"], answer, &["Rejected", "Unknown", "Done", "Done"]);
        check(writing, &["a"], r#"{"results":[{"id":"a"},{"id":"a"}]}"#, &["Unknown"]);
        let folded = r#"{"results":"r","token":{"row":"${token}","result":"id","ignore_case":true}}"#;
        check(folded, &["A"], r#"{"r":[{"id":"a"}]}"#, &["Done"]);
    }
}
