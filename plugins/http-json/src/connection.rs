//! Talking to one API: requests out of templates, and the session they need.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;

use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_web::{Ask, Reply, Service, ask, ask_all, encode};

use crate::Result;
use crate::failure::{Say as _, failure};
use crate::form::form_body;
use crate::manifest::request::{Body, Request, set};
use crate::manifest::rules::Meaning;
use crate::manifest::template::{self, Scope};
use crate::manifest::{Login, Manifest};
use crate::trouble::open;

/// The alias a connection grants its origin under.
const ALIAS: &str = "api";

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
    pub fn new(manifest: Manifest) -> Result<Self> {
        let mut scope = Scope::default();
        scope.set_all(&manifest.parameters);
        let base = template::text(&manifest.base, &scope, encode).unwrap_or_default();
        Ok(Self { service: Service::new(&base), manifest: Rc::new(manifest) })
    }

    /// What is the same in all requests.
    pub fn scope(&self) -> Scope<'_> {
        let mut scope = Scope::default();
        scope.set_all(&self.manifest.parameters);
        scope
    }

    /// Sends a request.
    pub fn send(&self, request: &Request, scope: Scope<'_>) -> Result<Reply> {
        let mut replies = self.send_all(&[Job { request, scope, target: None }]);
        replies.pop().unwrap_or_else(|| Err(unanswered()))
    }

    /// Sends requests side by side; each is answered in its place. A session that is over is begun anew, once.
    pub fn send_all(&self, jobs: &[Job<'_>]) -> Vec<Result<Reply>> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let session = match self.session() {
            Ok(session) => session,
            Err(error) => return jobs.iter().map(|_| Err(not_sent(error.clone()))).collect(),
        };
        let mut replies = self.ask_all(&jobs.iter().collect::<Vec<_>>(), &session);
        let is_over = |reply: &Result<Reply>| reply.as_ref().is_ok_and(|reply| self.is_session_over(reply));
        let again: Vec<usize> = (0..replies.len()).filter(|at| replies.get(*at).is_some_and(is_over)).collect();
        if again.is_empty() || self.manifest.login.is_none() {
            return replies;
        }
        SESSION.with_borrow_mut(|session| *session = None);
        let Ok(session) = self.session() else { return replies };
        let repeated: Vec<&Job<'_>> = again.iter().filter_map(|at| jobs.get(*at)).collect();
        for (at, reply) in again.into_iter().zip(self.ask_all(&repeated, &session)) {
            replies.get_mut(at).into_iter().for_each(|place| place.clone_from(&reply));
        }
        replies
    }

    fn ask_all(&self, jobs: &[&Job<'_>], session: &Session) -> Vec<Result<Reply>> {
        let asks: Vec<Result<Ask>> = jobs.iter().map(|job| self.ask_job(job, session)).collect();
        let mut replies =
            ask_all(ALIAS, asks.iter().filter_map(|ask| ask.as_ref().ok().cloned()).collect()).into_iter();
        let mut answer = || replies.next().unwrap_or_else(|| Err(*unanswered())).map_err(Box::new);
        asks.into_iter().map(|ask| ask.and_then(|_| answer())).collect()
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
        let outer = scope.clone();
        for (name, value) in &request.with {
            if let Some(value) = template::document(value, &outer) {
                scope.set(name, value);
            }
        }
        let path = template::text(&request.path, &scope, encode).ok_or_else(|| unnamed("path", &request.path))?;
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
        set(&mut ask.headers, "Accept", "application/json".to_owned());
        for (name, value) in self.manifest.headers.iter().chain(&request.headers) {
            if let Some(value) = template::text(value, &scope, str::to_owned) {
                set(&mut ask.headers, name, value);
            }
        }
        let body = |template: &Node| template::document(template, &scope).unwrap_or_default();
        let (kind, body) = match &request.body {
            Body::None => return Ok(ask),
            Body::Json(template) => ("application/json", body(template).to_json()),
            Body::Form(template) => ("application/x-www-form-urlencoded", form_body(&body(template))),
        };
        set(&mut ask.headers, "Content-Type", kind.to_owned());
        let mut wanted = Vec::new();
        if let Body::Json(template) = &request.body {
            template::secrets(template, &mut wanted);
            request.with.iter().for_each(|(_, value)| template::secrets(value, &mut wanted));
        }
        ask.secrets = wanted.into_iter().map(|name| (name.clone(), template::mark_of(&mark, &name))).collect();
        ask.secrets.retain(|(_, mark)| body.contains(mark.as_str()));
        Ok(ask.body(body))
    }

    fn is_session_over(&self, reply: &Reply) -> bool {
        open(&self.manifest.rules, reply, "").is_err_and(|failed| failed.meaning == Some(Meaning::Session))
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
        let reply = ask(ALIAS, self.ask(&login.request, &scope, &Session::new())?)?;
        let document = open(&self.manifest.rules, &reply, "log in").map_err(|failed| failed.error)?;
        let value = |(name, path): &(String, Vec<String>)| match document.at(path).filter(|node| node.is_something()) {
            Some(value) => Ok((name.clone(), value.clone())),
            None => Err(failure(
                ErrorKind::Auth,
                "http-json.login",
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
    failure(ErrorKind::Permanent, "http-json.unanswered", "the host has not answered a request")
}

/// A failure before anything was sent.
fn not_sent(mut error: Box<Error>) -> Box<Error> {
    error.properties.retain(|(name, _)| name != "outcome");
    error
}

fn unnamed(part: &str, template: &str) -> Box<Error> {
    failure(ErrorKind::Config, "http-json.manifest", &format!("a name in the {part} `{template}` has no value here"))
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
