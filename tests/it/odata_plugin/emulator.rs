//! A small OData V4 service for what CAP lacks: delta links with tombstones, alternate keys, versions that must be named, and SAP's
//! tokens. Written from the protocol (version 4.0 and 4.01) and from the vendors' documentation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::http::server::{Answer, Request, Server};

/// How the service behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Tombstones as version 4.0 has them; else as 4.01.
    pub old_tombstones: bool,
    /// Writes need a token that belongs to a session.
    pub wants_token: bool,
    /// 428 for writes that name no version.
    pub wants_version: bool,
    /// Records are shown without their versions in lists.
    pub hides_versions: bool,
    /// So many records a page.
    pub page: usize,
}

#[derive(Clone, Debug)]
struct Record {
    code: String,
    name: String,
    version: u32,
}

#[derive(Default)]
struct State {
    records: BTreeMap<i64, Record>,
    /// Which record something happened to, in order.
    log: Vec<i64>,
    /// Delta links older than this are forgotten.
    oldest: usize,
    next: i64,
    /// The next write is carried out and not answered.
    cuts: u32,
    /// Records that are shown as no longer belonging to the answer.
    hidden: Vec<i64>,
}

pub struct Emulator {
    pub server: Server,
    state: Arc<Mutex<State>>,
}

const METADATA: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="x"><edmx:DataServices><Schema Namespace="e" xmlns="y">
    <EntityType Name="Account"><Key><PropertyRef Name="id"/></Key><Property Name="id" Type="Edm.Int64" Nullable="false"/>
    <Property Name="code" Type="Edm.String"/><Property Name="name" Type="Edm.String"/>
    <Annotation Term="OData.Community.Keys.V1.AlternateKeys"><Collection><Record><PropertyValue Property="Key"><Collection><Record>
    <PropertyValue Property="Name" PropertyPath="code"/></Record></Collection></PropertyValue></Record></Collection></Annotation></EntityType>
    <EntityContainer Name="C"><EntitySet Name="Accounts" EntityType="e.Account">
    <Annotation Term="Org.OData.Capabilities.V1.ChangeTracking"><Record><PropertyValue Property="Supported" Bool="true"/></Record></Annotation>
    </EntitySet></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

impl Emulator {
    pub fn start(habits: Habits) -> Self {
        let state = Arc::new(Mutex::new(State { next: 1, ..State::default() }));
        let serving = state.clone();
        let habits = Habits { page: if habits.page == 0 { 1000 } else { habits.page }, ..habits };
        let server = Server::start(move |_, request| answer(&mut serving.lock().unwrap(), habits, request));
        Self { server, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn add(&self, code: &str, name: &str) -> i64 {
        self.state().add(code, name)
    }

    pub fn rename(&self, id: i64, name: &str) {
        let mut state = self.state();
        state.records.get_mut(&id).unwrap().name = name.to_owned();
        state.touch(id);
    }

    pub fn remove(&self, id: i64) {
        let mut state = self.state();
        state.records.remove(&id);
        state.log.push(id);
    }

    /// Shows a record as changed so that it is no part of the answer any more, though it is there.
    pub fn hide(&self, id: i64) {
        let mut state = self.state();
        state.hidden.push(id);
        state.log.push(id);
    }

    pub fn forget_deltas(&self) {
        let mut state = self.state();
        state.oldest = state.log.len() + 1;
    }

    pub fn cut_writes(&self, count: u32) {
        self.state().cuts = count;
    }

    /// `1 a Ann 1`: id, code, name and version.
    pub fn records(&self) -> Vec<String> {
        let state = self.state();
        state
            .records
            .iter()
            .map(|(id, record)| format!("{id} {} {} {}", record.code, record.name, record.version))
            .collect()
    }

    /// Methods and paths since the service started.
    pub fn asked(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests
            .iter()
            .map(|request| format!("{} {}", request.method, request.target.split('?').next().unwrap()))
            .collect()
    }
}

impl State {
    fn add(&mut self, code: &str, name: &str) -> i64 {
        let id = self.next;
        self.next += 1;
        self.records.insert(id, Record { code: code.to_owned(), name: name.to_owned(), version: 0 });
        self.touch(id);
        id
    }

    fn touch(&mut self, id: i64) {
        self.records.get_mut(&id).unwrap().version += 1;
        self.log.push(id);
    }

    fn shown(&self, id: i64, habits: Habits) -> Value {
        let record = &self.records[&id];
        let mut shown = json!({ "id": id, "code": record.code, "name": record.name });
        if !habits.hides_versions {
            shown["@odata.etag"] = json!(etag(record));
        }
        shown
    }
}

fn etag(record: &Record) -> String {
    format!("W/\"{}\"", record.version)
}

fn answer(state: &mut State, habits: Habits, request: &Request) -> Answer {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(query.replace('+', "%2B").as_bytes()).into_owned().collect();
    if habits.wants_token && request.headers.get("x-csrf-token").is_some_and(|token| token == "Fetch") {
        return Answer::body("{}").header("x-csrf-token", "T1").header("set-cookie", "session=S1; Path=/; HttpOnly");
    }
    let has_token = request.headers.get("x-csrf-token").is_some_and(|token| token == "T1")
        && request.headers.get("cookie").is_some_and(|cookie| cookie.contains("session=S1"));
    if habits.wants_token && request.method != "GET" && !has_token {
        return Answer::status(403).header("x-csrf-token", "Required");
    }
    let path = path.strip_prefix("/e/").unwrap_or(path);
    match (request.method.as_str(), path) {
        ("GET", "$metadata") => Answer::body(METADATA),
        ("GET", "Accounts") if query.contains_key("$deltatoken") => delta(state, habits, &query["$deltatoken"]),
        ("GET", "Accounts") => list(state, habits, request, &query),
        ("POST", "Accounts") => create(state, request, None),
        (_, "$batch") => Answer::status(404),
        (_, record) => one(state, habits, request, record),
    }
}

fn list(state: &State, habits: Habits, request: &Request, query: &BTreeMap<String, String>) -> Answer {
    let filter = query.get("$filter").cloned().unwrap_or_default();
    let after: i64 = query.get("$skiptoken").map_or(0, |token| token.parse().unwrap());
    let top = query.get("$top").map_or(usize::MAX, |top| top.parse().unwrap());
    let fitting: Vec<i64> = state
        .records
        .iter()
        .filter(|(id, record)| **id > after && fits(&filter, **id, record))
        .map(|(id, _)| *id)
        .collect();
    let shown: Vec<Value> = fitting.iter().take(top.min(habits.page)).map(|id| state.shown(*id, habits)).collect();
    let mut body = json!({ "@odata.context": "$metadata#Accounts", "value": shown });
    let tracks = request.headers.get("prefer").is_some_and(|prefer| prefer.contains("track-changes"));
    if fitting.len() > habits.page && top > habits.page {
        // Named as a server behind a proxy names itself.
        body["@odata.nextLink"] =
            json!(format!("https://inner.example.com:8443/e/Accounts?$skiptoken={}", fitting[habits.page - 1]));
    } else if tracks || query.contains_key("$skiptoken") {
        body["@odata.deltaLink"] = json!(format!("Accounts?$deltatoken={}", state.log.len()));
    }
    Answer::body(body.to_string())
}

/// Only what the plugin asks for: comparisons, `and`, `or`.
fn fits(filter: &str, id: i64, record: &Record) -> bool {
    let holds = |comparison: &str| {
        let comparison = comparison.trim_matches(['(', ')', ' ']);
        let mut words = comparison.splitn(3, ' ');
        let (name, operator, literal) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        match (name, operator) {
            ("id", "eq") => id == literal.parse::<i64>().unwrap(),
            ("id", "gt") => id > literal.parse::<i64>().unwrap(),
            ("code", "eq") => record.code == literal.trim_matches('\''),
            _ => panic!("`{comparison}`"),
        }
    };
    filter.is_empty() || filter.split(" or ").any(|alternative| alternative.split(" and ").all(holds))
}

fn delta(state: &State, habits: Habits, token: &str) -> Answer {
    let (since, page) = token.split_once('p').unwrap_or((token, "0"));
    let (since, page): (usize, usize) = (since.parse().unwrap(), page.parse().unwrap());
    if since < state.oldest {
        return Answer::status(410);
    }
    let mut changed: Vec<i64> = state.log[since..].to_vec();
    changed.sort_unstable();
    changed.dedup();
    let shown: Vec<Value> = changed
        .iter()
        .skip(page * habits.page)
        .take(habits.page)
        .map(|id| match (state.records.contains_key(id) && !state.hidden.contains(id), habits.old_tombstones) {
            (true, _) => state.shown(*id, habits),
            (false, old) => {
                let reason = if state.hidden.contains(id) { "changed" } else { "deleted" };
                match old {
                    true => json!({ "@odata.context": "$metadata#Accounts/$deletedEntity", "id": format!("https://h/e/Accounts({id})"), "reason": reason }),
                    false => json!({ "@removed": { "reason": reason }, "@id": format!("Accounts({id})") }),
                }
            }
        })
        .collect();
    let mut body = json!({ "@odata.context": "$metadata#Accounts/$delta", "value": shown });
    if changed.len() > (page + 1) * habits.page {
        body["@odata.nextLink"] = json!(format!("Accounts?$deltatoken={since}p{}", page + 1));
    } else {
        body["@odata.deltaLink"] = json!(format!("Accounts?$deltatoken={}", state.log.len()));
    }
    Answer::body(body.to_string())
}

/// One record, by its key or by its alternate key.
fn one(state: &mut State, habits: Habits, request: &Request, path: &str) -> Answer {
    let key = path.strip_prefix("Accounts(").and_then(|rest| rest.strip_suffix(')')).unwrap();
    let by_code = key.strip_prefix("code=").map(|code| code.replace("%27", ""));
    let id = match &by_code {
        Some(code) => state.records.iter().find(|(_, record)| record.code == *code).map(|(id, _)| *id),
        None => Some(key.parse().unwrap()).filter(|id| state.records.contains_key(id)),
    };
    let must_be_new = request.headers.get("if-none-match").is_some_and(|value| value == "*");
    let wanted = request.headers.get("if-match");
    match (request.method.as_str(), id) {
        ("PATCH", None) if must_be_new => create(state, request, by_code),
        ("PATCH", Some(_)) if must_be_new => Answer::status(412),
        (_, None) => Answer::status(404),
        ("GET", Some(id)) => Answer::body(state.shown(id, Habits { hides_versions: false, ..habits }).to_string()),
        (_, Some(_)) if habits.wants_version && wanted.is_none() => Answer::status(428),
        (_, Some(id)) if wanted.is_some_and(|wanted| *wanted != etag(&state.records[&id])) => Answer::status(412),
        ("DELETE", Some(id)) => {
            state.records.remove(&id);
            state.log.push(id);
            carried_out(state, Answer::status(204))
        }
        (_, Some(id)) => {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            state.records.get_mut(&id).unwrap().name = body["name"].as_str().unwrap().to_owned();
            state.touch(id);
            carried_out(state, Answer::status(204))
        }
    }
}

fn create(state: &mut State, request: &Request, code: Option<String>) -> Answer {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let code = code.unwrap_or_else(|| body["code"].as_str().unwrap_or_default().to_owned());
    let id = state.add(&code, body["name"].as_str().unwrap_or_default());
    let answer = Answer::Reply {
        status: 204,
        headers: vec![("OData-EntityId", format!("/e/Accounts({id})"))],
        body: Vec::new(),
    };
    carried_out(state, answer)
}

fn carried_out(state: &mut State, answer: Answer) -> Answer {
    if state.cuts == 0 {
        return answer;
    }
    state.cuts -= 1;
    Answer::Cut
}
