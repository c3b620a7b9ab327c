//! `plugin audit`: what the plugins of a project may reach, with which credentials, for whom.
//!
//! What stands here is read from what the host enforces: the imports of the binaries, the grants as they are made for a run, the
//! limits as they are set. Of a credential only its reference is shown; none is followed but where a database is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::assembly::Reach;
use crate::cli::output::{Align, Block, Table};
use crate::cli::{Context, Reply};
use crate::error::Result;
use crate::plugin::{DatabasePlace, Limits};
use crate::project::{Auth, AuthScheme, Connection, Database, HttpGrant, Project, RequestBudget, SqlGrant, SyncDef};

/// One connection, as it is told.
struct Audited {
    connection: String,
    label: String,
    digest: String,
    reaches: Vec<Place>,
    uses: Vec<(String, &'static str)>,
    /// Grants of capabilities the plugin does not import.
    idle: Vec<String>,
    limits: Limits,
    budget: RequestBudget,
    cannot: String,
    shared: Vec<String>,
}

/// Something that can be reached.
struct Place {
    /// `http.api`.
    alias: String,
    /// What may be done there.
    may: &'static str,
    place: String,
    credential: Option<String>,
    /// Whether private addresses are allowed.
    private: bool,
    /// What makes it the same as another's.
    identity: Identity,
}

#[derive(PartialEq, Eq)]
enum Identity {
    Named(String),
    Folder(PathBuf),
    Unknown,
}

impl Identity {
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(one), Self::Named(other)) => one == other,
            (Self::Folder(one), Self::Folder(other)) => one.starts_with(other) || other.starts_with(one),
            _ => false,
        }
    }
}

pub(super) fn run(context: &Context) -> Result<Reply> {
    let mut assembly = context.assembly_to_read()?;
    let project = assembly.project().clone();
    let mut audited = Vec::new();
    for connection in project.connections_in_order() {
        let reach = assembly.reach(connection)?;
        audited.push(audit(&project, connection, &reach));
    }
    share(&mut audited);
    let mut transforms = Vec::new();
    for sync in project.syncs_in_order() {
        for transform in sync.transforms() {
            let binary = assembly.binary(&transform.plugin)?;
            transforms.push((sync.name().to_string(), binary.label(), binary.digest.to_string()));
        }
    }
    let mut blocks = vec![Block::Table(table(&audited))];
    blocks.extend(audited.iter().map(|audited| Block::Text(sentence(audited))));
    blocks.extend(transforms.iter().map(|(sync, label, digest)| {
        let text =
            format!("`{sync}` runs the transform {label} ({digest}), which only computes: it may reach nothing.");
        Block::Text(text)
    }));
    let transforms: Vec<Value> = transforms
        .iter()
        .map(|(sync, label, digest)| json!({ "sync": sync, "plugin": label, "digest": digest }))
        .collect();
    let connections: Vec<Value> = audited.iter().map(to_json).collect();
    Ok(Reply::done(blocks, json!({ "connections": connections, "transforms": transforms })))
}

fn audit(project: &Project, connection: &Connection, reach: &Reach) -> Audited {
    let report = &reach.binary.report;
    let mut reaches = Vec::new();
    for (alias, root) in &reach.grants.files {
        reaches.extend(root.folder().map(|folder| folder_place(alias, folder, &project.dir)));
    }
    for (alias, grant) in &connection.sql {
        let place = reach.grants.sql.get(alias).map(crate::plugin::Database::place);
        reaches.push(database_place(alias, grant, place, &project.dir));
    }
    for (alias, origin) in &reach.grants.http {
        let grant = connection.http.get(alias);
        if let Some(address) = origin.address() {
            reaches.push(origin_place(alias, grant, address, origin.allows_private()));
        }
    }
    let (used, idle): (Vec<Place>, Vec<Place>) =
        reaches.into_iter().partition(|place| report.imports_interface(place.alias.split('.').next().unwrap_or("")));
    Audited {
        connection: connection.name.to_string(),
        label: reach.binary.label(),
        digest: reach.binary.digest.to_string(),
        reaches: used,
        uses: uses(project, connection),
        idle: idle.into_iter().map(|place| place.alias).collect(),
        limits: reach.limits.clone(),
        budget: connection.budget.clone(),
        cannot: report.authority().inability(),
        shared: Vec::new(),
    }
}

/// As it is, links followed.
fn whole(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Relative to the project, where it lies in it.
fn shown(path: &Path, project: &Path) -> String {
    let path = whole(path);
    let inside = path.strip_prefix(whole(project)).ok().filter(|inside| !inside.as_os_str().is_empty());
    inside.unwrap_or(&path).display().to_string()
}

fn folder_place(alias: &str, folder: &Path, project: &Path) -> Place {
    Place {
        alias: format!("files.{alias}"),
        may: "read and write the files below",
        place: shown(folder, project),
        credential: None,
        private: false,
        identity: Identity::Folder(whole(folder)),
    }
}

fn database_place(alias: &str, grant: &SqlGrant, place: Option<DatabasePlace>, project: &Path) -> Place {
    let credential = match &grant.database {
        Database::Url(reference) => Some(format!("URL {reference}")),
        Database::Path(_) => None,
    };
    let told = match &place {
        Some(DatabasePlace::File(path)) => shown(path, project),
        Some(server) => server.to_string(),
        None => "a database that only the URL names, which is not set here".to_owned(),
    };
    let identity = match &place {
        Some(DatabasePlace::File(path)) => Identity::Folder(whole(path)),
        Some(server) => Identity::Named(server.to_string()),
        None => Identity::Unknown,
    };
    Place {
        alias: format!("sql.{alias}"),
        may: "run any statement on",
        place: told,
        credential,
        private: false,
        identity,
    }
}

fn origin_place(alias: &str, grant: Option<&HttpGrant>, address: String, private: bool) -> Place {
    Place {
        alias: format!("http.{alias}"),
        may: "send requests to",
        place: address.clone(),
        credential: grant.and_then(|grant| grant.auth.as_ref()).map(credential),
        private,
        identity: Identity::Named(address),
    }
}

/// `bearer env:TOKEN`; who hands out tokens, too.
fn credential(auth: &Auth) -> String {
    let references: Vec<String> = auth.references().iter().map(|reference| reference.secret.to_string()).collect();
    let asked = match &auth.scheme {
        Some(AuthScheme::OAuth2(oauth2)) => format!(", tokens from {}", oauth2.token_url),
        Some(AuthScheme::JwtBearer(jwt)) => format!(", tokens from {}", jwt.token_url),
        _ => String::new(),
    };
    format!("{} {}{asked}", auth.kinds().join(" and "), references.join(", "))
}

/// The syncs that go through a connection, and what they do there.
fn uses(project: &Project, connection: &Connection) -> Vec<(String, &'static str)> {
    let of = |sync: &SyncDef| {
        let (mut reads, mut writes) = (false, false);
        if let Some(mirror) = sync.as_mirror() {
            reads |= mirror.source.connection == connection.name;
            writes |= mirror.target.connection == connection.name;
        }
        for endpoint in sync.as_hub().into_iter().flat_map(|hub| &hub.endpoints) {
            let is_it = endpoint.connection == connection.name;
            reads |= is_it && endpoint.direction.reads();
            writes |= is_it && endpoint.direction.writes();
        }
        let does = match (reads, writes) {
            (true, true) => "reads and writes",
            (true, false) => "reads",
            (false, true) => "writes",
            (false, false) => return None,
        };
        Some((sync.name().to_string(), does))
    };
    project.syncs_in_order().filter_map(of).collect()
}

/// Tells each of what it can reach that another connection reaches, too.
fn share(audited: &mut [Audited]) {
    let mut shared: Vec<BTreeSet<String>> = Vec::new();
    for one in audited.iter() {
        let others = audited.iter().filter(|other| other.connection != one.connection);
        let common = others.flat_map(|other| {
            let meets = |place: &&Place| other.reaches.iter().any(|its| its.identity.overlaps(&place.identity));
            one.reaches.iter().filter(meets).map(|place| format!("{} with `{}`", place.place, other.connection))
        });
        shared.push(common.collect());
    }
    for (one, shared) in audited.iter_mut().zip(shared) {
        one.shared = shared.into_iter().collect();
    }
}

fn table(audited: &[Audited]) -> Table {
    let mut table = Table::new(&[
        ("connection", Align::Left),
        ("plugin", Align::Left),
        ("may reach", Align::Left),
        ("with", Align::Left),
        ("for", Align::Left),
    ]);
    for one in audited {
        let uses: Vec<String> = one.uses.iter().map(|(sync, does)| format!("{sync} {does}")).collect();
        let uses = if uses.is_empty() { "no sync".to_owned() } else { uses.join(", ") };
        if one.reaches.is_empty() {
            let nothing = ["nothing".to_owned(), String::new()];
            table.row([one.connection.clone(), one.label.clone()].into_iter().chain(nothing).chain([uses]));
            continue;
        }
        for (at, place) in one.reaches.iter().enumerate() {
            let once = |text: &str| if at == 0 { text.to_owned() } else { String::new() };
            let with = place.credential.clone().unwrap_or_else(|| "nothing".to_owned());
            table.row([once(&one.connection), once(&one.label), place.place.clone(), with, once(&uses)]);
        }
    }
    table
}

/// What a security engineer can paste into an approval.
fn sentence(one: &Audited) -> String {
    let reaches: Vec<String> = one
        .reaches
        .iter()
        .map(|place| {
            let with =
                place.credential.as_ref().map(|with| format!(", with the credential {with}, which it never sees"));
            let private = if place.private { " (private addresses allowed)" } else { "" };
            format!("{} {}{private}{}", place.may, place.place, with.unwrap_or_default())
        })
        .collect();
    let may = if reaches.is_empty() { "reach nothing".to_owned() } else { format!("only {}", reaches.join("; ")) };
    let others = match one.shared.as_slice() {
        [] => "it sees no other connection's data".to_owned(),
        shared => format!("it shares {}", shared.join(" and ")),
    };
    let uses: Vec<String> = one.uses.iter().map(|(sync, does)| format!("`{sync}` {does}")).collect();
    let uses = if uses.is_empty() { "no sync uses it".to_owned() } else { format!("through it {}", uses.join(", ")) };
    let idle = if one.idle.is_empty() {
        String::new()
    } else {
        format!(" It is granted {}, which it does not import and cannot use.", one.idle.join(", "))
    };
    format!(
        "`{}` runs the plugin {} ({}), which may {may}. It cannot {}; {others}. A call may take {}.{idle} {}.",
        one.connection,
        one.label,
        one.digest,
        one.cannot,
        limits(one),
        capitalised(&uses),
    )
}

fn limits(one: &Audited) -> String {
    let (limits, budget) = (&one.limits, &one.budget);
    let rate = budget.requests_per_second.map(|rate| format!(", {rate} requests a second"));
    let daily = budget.daily.map(|daily| format!(", {daily} requests a day"));
    format!(
        "{} MiB of memory, {} s of processor time and {} s in all{}{}",
        limits.memory_bytes >> 20,
        limits.cpu_per_call.as_secs_f64(),
        limits.wall_per_call.as_secs_f64(),
        rate.unwrap_or_default(),
        daily.unwrap_or_default(),
    )
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn to_json(one: &Audited) -> Value {
    let reaches: Vec<Value> = one
        .reaches
        .iter()
        .map(|place| {
            json!({
                "alias": place.alias, "may": place.may, "place": place.place,
                "credential": place.credential, "private_addresses": place.private,
            })
        })
        .collect();
    let uses: Vec<Value> = one.uses.iter().map(|(sync, does)| json!({ "sync": sync, "does": does })).collect();
    json!({
        "connection": one.connection,
        "plugin": one.label,
        "digest": one.digest,
        "reaches": reaches,
        "granted_in_vain": one.idle,
        "syncs": uses,
        "shares": one.shared,
        "limits": {
            "memory_bytes": one.limits.memory_bytes,
            "cpu_seconds_per_call": one.limits.cpu_per_call.as_secs_f64(),
            "wall_seconds_per_call": one.limits.wall_per_call.as_secs_f64(),
            "page_rows": one.limits.page_rows,
            "page_bytes": one.limits.page_bytes,
            "requests_per_second": one.budget.requests_per_second,
            "requests_daily": one.budget.daily,
        },
        "approval": sentence(one),
    })
}
