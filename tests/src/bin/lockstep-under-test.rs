//! The `lockstep` command as the tests of the whole product run it: the same as `host/src/main.rs`, under a name of its own
//! because two packages of one workspace must not build the same file.

use std::process::ExitCode;

use lockstep::cli;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(invocation) => cli::run(invocation),
        Err(refusal) => refusal.show(),
    }
    .into()
}
