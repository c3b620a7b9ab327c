//! Writes on their way: put into requests, judged row by row, parted where one row spoils the others, and sent once more where the first
//! answer cannot be believed.

use lockstep_json::Node;
use lockstep_plugin_sdk::error::Error;

use super::results::{Asked, sort_out};
use super::verdict::{Circumstances, Deed, Verdict, is_worth_splitting, judge, last_word, unanswered};
use crate::Result;
use crate::answer::Answer;
use crate::connection::{Connection, Job, by_chance};
use crate::manifest::stream::StreamSpec;
use crate::manifest::template::{self, Scope};
use crate::manifest::writing::Writing;
use crate::trouble::open;

/// One write.
#[derive(Clone, Debug)]
pub struct Task {
    /// The row of the page it is about.
    pub row: u32,
    pub deed: Deed,
    /// What the names of the templates stand for.
    pub names: Vec<(String, Node)>,
    pub has_version: bool,
}

/// Makes the writes; each is answered in its place, with a verdict that stands. `refresh` gives a task the version its record has now.
pub fn perform(
    connection: &Connection,
    spec: &StreamSpec,
    tasks: &[Task],
    refresh: impl Fn(&[Task]) -> Result<Vec<Option<Task>>>,
) -> Vec<Verdict> {
    let mut verdicts = attempt(connection, spec, tasks);
    let is_open = |verdict: &Verdict| matches!(verdict, Verdict::Again(_) | Verdict::WantsVersion(_));
    let doubtful: Vec<usize> = (0..tasks.len()).filter(|at| verdicts.get(*at).is_some_and(is_open)).collect();
    if doubtful.is_empty() {
        return verdicts;
    }
    let mut again: Vec<Task> = doubtful.iter().filter_map(|at| tasks.get(*at).cloned()).collect();
    if doubtful.iter().any(|at| matches!(verdicts.get(*at), Some(Verdict::WantsVersion(_)))) {
        let fresh = refresh(&again).unwrap_or_default();
        for (task, fresh) in again.iter_mut().zip(fresh) {
            fresh.into_iter().for_each(|fresh| *task = fresh);
        }
    }
    for (at, verdict) in doubtful.into_iter().zip(attempt(connection, spec, &again)) {
        if let Some(known) = verdicts.get_mut(at) {
            *known = last_word(verdict);
        }
    }
    verdicts
}

/// Every task once; in parts, as long as a request with several of them is refused.
fn attempt(connection: &Connection, spec: &StreamSpec, tasks: &[Task]) -> Vec<Verdict> {
    let mut verdicts: Vec<Option<Verdict>> = tasks.iter().map(|_| None).collect();
    let mut groups = grouped(spec, tasks);
    while !groups.is_empty() {
        let jobs: Vec<Job<'_>> = groups
            .iter()
            .filter_map(|group| {
                let writing = writing(spec, group.deed)?;
                let scope = scope(connection, writing, tasks, &group.places);
                Some(Job { request: &writing.request, scope, target: None })
            })
            .collect();
        let replies = connection.send_all(&jobs);
        let mut parts = Vec::new();
        for (group, reply) in groups.iter().zip(replies) {
            match judged(connection, spec, tasks, group, reply) {
                Some(judged) => {
                    for (place, verdict) in group.places.iter().zip(judged) {
                        if let Some(known) = verdicts.get_mut(*place) {
                            *known = Some(verdict);
                        }
                    }
                }
                None => parts.extend(group.halves()),
            }
        }
        groups = parts;
    }
    let unwritten =
        || Verdict::Rejected(Error::config("the manifest does not say how to do it").with_code("api.no-way"));
    verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(unwritten)).collect()
}

/// Tasks that go in one request.
struct Group {
    deed: Deed,
    places: Vec<usize>,
}

impl Group {
    fn halves(&self) -> [Self; 2] {
        let (first, second) = self.places.split_at(self.places.len() / 2);
        [first, second].map(|places| Self { deed: self.deed, places: places.to_vec() })
    }
}

pub fn writing(spec: &StreamSpec, deed: Deed) -> Option<&Writing> {
    match deed {
        Deed::Create => spec.create.as_ref(),
        Deed::Upsert => spec.upsert.as_ref(),
        Deed::Update => spec.update.as_ref(),
        Deed::Delete => spec.delete.as_ref(),
    }
}

fn grouped(spec: &StreamSpec, tasks: &[Task]) -> Vec<Group> {
    let mut groups = Vec::new();
    for deed in [Deed::Delete, Deed::Update, Deed::Upsert, Deed::Create] {
        let Some(writing) = writing(spec, deed) else { continue };
        let places = tasks.iter().enumerate().filter(|(_, task)| task.deed == deed).map(|(place, _)| place);
        let places: Vec<usize> = places.collect();
        groups.extend(places.chunks(writing.size.max(1)).map(|places| Group { deed, places: places.to_vec() }));
    }
    groups
}

/// The names of a request: those of its only task, and the rows of all.
fn scope<'a>(connection: &'a Connection, writing: &Writing, tasks: &[Task], places: &[usize]) -> Scope<'a> {
    let mut scope = connection.scope();
    scope.set("nonce", Node::text(by_chance()));
    let chosen: Vec<&Task> = places.iter().filter_map(|place| tasks.get(*place)).collect();
    let rows = chosen.iter().map(|task| {
        let mut inner = Scope::inside(&scope);
        inner.set_all(&task.names);
        template::document(&writing.row, &inner).unwrap_or_default()
    });
    let rows: Vec<Node> = rows.collect();
    if let [only] = chosen.as_slice() {
        scope.set_all(&only.names);
    }
    scope.set("rows", Node::List(rows));
    scope
}

/// What became of a group's rows; none if they have to be tried apart.
fn judged(
    connection: &Connection,
    spec: &StreamSpec,
    tasks: &[Task],
    group: &Group,
    reply: Result<Answer>,
) -> Option<Vec<Verdict>> {
    let writing = writing(spec, group.deed)?;
    let manifest = &connection.manifest;
    let asked: Vec<Asked> =
        group.places.iter().filter_map(|place| tasks.get(*place)).map(|task| asked(writing, task)).collect();
    let first = asked.first()?.about;
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Some(asked.iter().map(|row| unanswered(row.about, (*error).clone())).collect()),
    };
    // Nothing more to say is an answer, too.
    let says_nothing = reply.reply.is_success() && reply.is_empty;
    let document = match says_nothing {
        true => Ok(Node::Null),
        false => open(manifest, &reply, group.deed.name()),
    };
    match document {
        Ok(document) if writing.size > 1 || writing.results.is_some() => {
            Some(sort_out(manifest, writing, &asked, reply.status(), &document))
        }
        Ok(document) => Some(asked.iter().map(|_| Verdict::Done(document.clone())).collect()),
        Err(failed) => {
            let is_parted = asked.len() > 1 && is_worth_splitting(&failed, &judge(first, &failed));
            (!is_parted).then(|| asked.iter().map(|row| judge(row.about, &failed)).collect())
        }
    }
}

fn asked(writing: &Writing, task: &Task) -> Asked {
    let path = writing.request.path.as_deref().unwrap_or_default();
    let about = Circumstances {
        deed: task.deed,
        has_version: task.has_version,
        is_addressed: path.contains("${key.") || path.contains("${md5."),
        is_repeatable: writing.request.is_idempotent == Some(true),
    };
    let mut scope = Scope::default();
    scope.set_all(&task.names);
    let token = writing.token.as_ref().and_then(|token| template::text(&token.row, &scope, str::to_owned));
    Asked { token, about }
}
