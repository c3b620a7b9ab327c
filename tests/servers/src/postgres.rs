//! A PostgreSQL server of one's own.
//!
//! The superuser `postgres` connects without a password, over loopback and over a Unix socket. Users made by
//! [`Postgres::create_user`] need theirs. With [`Options::tls`] the server also speaks TLS, with a certificate for `localhost`.

mod programs;
mod template;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::account::Account;
use crate::certificate;
use crate::guardian::Guardian;
use crate::process::{POLL_INTERVAL, PORT_ATTEMPTS, START_TIMEOUT, free_port, run, write};
use programs::Programs;

/// How the server is set up. The default is quick and forgets everything in a power cut.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether commits reach the disk, as in production: slower, for benchmarks.
    pub durable: bool,
    pub tls: bool,
    /// Further settings: `("wal_level", "logical")`.
    pub settings: Vec<(String, String)>,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are told to go (`57P01`).
    Fast,
    /// As if the power had been cut.
    Immediate,
}

/// A running server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    account: Account,
    options: Options,
    folder: PathBuf,
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Postgres {
    /// A fresh, empty server.
    ///
    /// # Panics
    /// If PostgreSQL is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// As [`Postgres::start`], with options.
    pub fn start_with(options: Options) -> Self {
        let programs = Programs::find().unwrap_or_else(|reason| panic!("{reason}"));
        let account = Account::for_server();
        let folder = account.create_folder("postgres");
        let guardian = Guardian::watch(&account, &folder, &programs.path("pg_ctl"), STOP);
        let mut server = Self { programs, account, options, folder, port: 0, _guardian: guardian };
        server.initialise();
        server.launch_on_a_free_port();
        server
    }

    /// `postgres://postgres@127.0.0.1:54321/postgres`, without a password.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// As [`Postgres::url`], to another database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The same server through its Unix socket.
    pub fn socket_url(&self) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/postgres", self.port)
    }

    /// As a user made by [`Postgres::create_user`]; the host is `localhost`, as in the certificate.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("postgres://{user}:{password}@localhost:{}/postgres", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed the server's certificate, in PEM.
    pub fn certificate_authority(&self) -> PathBuf {
        certificate::authority(&self.folder)
    }

    /// A user that needs its password, which the server keeps as `encryption` says: `scram-sha-256` or `md5`.
    pub fn create_user(&self, user: &str, password: &str, encryption: &str) {
        self.psql(&format!(
            "set password_encryption = '{encryption}'; \
             create role \"{user}\" login password '{password}' in role password_users; \
             grant all on schema public to \"{user}\""
        ));
    }

    /// Runs statements and answers what `psql` prints: unaligned, without headers.
    ///
    /// # Panics
    /// If a statement fails.
    pub fn psql(&self, statements: &str) -> String {
        self.psql_in("postgres", statements)
    }

    /// As [`Postgres::psql`], in another database.
    ///
    /// # Panics
    /// If a statement fails.
    pub fn psql_in(&self, database: &str, statements: &str) -> String {
        let output = Command::new(self.programs.path("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .arg(format!("--command={statements}"))
            .arg(self.url_of(database))
            .output()
            .unwrap_or_else(|error| panic!("`psql` cannot be run: {error}"));
        if !output.status.success() {
            panic!("`psql` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub fn stop(&self, how: Shutdown) {
        let mode = match how {
            Shutdown::Fast => "fast",
            Shutdown::Immediate => "immediate",
        };
        let mut command = self.command("pg_ctl");
        command.args(["stop", "--wait", "--silent", "--mode", mode, "--pgdata"]).arg(self.data());
        run(&mut command);
    }

    /// Starts the stopped server again on its port.
    pub fn start_again(&self) {
        self.launch().unwrap_or_else(|log| panic!("PostgreSQL does not start again: {log}"));
    }

    pub fn restart(&self, how: Shutdown) {
        self.stop(how);
        self.start_again();
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn command(&self, program: &str) -> Command {
        self.account.command(&self.programs.path(program))
    }

    fn initialise(&self) {
        template::copy(&self.programs, &self.account, &self.data());
        let tls = if self.options.tls { TLS } else { "" };
        if self.options.tls {
            certificate::make(&self.account, &self.folder);
        }
        let durable = if self.options.durable { "on" } else { "off" };
        let mut settings = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = {durable}\n\
             synchronous_commit = {durable}\nfull_page_writes = {durable}\nmax_connections = 50\n{tls}",
            self.folder.display()
        );
        for (name, value) in &self.options.settings {
            settings.push_str(&format!("{name} = '{value}'\n"));
        }
        write(&self.data().join("postgresql.auto.conf"), &settings);
        write(&self.data().join("pg_hba.conf"), ACCESS);
    }

    fn launch_on_a_free_port(&mut self) {
        let mut log = String::new();
        for _ in 0..PORT_ATTEMPTS {
            self.port = free_port();
            match self.launch() {
                Ok(()) => return,
                Err(reason) => log = reason,
            }
        }
        panic!("PostgreSQL does not start: {log}");
    }

    /// Returns once the server takes connections; fails with the end of its log.
    fn launch(&self) -> Result<(), String> {
        let log = std::fs::File::create(self.log()).map_err(|error| error.to_string())?;
        let mut server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.is_ready(server.id()) {
            let ended = server.try_wait().map_err(|error| error.to_string())?.is_some();
            if ended || Instant::now() > deadline {
                return Err(std::fs::read_to_string(self.log()).unwrap_or_default());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        // Waits for the process, so that it does not stay behind as a zombie.
        std::thread::spawn(move || server.wait());
        Ok(())
    }

    /// The server writes `ready` into the eighth line of its pid file.
    fn is_ready(&self, pid: u32) -> bool {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines();
        lines.next().is_some_and(|line| line.trim() == pid.to_string())
            && lines.nth(6).is_some_and(|line| line.trim() == "ready")
    }
}

const TLS: &str = "ssl = on\nssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'\n";
/// What the guardian runs.
const STOP: &str = "\"$0\" stop --silent --mode immediate --pgdata \"$1/data\"";

/// The superuser is trusted; members of `password_users` are asked for their password. The first line that fits decides.
const ACCESS: &str = "local all postgres trust\n\
    host all postgres 127.0.0.1/32 trust\n\
    host all +password_md5 127.0.0.1/32 md5\n\
    host all +password_clear 127.0.0.1/32 password\n\
    host all +password_users 127.0.0.1/32 scram-sha-256\n";
