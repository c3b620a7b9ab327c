//! What an endpoint shows after it was given the same values once more: the form it keeps them in, or what somebody made of them.

use super::{Rules, Sent, SentKind};
use crate::record::Value;

/// A field, what was sent for it and what is shown instead.
pub type Shows = (usize, Value, Value);

/// How often in a row it may be left open what a field shows: an endpoint may never show the same.
const DOUBTS_MAX: usize = 3;

/// What a record shows after a question, or of a write that it did not show at first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// As before it: the endpoint's form, if the question has arrived.
    pub same: Vec<Shows>,
    /// What was asked, or a form of it: what it showed before was somebody's.
    pub ours: Vec<Shows>,
    /// Nothing like it: somebody has changed it since.
    pub theirs: Vec<Shows>,
    /// Another form than before it: one of the two is somebody's. Or a form that was not asked about yet. With what it shows now.
    pub doubtful: Vec<Shows>,
    /// What the doubtful ones showed before, the last one at the end.
    pub earlier: Vec<(usize, Value)>,
}

impl Answer {
    pub fn of(sent: &Sent, values: &[Option<Value>], rules: &Rules) -> Self {
        if sent.kind == SentKind::Unseen {
            return Self { doubtful: differing(sent, values, rules), ..Self::default() };
        }
        let mut answer = Self::default();
        for ((field, asked), (_, before)) in sent.patch.iter().zip(&sent.shown) {
            let shows = (*field, asked.clone(), before.clone());
            let Some(now) = values.get(*field).and_then(Option::as_ref).filter(|now| *now != before) else {
                answer.same.push(shows);
                continue;
            };
            let is_known = now == asked || sent.shown_earlier(*field).any(|earlier| earlier == now);
            let may_ask = sent.shown_earlier(*field).count() < DOUBTS_MAX;
            match rules.is_form(*field, now, asked) {
                false => answer.theirs.push(shows),
                true if is_known || !may_ask => answer.ours.push(shows),
                true => {
                    answer.keep_earlier(sent, *field);
                    answer.earlier.push((*field, before.clone()));
                    answer.doubtful.push((*field, asked.clone(), now.clone()));
                }
            }
        }
        answer
    }

    /// It is not known whether the question has arrived: what is as before it has to be asked again.
    pub fn doubt_same(&mut self, sent: &Sent) {
        for shows in std::mem::take(&mut self.same) {
            self.keep_earlier(sent, shows.0);
            self.doubtful.push(shows);
        }
    }

    /// Somebody's values that questions have overwritten, the newest of each field.
    pub fn lost(&self, sent: &Sent) -> Vec<Shows> {
        let earlier = |(field, asked, shown): &Shows| {
            let earlier = sent.shown_earlier(*field).filter(|earlier| *earlier != shown).last()?;
            Some((*field, asked.clone(), earlier.clone()))
        };
        self.ours.iter().cloned().chain(self.same.iter().filter_map(earlier)).collect()
    }

    fn keep_earlier(&mut self, sent: &Sent, field: usize) {
        self.earlier.extend(sent.shown_earlier(field).map(|earlier| (field, earlier.clone())));
    }
}

/// What is shown of a write in what may be a form of it. Nothing was asked yet.
fn differing(sent: &Sent, values: &[Option<Value>], rules: &Rules) -> Vec<Shows> {
    let differs = |(field, given): &(usize, Value)| {
        let is_form = |shown: &&Value| *shown != given && rules.is_form(*field, shown, given);
        let shown = values.get(*field)?.as_ref().filter(is_form)?;
        Some((*field, given.clone(), shown.clone()))
    };
    sent.patch.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Policy;
    use crate::resolve::tests::rules;

    /// Answers to questions for 27148, which is shown rounded one way or the other: what is shown after each of them. Ends with the form
    /// it is found to have, and what was somebody's.
    fn ask(first: i64, answers: &[i64]) -> (Option<i64>, Option<i64>) {
        let rules = rules(Policy::Manual);
        let mut sent = Sent {
            kind: SentKind::Asked,
            patch: vec![(0, Value::Int(27148))],
            at: 0,
            shown: vec![(0, Value::Int(first))],
            shown_at: None,
        };
        for shown in answers {
            let answer = Answer::of(&sent, &[Some(Value::Int(*shown))], &rules);
            let lost = answer.lost(&sent).first().and_then(|(_, _, lost)| number(lost));
            match answer.doubtful.is_empty() {
                true if answer.theirs.is_empty() => return (Some(*shown), lost),
                true => return (None, lost),
                false => {
                    let now = answer.doubtful.iter().map(|(field, _, now)| (*field, now.clone()));
                    sent.shown = now.chain(answer.earlier).collect();
                }
            }
        }
        (None, None)
    }

    fn number(value: &Value) -> Option<i64> {
        if let Value::Int(number) = value { Some(*number) } else { None }
    }

    #[test]
    fn what_is_shown_again_is_the_form() {
        assert_eq!(ask(27150, &[27150]), (Some(27150), None));
    }

    #[test]
    fn what_is_shown_as_it_was_asked_was_somebodys_before() {
        assert_eq!(ask(27150, &[27148]), (Some(27148), Some(27150)));
    }

    #[test]
    fn of_two_forms_the_one_that_is_shown_again_is_the_form_and_the_other_somebodys() {
        assert_eq!(ask(27150, &[27200, 27150]), (Some(27150), Some(27200)));
        assert_eq!(ask(27150, &[27200, 27200]), (Some(27200), Some(27150)));
        assert_eq!(ask(27150, &[27200, 27148]), (Some(27148), Some(27200)));
    }

    #[test]
    fn who_never_shows_the_same_is_asked_a_few_times_and_no_more() {
        assert_eq!(ask(27150, &[27140, 27100, 27200]), (None, None));
        assert_eq!(ask(27150, &[27140, 27100, 27200, 27000]), (Some(27000), Some(27200)));
    }

    #[test]
    fn what_is_nothing_like_it_is_somebodys() {
        assert_eq!(ask(27150, &[5]), (None, None));
    }
}
