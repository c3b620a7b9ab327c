//! Bucardo, which keeps two PostgreSQL databases in agreement by triggers: what a hub is measured against.

use std::process::Command;
use std::time::{Duration, Instant};

use lockstep_test_servers::{Folder, Postgres};

use super::systems::Pair;

const PASSWORD: &str = "bucardo";
/// Bucardo's processes look for work every few tenths of a second, and begin a while after they were started.
const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon that runs; stopped when dropped.
pub struct Bucardo<'a> {
    server: &'a Postgres,
    folder: Folder,
}

impl<'a> Bucardo<'a> {
    /// Installs it in the server and makes it watch both tables. Later values win, as far as it can tell which those are; it works
    /// only when it is told to.
    pub fn start(pair: &Pair<'a>) -> Self {
        let server = pair.server;
        server.create_user("bucardo", PASSWORD, "scram-sha-256");
        server.psql("ALTER ROLE bucardo SUPERUSER");
        let this = Self { server, folder: Folder::new("bucardo") };
        let folder = this.folder.path().display().to_string();
        let port = server.port().to_string();
        let install = ["install", "--batch", "--quiet", "--no-bucardorc", "--dbhost", "127.0.0.1", "--dbport", &port];
        run(Command::new("bucardo")
            .env("PGPASSWORD", PASSWORD)
            .args(install)
            .args(["--dbuser", "postgres", "--dbname", "postgres", "--piddir", &folder]));
        for database in pair.databases {
            let [name, pass] = [format!("dbname={database}"), format!("pass={PASSWORD}")];
            this.tell(&[
                "add",
                "db",
                database,
                &name,
                "host=127.0.0.1",
                &format!("port={port}"),
                "user=bucardo",
                &pass,
            ]);
        }
        let [left, right] = pair.databases;
        this.tell(&["add", "table", "customers", &format!("db={left}"), "relgroup=customers"]);
        let databases = format!("dbs={left}:source,{right}:source");
        let sync = ["add", "sync", "customers", "relgroup=customers", &databases];
        this.tell(&[&sync[..], &["conflict_strategy=bucardo_latest", "autokick=0"]].concat());
        let file = |name: &str| format!("{name}={folder}/{}", name.trim_end_matches("_file"));
        // Its own housekeeping is off, as the server's is.
        this.tell(&["set", "bucardo_vac=0", &file("reason_file"), &file("warning_file")]);
        this.tell(&["start", "--log-destination", &folder]);
        this.wait_until(
            "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%' OR query ILIKE '%bucardo%kid%'",
        );
        this
    }

    fn command(&self) -> Command {
        let mut command = Command::new("bucardo");
        command.current_dir(self.folder.path()).args(["--quiet", "--no-bucardorc", "--dbhost", "127.0.0.1"]);
        command.args(["--dbport", &self.server.port().to_string(), "--dbname", "bucardo", "--dbuser", "bucardo"]);
        command.args(["--dbpass", PASSWORD]);
        command
    }

    fn tell(&self, args: &[&str]) {
        run(self.command().args(args));
    }

    fn ask(&self, query: &str) -> String {
        self.server.psql_in("bucardo", query)
    }

    fn wait_until(&self, query: &str) {
        let until = Instant::now() + PATIENCE;
        while self.ask(query) == "0" {
            assert!(Instant::now() < until, "Bucardo does not come to an end: {query}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// From the moment it is told to work until it is done, by the server's clock: without the start of a command.
    pub fn run(&self) -> Duration {
        let runs = || self.ask("SELECT count(*) FROM bucardo.syncrun WHERE ended IS NOT NULL").parse::<u64>().unwrap();
        let before = runs();
        let started = self.ask("NOTIFY bucardo, 'kick_sync_customers'; SELECT extract(epoch FROM clock_timestamp())");
        self.wait_until(&format!("SELECT (count(*) > {before})::int FROM bucardo.syncrun WHERE ended IS NOT NULL"));
        let ended = self.ask("SELECT extract(epoch FROM max(ended)) FROM bucardo.syncrun");
        let status = self.ask("SELECT status FROM bucardo.syncrun ORDER BY started DESC LIMIT 1");
        assert!(status.starts_with("Complete") || status.starts_with("Empty"), "Bucardo: {status}");
        Duration::from_secs_f64(ended.parse::<f64>().unwrap() - started.parse::<f64>().unwrap())
    }
}

impl Drop for Bucardo<'_> {
    fn drop(&mut self) {
        let _ = self.command().args(["stop", "the measurement is over"]).status();
        // Its processes go when they see the file that stops them, and not all at once.
        std::thread::sleep(Duration::from_secs(2));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?} failed: {said}");
}
