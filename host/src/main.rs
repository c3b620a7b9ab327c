//! The `lockstep` command: parse, run, exit.

use std::process::ExitCode;

use lockstep::cli;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(invocation) => cli::run(invocation),
        Err(refusal) => refusal.show(),
    }
    .into()
}
