//! `check`: looks for mistakes before anything runs.

use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::output::{Align, Block, Table, noun};
use super::{CliError, Context, Reply};
use crate::assembly::Assembly;
use crate::connector::Source as _;
use crate::error::{Error, Result};
use crate::plugin::{Access, PluginConnector};
use crate::project::{
    Connection, ConnectionName, Database, Deletes, Direction, ExpressionUse, FieldLine, HubDef, HubDeletes,
    HubEndpoint, MirrorDef, Project, Purpose, SyncDef, Transport,
};
use crate::record::{Expression, LogicalType, Stream};
use crate::sync::{HubOptions, HubRun, Interrupt, Silent, SyncError, check_hub};

/// Look for mistakes in the project before anything runs
///
/// Reads `lockstep.toml`, follows every secret reference, looks for every folder and loads every plugin. Nothing is connected to.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep check\n  lockstep check --online     also connect, and look at the streams"
)]
pub struct CheckArgs {
    /// Also connect to every system and look at the streams
    #[arg(long)]
    pub online: bool,
}

pub async fn run(args: &CheckArgs, context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let mut errors = missing_secrets(&project);
    errors.extend(missing_folders(&project));
    if !errors.is_empty() {
        return Ok(Reply::refused(errors));
    }
    let mut assembly = context.assemble(project.clone(), Access::ReadOnly)?;
    let connectors = check_plugins(&project, &mut assembly, &mut errors);
    if !errors.is_empty() {
        return Ok(Reply::refused(errors));
    }
    let mut reply = describe(&project);
    if args.online {
        let streams = check_online(&connectors, &mut errors).await;
        errors.extend(check_hubs(context, &project, &mut assembly).await?);
        reply.blocks.push(streams_table(&streams).into());
        if let Some(result) = reply.result.as_object_mut() {
            result.insert("streams".to_owned(), streams_json(&streams));
        }
    }
    if errors.is_empty() { Ok(reply) } else { Ok(Reply::attention(reply.blocks, reply.result, errors)) }
}

/// Whether every plugin is there, is the one pinned, and takes its connection's configuration and grants. Pushes what is wrong.
fn check_plugins(
    project: &Project,
    assembly: &mut Assembly,
    errors: &mut Vec<Error>,
) -> Vec<(ConnectionName, PluginConnector)> {
    let mut connectors = Vec::new();
    for connection in project.connections_in_order() {
        match assembly.connector(&connection.name) {
            Ok(connector) => connectors.push((connection.name.clone(), connector)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        errors.extend(project.syncs_in_order().flat_map(|sync| match sync {
            SyncDef::Mirror(mirror) => assembly.mirror(mirror).err().into_iter().collect(),
            SyncDef::Hub(hub) => match assembly.hub(hub) {
                Ok(hub) => hub.check_times().into_iter().map(Error::from).collect::<Vec<_>>(),
                Err(error) => vec![error],
            },
        }));
        errors.extend(project.syncs_in_order().filter_map(SyncDef::as_hub).flat_map(check_expressions));
    }
    connectors
}

/// Whether every expression of a hub can be understood, as far as that shows without the types of the systems' fields.
fn check_expressions(hub: &HubDef) -> Vec<Error> {
    let entity: Vec<(&str, LogicalType)> =
        hub.fields.iter().map(|field| (field.name.as_str(), field.logical.unwrap_or(LogicalType::Text))).collect();
    let types_are_known = hub.fields.iter().all(|field| field.logical.is_some());
    let check = |used: ExpressionUse<'_>| {
        let value = [("value", LogicalType::Text)];
        let (variables, is_typed) = match used.purpose {
            Purpose::Filter { .. } => (entity.as_slice(), types_are_known),
            Purpose::Read { .. } | Purpose::Write { .. } => (value.as_slice(), false),
        };
        let error = Expression::compile(&used.expression.text, variables).err()?;
        // What is wrong only because a type was guessed shows with `--online`.
        let is_certain = is_typed || !error.needs_types();
        is_certain.then(|| {
            let (sync, place) = (hub.name.to_string(), used.expression.place.to_string());
            SyncError::Expression { sync, place, error }.into()
        })
    };
    hub.expressions().into_iter().filter_map(check).collect()
}

/// Whether every hub finds what its mapping names.
async fn check_hubs(context: &Context, project: &Project, assembly: &mut Assembly) -> Result<Vec<Error>> {
    let store = context.store_to_read()?;
    let mut errors = Vec::new();
    for def in project.syncs_in_order().filter_map(SyncDef::as_hub) {
        let run = HubRun {
            store: Arc::new(store.scratch_copy()?),
            world: context.world.clone(),
            observer: Arc::new(Silent),
            interrupt: Interrupt::default(),
            options: HubOptions::default(),
        };
        errors.extend(check_hub(&assembly.hub(def)?, &run).await.err().map(Error::from));
    }
    Ok(errors)
}

/// The streams of every connection that can be read; pushes what is wrong.
async fn check_online(
    connectors: &[(ConnectionName, PluginConnector)],
    errors: &mut Vec<Error>,
) -> Vec<(ConnectionName, Stream)> {
    let mut streams = Vec::new();
    for (name, connector) in connectors {
        if connector.require_source().is_err() {
            continue;
        }
        match connector.discover(&[]).await {
            Ok(found) => streams.extend(found.into_iter().map(|stream| (name.clone(), stream))),
            Err(failure) => errors.push(failure.into()),
        }
    }
    streams
}

fn streams_table(streams: &[(ConnectionName, Stream)]) -> Table {
    let columns = ["connection", "stream", "key", "fields"].map(|title| (title, Align::Left));
    let mut table = Table::new(&columns);
    for (connection, stream) in streams {
        let fields: Vec<String> =
            stream.fields.iter().map(|field| format!("{} {}", field.name, field.logical)).collect();
        table.row([connection.to_string(), stream.name.clone(), stream.key.join(", "), fields.join(", ")]);
    }
    table
}

fn streams_json(streams: &[(ConnectionName, Stream)]) -> Value {
    let field = |field: &crate::record::Field| json!({"name": field.name, "type": field.logical.to_string(), "nullable": field.nullable});
    let stream = |(connection, stream): &(ConnectionName, Stream)| {
        json!({
            "connection": connection,
            "stream": stream.name,
            "key": stream.key,
            "fields": stream.fields.iter().map(field).collect::<Vec<_>>(),
        })
    };
    streams.iter().map(stream).collect()
}

fn missing_secrets(project: &Project) -> Vec<Error> {
    project.secrets().filter_map(|secret| secret.resolve().err()).map(Error::from).collect()
}

fn missing_folders(project: &Project) -> Vec<Error> {
    let connections = project.connections_in_order().flat_map(connection_folders);
    connections.chain(lineage_folder(project)).map(Error::from).collect()
}

/// The folder of the file that lineage events go to.
fn lineage_folder(project: &Project) -> Option<CliError> {
    let settings = project.openlineage.as_ref()?;
    let Transport::File(file) = &settings.transport else { return None };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())?;
    let path = "lineage.openlineage.file".to_owned();
    Some(CliError::FolderMissing { place: settings.place.clone(), path, folder: folder.to_owned() })
}

/// The folder of every files grant, and the folder of every database file: the file itself may be yet to come.
fn connection_folders(connection: &Connection) -> Vec<CliError> {
    let name = &connection.name;
    let files = connection
        .files
        .iter()
        .map(|(alias, grant)| (format!("connection.{name}.files.{alias}.path"), grant.path.as_path(), &grant.place));
    let databases = connection.sql.iter().filter_map(|(alias, grant)| match &grant.database {
        Database::Path(path) => Some((format!("connection.{name}.sql.{alias}.path"), path.parent()?, &grant.place)),
        Database::Url(_) => None,
    });
    files
        .chain(databases)
        .filter(|(_, folder, _)| !folder.as_os_str().is_empty() && !folder.is_dir())
        .map(|(path, folder, place)| CliError::FolderMissing { place: place.clone(), path, folder: folder.to_owned() })
        .collect()
}

fn describe(project: &Project) -> Reply {
    let connections: Vec<&Connection> = project.connections_in_order().collect();
    let syncs: Vec<&SyncDef> = project.syncs_in_order().collect();
    let counted = [
        noun(connections.len() as u64, "connection", "connections"),
        noun(syncs.len() as u64, "sync", "syncs"),
        noun(project.secrets().count() as u64, "secret", "secrets"),
    ];
    let text = format!("project `{}` is well-formed: {}", project.name, counted.join(", "));
    let mut blocks = vec![Block::Text(text)];
    blocks.extend((!connections.is_empty()).then(|| connection_table(&connections).into()));
    blocks.extend((!syncs.is_empty()).then(|| sync_table(&syncs).into()));
    let result = json!({
        "project": project.name,
        "connections": connections.iter().map(|connection| connection_json(connection)).collect::<Vec<_>>(),
        "syncs": syncs.iter().map(|sync| sync_json(sync)).collect::<Vec<_>>(),
    });
    Reply::done(blocks, result)
}

fn connection_table(connections: &[&Connection]) -> Table {
    let mut table = Table::new(&[("connection", Align::Left), ("plugin", Align::Left), ("may reach", Align::Left)]);
    for connection in connections {
        let reach = grants(connection).join("\n");
        table.row([connection.name.to_string(), connection.plugin.to_string(), reach]);
    }
    table
}

/// What the project allows a connection, one grant each.
fn grants(connection: &Connection) -> Vec<String> {
    let files = connection.files.iter().map(|(alias, grant)| format!("files.{alias}: {}", grant.path.display()));
    let sql = connection.sql.iter().map(|(alias, grant)| match &grant.database {
        Database::Url(reference) => format!("sql.{alias}: {reference}"),
        Database::Path(path) => format!("sql.{alias}: {}", path.display()),
    });
    let http = connection.http.iter().map(|(alias, grant)| {
        let private = if grant.allow_private { " (private addresses too)" } else { "" };
        let auth = grant.auth.as_ref().map(|auth| format!(", {}", auth.kinds().join(" and "))).unwrap_or_default();
        format!("http.{alias}: {}{private}{auth}", grant.origin)
    });
    files.chain(sql).chain(http).collect()
}

fn connection_json(connection: &Connection) -> Value {
    json!({"name": connection.name, "plugin": connection.plugin.to_string(), "grants": grants(connection)})
}

fn sync_table(syncs: &[&SyncDef]) -> Table {
    let columns = ["sync", "source", "target", "fields", "deletes"].map(|title| (title, Align::Left));
    let mut table = Table::new(&columns);
    for sync in syncs {
        table.row(match sync {
            SyncDef::Mirror(mirror) => mirror_row(mirror),
            SyncDef::Hub(hub) => hub_row(hub),
        });
    }
    table
}

fn mirror_row(sync: &MirrorDef) -> [String; 5] {
    let fields = if sync.fields.is_empty() { "all".to_owned() } else { sync.fields.len().to_string() };
    let [source, target] = [&sync.source, &sync.target].map(|end| format!("{}: {}", end.connection, end.stream));
    [sync.name.to_string(), source, target, fields, deletes(sync.deletes).to_owned()]
}

/// What is read and what is written; an endpoint may be both.
fn hub_row(hub: &HubDef) -> [String; 5] {
    let ends = |takes_part: fn(Direction) -> bool| {
        let ends = hub.endpoints.iter().filter(|end| takes_part(end.direction));
        ends.map(|end| format!("{}: {}", end.connection, end.stream)).collect::<Vec<_>>().join("\n")
    };
    let (sources, targets) = (ends(Direction::reads), ends(Direction::writes));
    [hub.name.to_string(), sources, targets, hub.fields.len().to_string(), hub_deletes(hub.deletes).to_owned()]
}

fn sync_json(sync: &SyncDef) -> Value {
    match sync {
        SyncDef::Mirror(mirror) => mirror_json(mirror),
        SyncDef::Hub(hub) => hub_json(hub),
    }
}

fn hub_json(hub: &HubDef) -> Value {
    let end = |end: &HubEndpoint| json!({"name": end.name, "connection": end.connection, "stream": end.stream, "key": end.key});
    json!({
        "name": hub.name,
        "endpoints": hub.endpoints.iter().map(end).collect::<Vec<_>>(),
        "fields": hub.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>(),
        "deletes": hub_deletes(hub.deletes),
    })
}

fn mirror_json(sync: &MirrorDef) -> Value {
    let end =
        |end: &crate::project::Endpoint| json!({"connection": end.connection, "stream": end.stream, "key": end.key});
    let fields: Option<Vec<&FieldLine>> = (!sync.fields.is_empty()).then(|| sync.fields.iter().collect());
    json!({
        "name": sync.name,
        "source": end(&sync.source),
        "target": end(&sync.target),
        "fields": fields.map(|lines| lines.iter().map(|line| line.target.clone()).collect::<Vec<_>>()),
        "deletes": deletes(sync.deletes),
    })
}

fn deletes(deletes: Deletes) -> &'static str {
    match deletes {
        Deletes::Tombstones => "tombstones",
        Deletes::Compare => "compare",
        Deletes::Ignore => "ignore",
    }
}

fn hub_deletes(deletes: HubDeletes) -> &'static str {
    match deletes {
        HubDeletes::Propagate => "propagate",
        HubDeletes::Ignore => "ignore",
        HubDeletes::Archive => "archive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Exit;
    use crate::project::testing::TempDir;
    use std::path::Path;

    fn project(dir: &Path, connection: &str) -> Project {
        let text = format!("[project]\nname = \"shop\"\n[connection.a]\nplugin = \"csv\"\n{connection}\n");
        Project::parse(&text, dir, "lockstep.toml").unwrap()
    }

    fn check(connection: &str, expected: &[&str]) {
        let dir = TempDir::new("check");
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let project = project(dir.path(), connection);
        let mut errors = missing_secrets(&project);
        errors.extend(missing_folders(&project));
        let messages: Vec<String> =
            errors.iter().map(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR")).collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn what_a_project_refers_to_must_be_there() {
        check("files.data = { path = \"data\" }", &[]);
        check("sql.main = { path = \"data/new.db\" }", &[]);
        check(
            "files.data = { path = \"dta\" }",
            &["lockstep.toml:5: `connection.a.files.data.path` names the folder `DIR/dta`, which is not there"],
        );
        check(
            "sql.main = { path = \"no/new.db\" }",
            &["lockstep.toml:5: `connection.a.sql.main.path` names the folder `DIR/no`, which is not there"],
        );
        check(
            "sql.main = { url = \"file:secret\" }",
            &["lockstep.toml:5: the secret of `connection.a.sql.main.url` is not there"],
        );
    }

    #[test]
    fn a_good_project_is_described() {
        let dir = TempDir::new("check-good");
        let reply = describe(&project(dir.path(), ""));
        assert_eq!(reply.exit, Exit::Done);
        assert_eq!(reply.result["connections"][0], json!({"name": "a", "plugin": "csv", "grants": []}));
    }

    #[test]
    fn a_hub_is_described() {
        let hub = "[sync.people]\nmode = \"hub\"\nmatch = [\"name\"]\nendpoints.a = { stream = \"x\" }\n\
                   endpoints.b = { connection = \"a\", stream = \"y\", direction = \"read\" }\n\
                   fields.name = { a = \"name\", b = \"name\" }";
        let dir = TempDir::new("check-hub");
        let project = project(dir.path(), hub);
        let row = hub_row(project.syncs["people"].as_hub().unwrap());
        assert_eq!(row, ["people", "a: x\na: y", "a: x", "1", "propagate"]);
        let described = &describe(&project).result["syncs"][0];
        assert_eq!(described["endpoints"][1], json!({"name": "b", "connection": "a", "stream": "y", "key": []}));
    }
}
