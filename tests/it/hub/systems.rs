//! The systems of a hub, and what is looked at after it ran.

use std::ops::Deref;

use lockstep::store::{Conflict, ConflictFilter, HubStore as _, SqliteStore};
use lockstep_test_servers::Postgres;
use serde_json::Value;

use crate::mirror::project::Project;

/// A project with one hub, and the systems it keeps in agreement: SQLite files, or databases of one PostgreSQL server.
pub struct Lab {
    project: Project,
    server: Option<Postgres>,
}

/// `contacts` in the SQLite file `crm.db`: the key is given by the system.
pub const CRM: &str =
    "create table contacts (id integer primary key, email text, full_name text, phone text, changed timestamptz);";
/// `customer` in the SQLite file `erp.db`: another key, other names.
pub const ERP: &str = "create table customer (no integer primary key autoincrement, mail text, name text, tel text, changed timestamptz);";

/// Everything of the hub between [`CRM`] and [`ERP`] but its policies.
const CUSTOMER: &str = "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\n\
    endpoints.crm = { stream = \"contacts\" CRM_KEYS }\nendpoints.erp = { stream = \"customer\" ERP_KEYS }\nPOLICIES\n\
    [sync.customer.fields]\nemail = { crm = \"email\", erp = \"mail\" }\n\
    name = { crm = \"full_name\", erp = \"name\" NAME_KEYS }\nphone = { crm = \"phone\", erp = \"tel\" }\n";

/// What a test says about the hub `customer` besides its tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Customer {
    /// Keys of the hub: `deletes = "ignore"`.
    pub hub: &'static str,
    /// Further keys of an endpoint: `, modified = "changed"`.
    pub crm: &'static str,
    pub erp: &'static str,
    /// Further keys of the field `name`: `, conflict = "newest"`.
    pub name: &'static str,
}

impl Customer {
    pub fn text(self) -> String {
        CUSTOMER
            .replace("CRM_KEYS", self.crm)
            .replace("ERP_KEYS", self.erp)
            .replace("POLICIES", self.hub)
            .replace("NAME_KEYS", self.name)
    }
}

impl Lab {
    /// Systems in SQLite files; `text` is what follows their connections.
    pub fn files(systems: &[&str], text: &str) -> Self {
        let lab = Self { project: Project::new(""), server: None };
        lab.define_files(systems, text);
        lab
    }

    fn define_files(&self, systems: &[&str], text: &str) {
        let connection =
            |name: &&str| format!("[connection.{name}]\nplugin = \"sqlite\"\nsql.main = {{ path = \"{name}.db\" }}\n");
        let connections: String = systems.iter().map(connection).collect();
        self.project.define(&format!("{connections}{text}"));
    }

    /// The hub `customer` between a CRM and an ERP with these rows: `1, 'ann@x', 'Ann', '1'`.
    pub fn customers(customer: Customer, crm: &[&str], erp: &[&str]) -> Self {
        let lab = Self::files(&["crm", "erp"], &customer.text());
        lab.sql("crm", CRM);
        lab.sql("erp", ERP);
        for row in crm {
            lab.sql("crm", &format!("insert into contacts (id, email, full_name, phone) values ({row})"));
        }
        for row in erp {
            lab.sql("erp", &format!("insert into customer (no, mail, name, tel) values ({row})"));
        }
        lab
    }

    /// Systems in databases of one server, each with the name of its database, and SQLite files.
    pub fn databases(databases: &[&str], files: &[&str], text: &str) -> Self {
        let server = Postgres::start();
        let project = Project::new("");
        let mut connections = String::new();
        for name in databases {
            server.psql(&format!("create database {name}"));
            project.write(&format!("{name}.url"), server.url_of(name));
            connections.push_str(&format!(
                "[connection.{name}]\nplugin = \"postgres\"\nsql.main = {{ url = \"file:{name}.url\" }}\n"
            ));
        }
        for name in files {
            connections.push_str(&format!(
                "[connection.{name}]\nplugin = \"sqlite\"\nsql.main = {{ path = \"{name}.db\" }}\n"
            ));
        }
        project.define(&format!("{connections}{text}"));
        Self { project, server: Some(server) }
    }

    /// Runs statements in a system; answers the rows of the last one, with `|` between columns.
    pub fn sql(&self, system: &str, statements: &str) -> String {
        let file = self.project.path(&format!("{system}.db"));
        match &self.server {
            Some(server) if self.project.path(&format!("{system}.url")).exists() => server.psql_in(system, statements),
            _ => sqlite(&file, statements),
        }
    }

    /// The server of the databases.
    pub fn server(&self) -> &Postgres {
        self.server.as_ref().expect("a server")
    }

    /// The rows of the CRM and of the ERP without their keys, in the order of the e-mail addresses.
    pub fn both(&self) -> (String, String) {
        (
            self.sql("crm", "select email, full_name, phone from contacts order by email, id"),
            self.sql("erp", "select mail, name, tel from customer order by mail, no"),
        )
    }

    /// Both systems have exactly these rows, and the next run has nothing to do.
    #[track_caller]
    pub fn agree_on(&self, rows: &[&str]) {
        let rows = rows.join("\n");
        assert_eq!(self.both(), (rows.clone(), rows));
        self.rests();
    }

    /// The next run writes nothing.
    #[track_caller]
    pub fn rests(&self) {
        let outcome = self.project.run(&["run", "--json"]);
        assert!(matches!(outcome.code, Some(0 | 1)), "{outcome}");
        let sync = outcome.json()["result"]["syncs"][0].clone();
        assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{outcome}");
    }

    /// Oldest first.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let store = SqliteStore::open_read_only(&self.project.path("")).unwrap();
        store.conflicts(&ConflictFilter::default()).unwrap()
    }

    /// The only conflict: its kind, its state, what it is about, and its text as JSON.
    #[track_caller]
    pub fn conflict(&self) -> (&'static str, &'static str, String, Value) {
        let conflicts = self.conflicts();
        let [only] = conflicts.as_slice() else { panic!("not one conflict: {conflicts:#?}") };
        described(only)
    }

    /// What is owed and not done, as the state has it: endpoint, record, state, due, attempts, deletes.
    pub fn intents(&self) -> String {
        sqlite(&self.project.path(".lockstep/state.db"), "select * from intent")
    }

    /// Open dead letters.
    pub fn letters(&self) -> Vec<Value> {
        let list = self.project.run(&["dead-letters", "list", "--json"]).ends(0).json();
        list["result"]["dead_letters"].as_array().unwrap().clone()
    }
}

impl Deref for Lab {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.project
    }
}

pub fn described(conflict: &Conflict) -> (&'static str, &'static str, String, Value) {
    let body = serde_json::from_str(&conflict.conflict.body).unwrap();
    (conflict.conflict.kind.name(), conflict.conflict.state.name(), conflict.conflict.subject.clone(), body)
}

/// These figures of a run.
#[track_caller]
pub fn figures<const N: usize>(sync: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| sync[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {sync}")))
}

fn sqlite(file: &std::path::Path, statements: &str) -> String {
    let database = rusqlite::Connection::open(file).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let is_query = statements.trim_start().starts_with("select");
    if !is_query {
        database.execute_batch(statements).unwrap();
        return String::new();
    }
    let mut statement = database.prepare(statements).unwrap();
    let columns = statement.column_count();
    let text = |row: &rusqlite::Row<'_>| {
        Ok((0..columns).map(|column| crate::mirror::project::shown(row, column)).collect::<Vec<_>>().join("|"))
    };
    let rows: Vec<String> = statement.query_map([], text).unwrap().map(Result::unwrap).collect();
    rows.join("\n")
}
