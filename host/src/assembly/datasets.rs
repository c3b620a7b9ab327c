//! The names under which a project's streams are known to others, by OpenLineage's conventions: a database's host, port and name, a
//! file's path. A user name or a password is never a part of one.

use std::path::Path;

use crate::lineage::openlineage::{Dataset, Job, JobEnd, JobKind};
use crate::plugin::{Access, Database, DatabasePlace};
use crate::project::{self, Connection, ConnectionName, PluginRef, Project, SecretUse, SyncDef};

/// Files are named by their paths, and tables of database files by theirs.
const FILE_NAMESPACE: &str = "file";

/// A sync as others know it.
pub fn job(project: &Project, sync: &SyncDef) -> Job {
    let end = |connection: &ConnectionName, stream: &str, is_read, is_written| JobEnd {
        dataset: dataset(project, connection, stream),
        is_read,
        is_written,
    };
    let (kind, ends) = match sync {
        SyncDef::Mirror(mirror) => {
            let source = end(&mirror.source.connection, &mirror.source.stream, true, false);
            let target = end(&mirror.target.connection, &mirror.target.stream, false, true);
            (JobKind::Mirror, vec![source, target])
        }
        SyncDef::Hub(hub) => {
            let ends = hub.endpoints.iter().map(|endpoint| {
                let (is_read, is_written) = (endpoint.direction.reads(), endpoint.direction.writes());
                end(&endpoint.connection, &endpoint.stream, is_read, is_written)
            });
            (JobKind::Hub, ends.collect())
        }
    };
    let namespace = project.openlineage.as_ref().and_then(|settings| settings.namespace.clone());
    let namespace = namespace.unwrap_or_else(|| project.name.clone());
    Job { namespace, name: sync.name().to_string(), kind, ends }
}

fn dataset(project: &Project, connection: &ConnectionName, stream: &str) -> Dataset {
    let known = project.connections.get(connection).and_then(|connection| known(connection, stream));
    known.unwrap_or_else(|| Dataset {
        namespace: format!("lockstep://{}/{connection}", project.name),
        name: stream.to_owned(),
    })
}

/// What only the bundled plugins promise: that a stream is a table, or a file.
fn known(connection: &Connection, stream: &str) -> Option<Dataset> {
    let PluginRef::Bundled(plugin) = &connection.plugin else { return None };
    match plugin.as_str() {
        "postgres" | "mysql" | "sqlite" => table(&place(connection)?, stream),
        "csv" | "jsonl" => file(&connection.files.get("data")?.path, stream),
        _ => None,
    }
}

fn place(connection: &Connection) -> Option<DatabasePlace> {
    let grant = connection.sql.get("main")?;
    let name = connection.name.as_str();
    let database = match &grant.database {
        project::Database::Path(path) => Database::sqlite(path, name, Access::ReadOnly),
        project::Database::Url(reference) => {
            let usage = SecretUse::of_database(reference, &connection.name, "main", &grant.place);
            Database::at(usage.resolve().ok()?.expose(), name)
        }
    };
    Some(database.ok()?.place())
}

fn table(place: &DatabasePlace, stream: &str) -> Option<Dataset> {
    Some(match place {
        DatabasePlace::Server { scheme, host, port, database } => {
            let name = match *scheme {
                // A stream without a schema is in `public`.
                "postgres" if !stream.contains('.') => format!("{database}.public.{stream}"),
                "postgres" => format!("{database}.{stream}"),
                // A stream with a dot names its database.
                _ if stream.contains('.') || database.is_empty() => stream.to_owned(),
                _ => format!("{database}.{stream}"),
            };
            Dataset { namespace: format!("{scheme}://{host}:{port}"), name }
        }
        DatabasePlace::File(path) => {
            let table = stream.strip_prefix("main.").unwrap_or(stream);
            Dataset { namespace: FILE_NAMESPACE.to_owned(), name: path.join(table).display().to_string() }
        }
    })
}

fn file(root: &Path, stream: &str) -> Option<Dataset> {
    let path = std::path::absolute(root.join(stream)).ok()?;
    Some(Dataset { namespace: FILE_NAMESPACE.to_owned(), name: path.display().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(connection: &str, stream: &str, expected: (&str, &str)) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("postgres"), "postgres://me:canary@DB.example.com/shop").unwrap();
        std::fs::write(dir.path().join("socket"), "postgres://me:canary@%2Frun%2Fpg:6543/shop").unwrap();
        std::fs::write(dir.path().join("six"), "postgresql://me:canary@[::1]:6543,other/shop?password=canary").unwrap();
        std::fs::write(dir.path().join("mysql"), "mariadb://me:canary@db:3307/shop").unwrap();
        std::fs::write(dir.path().join("server"), "mysql://me:canary@db").unwrap();
        let text = format!(
            "[project]\nname = \"acme\"\n[connection.a]\n{connection}\n[sync.s]\nmode = \"mirror\"\n\
             source = {{ connection = \"a\", stream = \"{stream}\" }}\ntarget = {{ connection = \"a\", stream = \"other\" }}\n"
        );
        let project = Project::parse(&text, dir.path(), "lockstep.toml").unwrap();
        let job = job(&project, &project.syncs["s"]);
        assert!(!format!("{job:?}").contains("canary") && !format!("{job:?}").contains("me@"), "{job:?}");
        let found = &job.ends[0].dataset;
        let name = found.name.replace(&dir.path().display().to_string(), "/DIR");
        assert_eq!((found.namespace.as_str(), name.as_str()), expected);
    }

    #[test]
    fn streams_have_the_names_others_give_them() {
        let url = |plugin: &str, file: &str| format!("plugin = \"{plugin}\"\nsql.main = {{ url = \"file:{file}\" }}");
        let postgres = url("postgres", "postgres");
        check(&postgres, "customer", ("postgres://db.example.com:5432", "shop.public.customer"));
        check(&postgres, "crm.customer", ("postgres://db.example.com:5432", "shop.crm.customer"));
        check(&url("postgres", "socket"), "a", ("postgres://localhost:6543", "shop.public.a"));
        check(&url("postgres", "six"), "a", ("postgres://[::1]:6543", "shop.public.a"));
        check(&url("mysql", "mysql"), "customer", ("mysql://db:3307", "shop.customer"));
        check(&url("mysql", "mysql"), "crm.customer", ("mysql://db:3307", "crm.customer"));
        check(&url("mysql", "server"), "crm.customer", ("mysql://db:3306", "crm.customer"));
        check("plugin = \"sqlite\"\nsql.main = { path = \"a.db\" }", "t", ("file", "/DIR/a.db/t"));
        check("plugin = \"sqlite\"\nsql.main = { path = \"a.db\" }", "main.t", ("file", "/DIR/a.db/t"));
        check("plugin = \"csv\"\nfiles.data = { path = \"data\" }", "sub/a.csv", ("file", "/DIR/data/sub/a.csv"));
    }

    #[test]
    fn what_nobody_knows_is_named_after_the_project() {
        check("plugin = \"./own.wasm\"", "things", ("lockstep://acme/a", "things"));
        check(
            &format!("plugin = \"postgres\"\nsql.main = {{ url = \"file:{}\" }}", "gone"),
            "t",
            ("lockstep://acme/a", "t"),
        );
    }
}
