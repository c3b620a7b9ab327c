//! Talking to one API: requests out of templates, and the session they need.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;

use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::http::{Ask, Service, ask_all, encode};

use crate::Result;
use crate::answer::Answer;
use crate::failure::{Say as _, failure};
use crate::manifest::request::{Body, Request, set};
use crate::manifest::rules::Meaning;
use crate::manifest::template::{self, Scope};
use crate::manifest::{Login, Manifest};
use crate::trouble::open;

/// The alias a connection grants its origin under.
pub const ALIAS: &str = "api";

const UNANSWERED: &str = "api.unanswered";
/// What stands for the credentials of the connection within a body.
const SECURITY: &str = "security";

type Session = Vec<(String, Node)>;

thread_local! {
    /// What the last login of this instance gave. An instance serves one connection only.
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

#[derive(Clone, Debug)]
pub struct Connection {
    pub manifest: Rc<Manifest>,
    pub service: Service,
}

/// A request and what its names stand for.
pub struct Job<'a> {
    pub request: &'a Request,
    pub scope: Scope<'a>,
    /// Where it goes, if the API itself has said so.
    pub target: Option<&'a str>,
}

impl Connection {
    pub fn new(manifest: Rc<Manifest>) -> Result<Self> {
        let mut scope = Scope::default();
        scope.set_all(&manifest.parameters);
        let base = template::text(&manifest.base, &scope, encode).unwrap_or_default();
        Ok(Self { service: Service::new(&base), manifest })
    }

    /// What is the same in all requests.
    pub fn scope(&self) -> Scope<'_> {
        let mut scope = Scope::default();
        scope.set_all(&self.manifest.parameters);
        scope
    }

    /// Sends a request.
    pub fn send(&self, request: &Request, scope: Scope<'_>) -> Result<Answer> {
        let mut replies = self.send_all(&[Job { request, scope, target: None }]);
        replies.pop().unwrap_or_else(|| Err(unanswered()))
    }

    /// Sends requests side by side; each is answered in its place. A session that is over is begun anew, once.
    pub fn send_all(&self, jobs: &[Job<'_>]) -> Vec<Result<Answer>> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let session = match self.session() {
            Ok(session) => session,
            Err(error) => return jobs.iter().map(|_| Err(not_sent(error.clone()))).collect(),
        };
        let mut replies = self.ask_all(&jobs.iter().collect::<Vec<_>>(), &session);
        if self.manifest.login.is_none() {
            return replies;
        }
        let is_over = |reply: &Result<Answer>| reply.as_ref().is_ok_and(|reply| self.is_session_over(reply));
        let again: Vec<usize> = (0..replies.len()).filter(|at| replies.get(*at).is_some_and(is_over)).collect();
        if again.is_empty() {
            return replies;
        }
        SESSION.with_borrow_mut(|session| *session = None);
        let Ok(session) = self.session() else { return replies };
        let repeated: Vec<&Job<'_>> = again.iter().filter_map(|at| jobs.get(*at)).collect();
        for (at, reply) in again.into_iter().zip(self.ask_all(&repeated, &session)) {
            if let Some(place) = replies.get_mut(at) {
                *place = reply;
            }
        }
        replies
    }

    fn ask_all(&self, jobs: &[&Job<'_>], session: &Session) -> Vec<Result<Answer>> {
        let mut asks = Vec::with_capacity(jobs.len());
        let mut answers: Vec<Result<Answer>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            match self.ask_job(job, session) {
                Ok(ask) => {
                    asks.push(ask);
                    answers.push(Err(unanswered()));
                }
                Err(error) => answers.push(Err(unsent(error))),
            }
        }
        let mut replies = ask_all(ALIAS, asks).into_iter();
        for (job, answer) in jobs.iter().zip(&mut answers) {
            if answer.as_ref().is_err_and(|error| error.code == UNANSWERED)
                && let Some(reply) = replies.next()
            {
                *answer = match reply {
                    Ok(reply) => Ok(Answer::new(&*self.manifest.protocol, job.request, reply)),
                    Err(error) => Err(error.into()),
                };
            }
        }
        answers
    }

    fn ask_job(&self, job: &Job<'_>, session: &Session) -> Result<Ask> {
        let mut ask = self.ask(job.request, &job.scope, session)?;
        if let Some(target) = job.target {
            target.clone_into(&mut ask.target);
        }
        Ok(ask)
    }

    /// Where a request goes to.
    pub fn target(&self, request: &Request, scope: &Scope<'_>) -> Result<String> {
        Ok(self.ask(request, scope, &self.session()?)?.target)
    }

    fn ask(&self, request: &Request, scope: &Scope<'_>, session: &Session) -> Result<Ask> {
        let mut scope = Scope::inside(scope);
        scope.set_all(session);
        let mark = by_chance();
        scope.set(template::MARK, Node::text(&mark));
        scope.set(SECURITY, Node::Text(template::mark_of(&mark, SECURITY)));
        let outer = scope.clone();
        for (name, value) in &request.with {
            if let Some(value) = template::document(value, &outer) {
                scope.set(name, value);
            }
        }
        let path = request.path.as_deref().unwrap_or_default();
        let path = template::text(path, &scope, encode).ok_or_else(|| unnamed("path", path))?;
        let mut target = match path.trim_start_matches('/') {
            "" if !self.service.root().is_empty() => self.service.root().to_owned(),
            path => self.service.target(path),
        };
        let mut query = String::new();
        for (name, value) in &request.query {
            add_parameters(&mut query, name, value, &scope);
        }
        if !query.is_empty() {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&query);
        }
        let mut ask = Ask::new(request.method, target);
        ask.is_idempotent = request.is_idempotent;
        ask.rate_headers.clone_from(&self.manifest.rate_headers);
        set(&mut ask.headers, "Accept", self.manifest.protocol.accept().to_owned());
        for (name, value) in self.manifest.headers.iter().chain(&request.headers) {
            if let Some(value) = template::text(value, &scope, str::to_owned) {
                set(&mut ask.headers, name, value);
            }
        }
        match &request.body {
            Some(body) => self.with_body(ask, request, body, &scope, &mark),
            None => Ok(ask),
        }
    }

    fn with_body(&self, mut ask: Ask, request: &Request, body: &Body, scope: &Scope<'_>, mark: &str) -> Result<Ask> {
        let filled = |template: &Node| template::document(template, scope).unwrap_or_default();
        let (document, header) = (filled(&body.template), body.header.as_ref().map(filled));
        let security = template::mark_of(mark, SECURITY);
        let encoded = self.manifest.protocol.encode(request, body, &document, header.as_ref(), &security)?;
        for (name, value) in encoded.headers {
            set(&mut ask.headers, &name, value);
        }
        if request.path.is_none() {
            encoded.target.into_iter().for_each(|target| ask.target = target);
        }
        let mut wanted = Vec::new();
        [Some(&body.template), body.header.as_ref()]
            .into_iter()
            .flatten()
            .for_each(|part| template::secrets(part, &mut wanted));
        request.with.iter().for_each(|(_, value)| template::secrets(value, &mut wanted));
        let text = String::from_utf8_lossy(&encoded.body);
        ask.secrets = wanted.into_iter().map(|name| (name.clone(), template::mark_of(mark, &name))).collect();
        ask.secrets.retain(|(_, mark)| text.contains(mark.as_str()));
        ask.security = text.contains(&security).then_some(security);
        Ok(ask.body(encoded.body))
    }

    fn is_session_over(&self, answer: &Answer) -> bool {
        open(&self.manifest, answer, "").is_err_and(|failed| failed.meaning == Some(Meaning::Session))
    }

    /// The values of the session; begins one where there is none.
    fn session(&self) -> Result<Session> {
        let Some(login) = &self.manifest.login else { return Ok(Session::new()) };
        if let Some(session) = SESSION.with_borrow(Clone::clone) {
            return Ok(session);
        }
        let session = self.log_in(login)?;
        SESSION.with_borrow_mut(|place| *place = Some(session.clone()));
        Ok(session)
    }

    fn log_in(&self, login: &Login) -> Result<Session> {
        let scope = self.scope();
        let job = Job { request: &login.request, scope, target: None };
        let answer = self.ask_all(&[&job], &Session::new()).pop().unwrap_or_else(|| Err(unanswered()))?;
        let document = open(&self.manifest, &answer, "log in").map_err(|failed| failed.error)?;
        let value = |(name, path): &(String, Vec<String>)| match document.at(path).filter(|node| node.is_something()) {
            Some(value) => Ok((name.clone(), value.clone())),
            None => Err(failure(
                ErrorKind::Auth,
                "api.login",
                &format!("the API did not let us in: its answer has no `{}`", path.join(".")),
            )
            .hint("check the parameters of the connection and its credentials")),
        };
        login.values.iter().map(value).collect()
    }
}

/// Something that nobody has said before.
pub fn by_chance() -> String {
    let chance = || RandomState::new().build_hasher().finish();
    format!("lockstep{:016x}{:016x}", chance(), chance().rotate_left(7) ^ chance())
}

pub fn unanswered() -> Box<Error> {
    failure(ErrorKind::Permanent, UNANSWERED, "the host has not answered a request")
}

/// A request that cannot even be written.
fn unsent(mut error: Box<Error>) -> Box<Error> {
    error.properties.push(("outcome".to_owned(), "unsent".to_owned()));
    error
}

/// A failure before anything was sent.
fn not_sent(mut error: Box<Error>) -> Box<Error> {
    error.properties.retain(|(name, _)| name != "outcome");
    error
}

fn unnamed(part: &str, template: &str) -> Box<Error> {
    failure(ErrorKind::Config, "api.manifest", &format!("a name in the {part} `{template}` has no value here"))
}

fn add_parameters(query: &mut String, name: &str, template: &Node, scope: &Scope<'_>) {
    let values: Vec<Node> = match template {
        Node::List(list) => list.iter().filter_map(|value| template::document(value, scope)).collect(),
        value => template::document(value, scope).into_iter().collect(),
    };
    for value in values {
        let text = match &value {
            Node::List(list) => list.iter().filter_map(Node::said).collect::<Vec<_>>().join(","),
            Node::Object(_) => value.to_json(),
            Node::Null => continue,
            other => other.said().unwrap_or_default(),
        };
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&encode(name));
        query.push('=');
        query.push_str(&encode(&text));
    }
}
