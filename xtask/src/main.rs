//! The chores of this workspace. Without dependencies, so that it is there at once.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a command")]

mod install;

use std::process::{Command, ExitCode};

const HELP: &str = "\
usage: cargo xtask COMMAND

  test [ARG…]        install what the tests need and run them all; arguments go to the test runner
  generate           write the generated pages of docs/reference
  generate --check   fail if one of them is out of date
  sim [ARG…]         run hubs in the simulator: --seeds A..B, --seed N --trace, --without MECHANISM, --mutations
  bench [ARG…]       measure against floors and write docs/reference/benchmarks.md; --only GROUP keeps its other figures
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = args.split_first().map_or(("help", &[][..]), |(first, rest)| (first.as_str(), rest));
    let outcome = match command {
        "test" => test(rest),
        "generate" => cargo(&["run", "--quiet", "--package", "lockstep-tests", "--bin", "generate", "--"], rest),
        "sim" => cargo(&["run", "--quiet", "--profile", "sim", "--package", "lockstep-sim", "--"], rest),
        "bench" => bench(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no command `{other}`\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn test(rest: &[String]) -> Result<(), String> {
    install::for_tests()?;
    if has_nextest() {
        cargo(&["nextest", "run", "--workspace"], rest)?;
    } else {
        cargo(&["test", "--workspace", "--lib", "--bins", "--tests"], rest)?;
    }
    // Examples in documentation, which the other runner does not know.
    cargo(&["test", "--quiet", "--doc", "--package", "lockstep-plugin-sdk"], &[])
}

fn has_nextest() -> bool {
    Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}

fn bench(rest: &[String]) -> Result<(), String> {
    install::for_bench()?;
    // The thing that is measured is the binary people use, built as they build it.
    cargo(&["build", "--release", "--package", "lockstep"], &[])?;
    cargo(&["run", "--release", "--package", "lockstep-bench", "--"], rest)
}

fn cargo(args: &[&str], rest: &[String]) -> Result<(), String> {
    let status =
        Command::new("cargo").args(args).args(rest).status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed: {status}", args.join(" "))) }
}
