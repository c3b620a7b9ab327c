//! Every command in `docs/guides` is run as it stands, and what a guide shows is what is said.
//!
//! Blocks of a terminal (`console`) are typed into one shell, in a folder that is empty at first; `…` in what is shown stands for
//! anything, and times, sizes and digests for any others. Comments that no reader sees say what else there is to know of the next block:
//!
//! | comment | |
//! |---|---|
//! | `<!-- file: PATH -->` | its text is written to this file |
//! | `<!-- add: PATH -->` | its text is added to this file |
//! | `<!-- first: COMMANDS -->` | these are run first, unseen: they make the world the guide speaks of |
//! | `<!-- not run: REASON -->` | it is not run, and counted |
//!
//! A command that does not end well says so: `$ lockstep run   # exit code 1`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lockstep_test_servers::{Api, Postgres, componentize_py};
use tempfile::TempDir;

mod compare;
mod parse;

use parse::{Block, Step};

const END: &str = "@@end-of-command@@";

/// One terminal.
struct Shell {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Shell {
    fn start(secrets: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (bin, work) = (folder.path().join("bin"), folder.path().join("work"));
        [&bin, &work].into_iter().for_each(|path| std::fs::create_dir(path).unwrap());
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lockstep-under-test"), bin.join("lockstep")).unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut process = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(&work)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("LOCKSTEP_CACHE_DIR", std::env::temp_dir().join("lockstep-test-cache"))
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/kit"))
            .env("REPOSITORY", root())
            .env_remove("LOCKSTEP_PROJECT")
            .envs(secrets.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut shell = Self { process, input, output, folder };
        shell.run("exec 2>&1");
        shell
    }

    /// What a command says, and its exit code.
    fn run(&mut self, command: &str) -> (String, i32) {
        // Nothing of the shell's own input is for the command.
        writeln!(self.input, "{{ {command}\n}} < /dev/null; printf '\\n%s %s\\n' '{END}' $?").unwrap();
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the shell has gone: {command}\n{said}");
            if let Some(code) = line.trim_end().strip_prefix(END) {
                return (said.trim_end().to_owned(), code.trim().parse().unwrap());
            }
            said.push_str(&line);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        let mut here = String::new();
        std::fs::File::open(self.folder.path().join("here")).unwrap().read_to_string(&mut here).unwrap();
        Path::new(here.trim()).join(name)
    }

    fn write(&mut self, name: &str, text: &str, is_added: bool) {
        let here = self.folder.path().join("here");
        self.run(&format!("pwd > {}", here.display()));
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = if is_added { std::fs::read_to_string(&path).unwrap() } else { String::new() };
        std::fs::write(path, before + text).unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn guide(name: &str) -> String {
    std::fs::read_to_string(root().join("docs/guides").join(name)).unwrap()
}

/// Follows a guide literally: so many of its commands are run, and so many blocks are not.
fn follow(name: &str, secrets: &[(&str, String)], run: usize, not_run: usize) {
    let steps = parse::steps(&guide(name));
    let mut shell = Shell::start(secrets);
    let (mut commands, mut left) = (0, 0);
    for Step { line, block } in &steps {
        match block {
            Block::File { path, text, is_added } => shell.write(path, text, *is_added),
            Block::First(command) => {
                let (said, code) = shell.run(command);
                assert_eq!(code, 0, "{name}:{line}: {command}\n{said}");
            }
            Block::NotRun => left += 1,
            Block::Command { command, code, shown } => {
                let (said, found) = shell.run(command);
                assert_eq!(found, *code, "{name}:{line}: {command}\n{said}");
                if let Err(reason) = compare::fits(shown, &said) {
                    panic!("{name}:{line}: {command}\n{reason}\nit says:\n{said}");
                }
                commands += 1;
            }
        }
    }
    assert_eq!((commands, left), (run, not_run), "{name}: commands that were run, blocks that were not");
}

fn python() -> (&'static str, String) {
    ("PYTHON_ENVIRONMENT", componentize_py().display().to_string())
}

#[test]
fn write_a_plugin() {
    follow("write-a-plugin.md", &[python()], 27, 0);
}

#[test]
fn audit_a_plugin() {
    follow("audit-a-plugin.md", &[], 10, 0);
}

#[test]
fn migrate_wit() {
    follow("migrate-wit.md", &[], 5, 0);
}

#[test]
fn connect_by_configuration() {
    let tracker = Api::start("issues");
    tracker.change(r#"{"create": [{"title": "one"}, {"title": "two"}]}"#);
    follow("connect-by-configuration.md", &[("TRACKER_URL", tracker.url())], 5, 0);
}

#[test]
fn operate() {
    follow("operate.md", &[], 14, 0);
}

#[test]
fn first_sync() {
    let server = Postgres::start();
    follow("first-sync.md", &[("SERVER_URL", server.url())], 19, 2);
}

/// Guides whose commands are run by others.
const ELSEWHERE: &[(&str, &str)] = &[
    ("hubs.md", "its commands need a hub with conflicts: `tests/it/hub` runs each of them"),
    ("http-apis.md", "it shows settings; `documents.rs` reads them"),
];

#[test]
fn every_guide_is_followed() {
    let here = std::fs::read_to_string(root().join("tests/it/guides.rs")).unwrap();
    for entry in std::fs::read_dir(root().join("docs/guides")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let is_elsewhere = ELSEWHERE.iter().any(|(known, _)| *known == name);
        assert!(is_elsewhere || here.contains(&format!("follow(\"{name}\"")), "{name} is followed by no test");
    }
}

/// The test can fail: what is not said is noticed, and so are a wrong exit code and a forgotten block.
#[test]
fn a_guide_that_is_wrong_is_noticed() {
    let steps = parse::steps(
        "```console\n$ echo a; false   # exit code 1\na\n```\n<!-- not run: x -->\n```console\n$ b\n```\n",
    );
    let [Step { block: Block::Command { command, code, shown }, .. }, Step { block: Block::NotRun, .. }] = &steps[..]
    else {
        panic!("{steps:?}")
    };
    let (said, found) = Shell::start(&[]).run(command);
    assert_eq!((said.as_str(), found, *code), ("a", 1, 1));
    assert!(compare::fits(shown, &said).is_ok() && compare::fits(shown, "b").is_err());
}
