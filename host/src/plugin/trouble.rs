//! Failures on order: what a plugin makes of a system in trouble is seen by letting its capabilities fail.
//!
//! For `plugin check` and `plugin replay` alone. Grants of a sync carry none, and without an order nothing is touched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::capability::http::Response;
use crate::connector::Failure;

/// The failures that the capabilities of a connection answer with. Clones share their orders.
#[derive(Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Order>>>);

struct Order {
    fault: Fault,
    of: Calls,
    /// The only call that is struck, from 1; none = each.
    at: Option<u64>,
    calls: u64,
    /// How many calls went wrong because of it.
    hits: u64,
    /// Answers so far: by what was asked, and the last one by its path.
    answers: HashMap<String, Response>,
    paths: HashMap<String, (String, Response)>,
}

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    All,
    /// Requests that change something and are not said to be idempotent.
    Changes,
}

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is not carried out, and answers with this.
    Refused(Failure),
    /// It is carried out, and answers with this.
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
    /// What is asked, and its path; none unless something is on order.
    asked: Option<(String, String)>,
}

impl Trouble {
    /// From now on these calls are not carried out; they answer with the failure.
    pub fn order(&self, of: Calls, failure: Failure) {
        self.put(Fault::Refused(failure), of, None);
    }

    /// The call of this number, from 1, goes wrong, and no other.
    pub fn order_at(&self, fault: Fault, call: u64) {
        self.put(fault, Calls::All, Some(call));
    }

    fn put(&self, fault: Fault, of: Calls, at: Option<u64>) {
        let (answers, paths) = (HashMap::new(), HashMap::new());
        *self.lock() = Some(Order { fault, of, at, calls: 0, hits: 0, answers, paths });
    }

    /// All is well again; answers how many calls went wrong.
    pub fn end(&self) -> u64 {
        self.lock().take().map_or(0, |order| order.hits)
    }

    /// How many calls there have been since something was ordered.
    pub fn calls(&self) -> u64 {
        self.lock().as_ref().map_or(0, |order| order.calls)
    }

    /// What this call answers instead of being carried out. Whether something that only looks was carried out makes no difference.
    pub(super) fn strikes(&self, is_change: bool) -> Option<Failure> {
        match self.lock().as_mut()?.next(is_change)? {
            Fault::Refused(failure) | Fault::Unanswered(failure) => Some(failure),
            Fault::Spoiled(_) => None,
        }
    }

    /// What becomes of a request: the error it answers with instead of being sent, and what its answer has to go through.
    pub(super) fn fate(
        &self,
        is_change: bool,
        asked: impl FnOnce() -> (String, String),
    ) -> (Result<(), Failure>, Fate) {
        let mut order = self.lock();
        let Some(order) = order.as_mut() else { return (Ok(()), Fate { fault: None, asked: None }) };
        match order.next(is_change) {
            Some(Fault::Refused(failure)) => (Err(failure), Fate { fault: None, asked: None }),
            fault => (Ok(()), Fate { fault, asked: Some(asked()) }),
        }
    }

    /// What a plugin is answered.
    pub(super) fn answer(&self, fate: Fate, answer: Result<Response, Failure>) -> Result<Response, Failure> {
        let Some((asked, path)) = fate.asked else { return answer };
        let mut order = self.lock();
        let Some(order) = order.as_mut() else { return answer };
        let answer = answer?;
        let spoiled = match fate.fault {
            Some(Fault::Refused(failure) | Fault::Unanswered(failure)) => return Err(failure),
            Some(Fault::Spoiled(spoil)) => order.spoil(spoil, &asked, &path, &answer),
            None => None,
        };
        order.hits += u64::from(spoiled.is_some());
        order.answers.insert(asked.clone(), answer.clone());
        order.paths.insert(path, (asked, answer.clone()));
        Ok(spoiled.unwrap_or(answer))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        // Whether an answer can be spoiled shows when it is there.
        self.hits += u64::from(!matches!(self.fault, Fault::Spoiled(_)));
        Some(self.fault.clone())
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

    #[test]
    fn only_what_was_ordered_fails() {
        let trouble = Trouble::default();
        let failure = || Failure::new(FailureKind::Transient, &codes::HTTP_FAILED, "http", "no answer");
        assert!(trouble.strikes(true).is_none());
        trouble.order(Calls::Changes, failure());
        assert!(trouble.strikes(false).is_none());
        assert!(trouble.clone().strikes(true).is_some());
        trouble.order(Calls::All, failure());
        assert!(trouble.strikes(false).is_some());
        assert_eq!((trouble.end(), trouble.end()), (1, 0));
        assert!(trouble.strikes(true).is_none());
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
            assert_eq!((trouble.calls(), trouble.end()), (3, hits));
        };
        let failure = || Failure::new(FailureKind::Transient, &codes::HTTP_FAILED, "http", "no answer");
        check(Fault::Refused(failure()), ["one1", "two2", "no answer"], 1);
        check(Fault::Unanswered(failure()), ["one1", "two2", "no answer"], 1);
        check(Fault::Spoiled(Spoil::TruncatedBody), ["one1", "two2", "ON"], 1);
        check(Fault::Spoiled(Spoil::StaleRead), ["one1", "two2", "one1"], 1);
        check(Fault::Spoiled(Spoil::DuplicatePage), ["one1", "two2", "two2"], 1);
        trouble.order_at(Fault::Spoiled(Spoil::DuplicatePage), 1);
        assert_eq!((ask(&trouble, "/a", "x").as_str(), trouble.end()), ("x", 0), "there is none to repeat");
    }
}
