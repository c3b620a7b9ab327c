//! A MariaDB server of one's own.
//!
//! The user `root` connects without a password, over loopback and over a Unix socket; users made by [`Mariadb::create_user`] need
//! theirs. The server's own defaults are as far from what a session needs as they may be in practice: no strict mode, and clocks
//! in India. With [`MariadbOptions::tls`] it also speaks TLS, with a certificate for `localhost`.

mod template;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::account::Account;
use crate::certificate;
use crate::guardian::Guardian;
use crate::process::{POLL_INTERVAL, PORT_ATTEMPTS, START_TIMEOUT, free_port, write};

/// How the server is set up. The default is quick and forgets everything in a power cut.
#[derive(Clone, Debug, Default)]
pub struct MariadbOptions {
    pub tls: bool,
    /// Further settings: `("max_allowed_packet", "1M")`.
    pub settings: Vec<(String, String)>,
}

/// A running server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Mariadb {
    account: Account,
    options: MariadbOptions,
    folder: PathBuf,
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

/// What the guardian runs.
const STOP: &str = "kill -KILL \"$(cat \"$1/pid\")\"";

/// What runs when the server starts.
const INIT: &str = "CREATE DATABASE IF NOT EXISTS test;\n\
    CREATE USER IF NOT EXISTS root@'127.0.0.1';\n\
    GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n";

impl Mariadb {
    /// A fresh server with an empty database `test`.
    ///
    /// # Panics
    /// If MariaDB is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(MariadbOptions::default())
    }

    /// As [`Mariadb::start`], with options.
    pub fn start_with(options: MariadbOptions) -> Self {
        let account = Account::for_server();
        let folder = account.create_folder("mariadb");
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), STOP);
        let mut server = Self { account, options, folder, port: 0, _guardian: guardian };
        template::copy(&server.account, &server.data());
        write(&server.folder.join("init.sql"), INIT);
        if server.options.tls {
            certificate::make(&server.account, &server.folder);
        }
        server.launch_on_a_free_port();
        server
    }

    /// `mysql://root@127.0.0.1:54321/test`, without a password.
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/test", self.port)
    }

    /// The same server through its Unix socket.
    pub fn socket_url(&self) -> String {
        format!("mariadb://root@{}/test", self.socket().display().to_string().replace('/', "%2F"))
    }

    /// As a user made by [`Mariadb::create_user`]; the host is `localhost`, as in the certificate.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("mysql://{user}:{password}@localhost:{}/test", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed the server's certificate, in PEM.
    pub fn certificate_authority(&self) -> PathBuf {
        certificate::authority(&self.folder)
    }

    /// A user that needs its password and may do these things in the database `test`.
    pub fn create_user(&self, user: &str, password: &str, privileges: &str) {
        self.sql(&format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; GRANT {privileges} ON test.* TO '{user}'@'%'"
        ));
    }

    /// Runs statements in the database `test` as `root`, in UTC and strict, and answers what they print: a line for each row,
    /// values separated by tabs.
    ///
    /// # Panics
    /// If a statement fails.
    pub fn sql(&self, statements: &str) -> String {
        let mut client = Command::new(program("mariadb"));
        client
            .args([
                "--no-defaults",
                "--batch",
                "--skip-column-names",
                "--raw",
                "--user=root",
                "--default-character-set=utf8mb4",
            ])
            .arg("--init-command=SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES'")
            .arg(format!("--socket={}", self.socket().display()))
            .arg("test");
        let output = run_with_input(&mut client, statements);
        if !output.status.success() {
            panic!("`mariadb` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Stops the server as if the power had been cut.
    pub fn stop(&self) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).unwrap_or_default();
        let status = Command::new("kill").args(["-KILL", pid.trim()]).status();
        assert!(status.is_ok_and(|status| status.success()), "the server of process `{}` is not there", pid.trim());
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Starts the stopped server again on its port.
    pub fn start_again(&self) {
        self.launch().unwrap_or_else(|log| panic!("MariaDB does not start again: {log}"));
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
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
        panic!("MariaDB does not start: {log}");
    }

    fn settings(&self) -> Vec<String> {
        let path = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
        let mut settings = vec![
            "--no-defaults".to_owned(),
            path("datadir", self.data()),
            // A server that starts clears away what it finds here, also of others.
            path("tmpdir", self.data()),
            path("socket", self.socket()),
            path("pid-file", self.folder.join("pid")),
            path("init-file", self.folder.join("init.sql")),
            format!("--port={}", self.port),
        ];
        settings.extend(SETTINGS.iter().map(|setting| (*setting).to_owned()));
        if self.options.tls {
            settings.push(path("ssl-cert", certificate::certificate(&self.folder)));
            settings.push(path("ssl-key", certificate::key(&self.folder)));
        }
        settings.extend(self.options.settings.iter().map(|(name, value)| format!("--{name}={value}")));
        settings
    }

    /// Returns once the server takes connections; fails with the end of its log.
    fn launch(&self) -> Result<(), String> {
        let log = std::fs::File::create(self.log()).map_err(|error| error.to_string())?;
        let _ = std::fs::remove_file(self.folder.join("pid"));
        let mut server = self
            .account
            .command(&program("mariadbd"))
            .args(self.settings())
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

    /// The server says so in its log, after it has written its number.
    fn is_ready(&self, pid: u32) -> bool {
        let number = std::fs::read_to_string(self.folder.join("pid")).unwrap_or_default();
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        number.trim() == pid.to_string() && log.contains("ready for connections")
    }
}

const SETTINGS: &[&str] = &[
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--sql-mode=",
    "--default-time-zone=+05:30",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--max-connections=50",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-fast-shutdown=2",
    "--innodb-log-file-size=16M",
    "--innodb-use-native-aio=0",
    "--performance-schema=OFF",
];

/// The client reads statements as a person types them, with what it calls delimiters.
fn run_with_input(client: &mut Command, statements: &str) -> std::process::Output {
    use std::io::Write as _;
    let child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("`mariadb` cannot be run: {error}"));
    if let Some(mut input) = child.stdin.take() {
        // A client that has failed reads no more, and says so when it is waited for.
        let _ = input.write_all(statements.as_bytes());
    }
    child.wait_with_output().unwrap_or_else(|error| panic!("`mariadb` is lost: {error}"))
}

/// Where Debian puts the programs, if they are nowhere in the path.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("MariaDB is not installed: `cargo xtask test` installs it"))
}
