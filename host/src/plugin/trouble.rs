//! Failures on order: what a plugin makes of a system in trouble is seen by letting its capabilities fail.
//!
//! For `plugin check` and `plugin replay` alone. Grants of a sync carry none, and without an order nothing is touched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::capability::http::{Response, unknown_outcome};
use crate::connector::Failure;

/// The failures that the capabilities of a connection answer with. Clones share their orders.
#[derive(Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Order>>>);

struct Order {
    /// None = calls are only counted.
    fault: Option<Fault>,
    of: Calls,
    /// The only call that is struck, from 1; none = each.
    at: Option<u64>,
    calls: u64,
    hits: Hits,
    /// The requests of which nobody knows.
    unknown: Vec<String>,
    /// Answers so far: by what was asked, and the last one by its path.
    answers: HashMap<String, Response>,
    paths: HashMap<String, (String, Response)>,
}

/// How many calls went wrong because of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    pub all: u64,
    /// Those of them that change something and may not be repeated.
    pub changes: u64,
    /// How often a request that was sent and not answered, and may not be repeated, was sent again.
    pub repeats: u64,
}

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    All,
    /// Those that change something and are not said to be idempotent.
    Changes,
}

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is not carried out, and answers with this.
    Refused(Failure),
    /// It is carried out, and answers with this: as the host itself says it of a request that was sent and not answered.
    Unanswered(Failure),
    /// It is carried out, and its answer is not the one it should be.
    Spoiled(Spoil),
}

/// What is wrong with an answer; only those of requests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// The first half of it.
    TruncatedBody,
    /// The one the same request had before.
    StaleRead,
    /// The one another request to the same path had before.
    DuplicatePage,
}

/// What was decided about one request before it was sent.
pub(super) struct Fate {
    fault: Option<Fault>,
    is_change: bool,
    /// What is asked, and its path; none unless something is on order.
    asked: Option<(String, String)>,
}

/// What was decided about another change before it was made.
pub(super) struct Change(Option<Failure>);

impl Change {
    /// What a plugin is answered: of what succeeded, perhaps, that nobody knows.
    pub(super) fn answer<T>(self, answer: Result<T, Failure>) -> Result<T, Failure> {
        answer.and_then(|done| self.0.map_or(Ok(done), Err))
    }
}

impl Trouble {
    /// From now on these calls go wrong.
    pub fn order(&self, of: Calls, fault: Fault) {
        self.put(Some(fault), of, None);
    }

    /// The call of this number, from 1, goes wrong, and no other.
    pub fn order_at(&self, fault: Fault, call: u64) {
        self.put(Some(fault), Calls::All, Some(call));
    }

    /// Nothing goes wrong; calls are counted from now on.
    pub fn count(&self) {
        self.put(None, Calls::All, None);
    }

    fn put(&self, fault: Option<Fault>, of: Calls, at: Option<u64>) {
        let (answers, paths) = (HashMap::new(), HashMap::new());
        *self.lock() =
            Some(Order { fault, of, at, calls: 0, hits: Hits::default(), unknown: Vec::new(), answers, paths });
    }

    /// All is well again; answers how many calls went wrong.
    pub fn end(&self) -> Hits {
        self.lock().take().map_or(Hits::default(), |order| order.hits)
    }

    /// How many calls there have been since something was ordered.
    pub fn calls(&self) -> u64 {
        self.lock().as_ref().map_or(0, |order| order.calls)
    }

    /// How many of them went wrong so far.
    pub fn hits(&self) -> Hits {
        self.lock().as_ref().map_or(Hits::default(), |order| order.hits)
    }

    /// What a call that only looks answers instead of being carried out: whether it was makes no difference.
    pub(super) fn strikes(&self) -> Option<Failure> {
        match self.lock().as_mut()?.next(false)? {
            Fault::Refused(failure) | Fault::Unanswered(failure) => Some(failure),
            Fault::Spoiled(_) => None,
        }
    }

    /// What a change, other than a request, answers instead of being made, or what its answer has to go through.
    pub(super) fn change(&self) -> Result<Change, Failure> {
        match self.lock().as_mut().and_then(|order| order.next(true)) {
            Some(Fault::Refused(failure)) => Err(failure),
            Some(Fault::Unanswered(failure)) => Ok(Change(Some(failure))),
            Some(Fault::Spoiled(_)) | None => Ok(Change(None)),
        }
    }

    /// What becomes of a request: the error it answers with instead of being sent, and what its answer has to go through.
    pub(super) fn fate(
        &self,
        is_change: bool,
        asked: impl FnOnce() -> (String, String),
    ) -> (Result<(), Failure>, Fate) {
        let mut order = self.lock();
        let Some(order) = order.as_mut() else { return (Ok(()), Fate { fault: None, is_change, asked: None }) };
        match order.next(is_change) {
            Some(Fault::Refused(failure)) => (Err(failure), Fate { fault: None, is_change, asked: None }),
            fault => {
                let asked = asked();
                order.hits.repeats += u64::from(order.unknown.contains(&asked.0));
                if is_change && matches!(fault, Some(Fault::Unanswered(_))) {
                    order.unknown.push(asked.0.clone());
                }
                (Ok(()), Fate { fault, is_change, asked: Some(asked) })
            }
        }
    }

    /// What a plugin is answered.
    pub(super) fn answer(&self, fate: Fate, answer: Result<Response, Failure>) -> Result<Response, Failure> {
        let Some((asked, path)) = fate.asked else { return answer };
        let mut order = self.lock();
        let Some(order) = order.as_mut() else { return answer };
        let answer = answer?;
        let spoiled = match fate.fault {
            // The host repeats what may be repeated: only of what may not it says that nobody knows.
            Some(Fault::Unanswered(failure)) if fate.is_change => return Err(unknown_outcome(failure, "request")),
            Some(Fault::Refused(failure) | Fault::Unanswered(failure)) => return Err(failure),
            Some(Fault::Spoiled(spoil)) => order.spoil(spoil, &asked, &path, &answer),
            None => None,
        };
        if spoiled.is_some() {
            order.hits.add(fate.is_change);
        }
        order.answers.insert(asked.clone(), answer.clone());
        order.paths.insert(path, (asked, answer.clone()));
        Ok(spoiled.unwrap_or(answer))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hits {
    fn add(&mut self, is_change: bool) {
        self.all += 1;
        self.changes += u64::from(is_change);
    }
}

impl Order {
    /// Counts a call; what is to become of it, if anything.
    fn next(&mut self, is_change: bool) -> Option<Fault> {
        if !is_change && self.of == Calls::Changes {
            return None;
        }
        self.calls += 1;
        if self.at.is_some_and(|at| at != self.calls) {
            return None;
        }
        let fault = self.fault.clone()?;
        // Whether an answer can be spoiled shows when it is there.
        if !matches!(fault, Fault::Spoiled(_)) {
            self.hits.add(is_change);
        }
        Some(fault)
    }

    /// None if there is no such answer, or it is the same.
    fn spoil(&self, spoil: Spoil, asked: &str, path: &str, answer: &Response) -> Option<Response> {
        let other = match spoil {
            Spoil::TruncatedBody => {
                let half = answer.body.get(..answer.body.len() / 2).unwrap_or_default().to_vec();
                Response { body: half, ..answer.clone() }
            }
            Spoil::StaleRead => self.answers.get(asked)?.clone(),
            Spoil::DuplicatePage => {
                let (other, page) = self.paths.get(path)?;
                if other == asked {
                    return None;
                }
                page.clone()
            }
        };
        (other.body != answer.body).then_some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::FailureKind;
    use crate::error::codes;

    fn failure() -> Failure {
        Failure::new(FailureKind::Transient, &codes::HTTP_FAILED, "http", "no answer")
    }

    #[test]
    fn only_what_was_ordered_fails() {
        let trouble = Trouble::default();
        assert!(trouble.strikes().is_none() && trouble.change().is_ok());
        trouble.order(Calls::Changes, Fault::Refused(failure()));
        assert!(trouble.strikes().is_none());
        assert!(trouble.clone().change().is_err());
        trouble.order(Calls::All, Fault::Refused(failure()));
        assert!(trouble.strikes().is_some());
        assert_eq!((trouble.end(), trouble.end()), (Hits { all: 1, ..Hits::default() }, Hits::default()));
        assert!(trouble.strikes().is_none());
    }

    #[test]
    fn a_change_that_is_made_and_not_answered_is_made() {
        let trouble = Trouble::default();
        trouble.order_at(Fault::Unanswered(failure()), 2);
        let mut made = 0;
        let mut change = || -> Result<u64, Failure> {
            let change = trouble.change()?;
            made += 1;
            change.answer(Ok(made))
        };
        assert_eq!(change().unwrap(), 1);
        assert_eq!(change().unwrap_err().message, "no answer");
        assert_eq!(change().unwrap(), 3);
        assert_eq!(trouble.end(), Hits { all: 1, changes: 1, repeats: 0 });
        trouble.order_at(Fault::Refused(failure()), 1);
        assert!(trouble.change().is_err(), "what is refused is not made");
    }

    #[test]
    fn nobody_knows_only_what_may_not_be_repeated() {
        let response = Response { status: 200, headers: Vec::new(), body: Vec::new() };
        for (is_change, outcome) in [(true, Some("unknown")), (false, None)] {
            let trouble = Trouble::default();
            trouble.order(Calls::All, Fault::Unanswered(failure()));
            let (sent, fate) = trouble.fate(is_change, || ("POST /".to_owned(), "/".to_owned()));
            assert!(sent.is_ok(), "it is sent");
            let told = trouble.answer(fate, Ok(response.clone())).unwrap_err();
            assert_eq!((told.kind, told.properties.get("outcome")), (FailureKind::Transient, outcome));
            let (_, _) = trouble.fate(is_change, || ("POST /".to_owned(), "/".to_owned()));
            assert_eq!(trouble.end().repeats, u64::from(is_change));
        }
    }

    fn ask(trouble: &Trouble, target: &str, body: &str) -> String {
        let (sent, fate) = trouble.fate(false, || (format!("GET {target}"), "GET /a".to_owned()));
        let answer = Response { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
        match sent.and_then(|()| trouble.answer(fate, Ok(answer))) {
            Ok(answer) => String::from_utf8(answer.body).unwrap(),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn one_call_is_struck_and_its_answer_is_not_the_one_it_should_be() {
        let trouble = Trouble::default();
        let check = |fault: Fault, expected: [&str; 3], hits: u64| {
            trouble.order_at(fault, 3);
            let answers = [ask(&trouble, "/a?1", "one1"), ask(&trouble, "/a?2", "two2"), ask(&trouble, "/a?1", "ONE1")];
            assert_eq!(answers, expected);
            assert_eq!((trouble.calls(), trouble.end().all), (3, hits));
        };
        check(Fault::Refused(failure()), ["one1", "two2", "no answer"], 1);
        check(Fault::Unanswered(failure()), ["one1", "two2", "no answer"], 1);
        check(Fault::Spoiled(Spoil::TruncatedBody), ["one1", "two2", "ON"], 1);
        check(Fault::Spoiled(Spoil::StaleRead), ["one1", "two2", "one1"], 1);
        check(Fault::Spoiled(Spoil::DuplicatePage), ["one1", "two2", "two2"], 1);
        trouble.order_at(Fault::Spoiled(Spoil::DuplicatePage), 1);
        assert_eq!((ask(&trouble, "/a", "x").as_str(), trouble.end().all), ("x", 0), "there is none to repeat");
    }
}
